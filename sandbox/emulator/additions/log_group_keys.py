# SPDX-License-Identifier: GPL-3.0-or-later
"""The KMS key of a log group that exists.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DisassociateKmsKey.html
moto 5.2.5 takes a key when a log group is created and knows no call to change it.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse

from sandbox.emulator.additions.patching import add


@functools.cache
def install() -> None:
    @add(LogsResponse, "associate_kms_key")
    def associate_kms_key(self: Any) -> str:
        return _set_key(self, self._get_param("kmsKeyId"))

    @add(LogsResponse, "disassociate_kms_key")
    def disassociate_kms_key(self: Any) -> str:
        return _set_key(self, None)


def _set_key(response: Any, key: str | None) -> str:
    group = response.logs_backend.groups.get(response._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    group.kms_key_id = key
    return ""
