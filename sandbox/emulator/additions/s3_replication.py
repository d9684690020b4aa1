# SPDX-License-Identifier: GPL-3.0-or-later
"""Replication rules are read back as they were written.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html
moto 5.2.5 keeps what was put, and answers every read with a filter for all objects, without delete markers and without what
selects encrypted objects. Objects are not copied, here as there.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import ReplicationConfigurationNotFoundError
from moto.s3.responses import S3Response

from sandbox.emulator.additions.patching import wrap


def _read(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as it was parsed from XML, in the types of the answer."""
    read = {**rule, "Priority": int(rule["Priority"])}
    if "Filter" in rule:
        read["Filter"] = {key: value or "" for key, value in (rule["Filter"] or {}).items()}
    return read


@functools.cache
def install() -> None:
    @wrap(S3Response, "get_bucket_replication")
    def get_bucket_replication(_original: Any, self: Any) -> Any:
        self.data["Action"] = "GetBucketReplication"
        found = self.backend.get_bucket_replication(self.bucket_name)
        if not found:
            raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
        rules = [_read(rule) for rule in found["Rule"]]
        return self.serialized(ActionResult({"ReplicationConfiguration": {"Role": found["Role"], "Rules": rules}}))
