# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that name a key by its ARN.

https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html
moto 5.2.5 knows a key by its id only and fails with KeyError when it is given the ARN, as amazon.aws.kms_key does.
"""

from __future__ import annotations

from typing import Any

from moto.kms.models import KmsBackend

from sandbox.emulator.additions.patching import wrap


def install() -> None:
    for name in ("schedule_key_deletion", "cancel_key_deletion", "enable_key", "disable_key"):

        @wrap(KmsBackend, name)
        def by_any_name(original: Any, self: Any, key_id: str, *others: Any) -> Any:
            return original(self, self.any_id_to_key_id(key_id), *others)
