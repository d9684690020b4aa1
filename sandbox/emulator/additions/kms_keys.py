# SPDX-License-Identifier: GPL-3.0-or-later
"""ScheduleKeyDeletion by ARN.

https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
moto 5.2.5 knows a key by its id only and fails with KeyError when it is given the ARN, as amazon.aws.kms_key does.
"""

from __future__ import annotations

from typing import Any

from moto.kms.models import KmsBackend

from sandbox.emulator.additions.patching import wrap


def install() -> None:
    @wrap(KmsBackend, "schedule_key_deletion")
    def schedule_key_deletion(original: Any, self: Any, key_id: str, pending_window_in_days: int) -> Any:
        return original(self, self.any_id_to_key_id(key_id), pending_window_in_days)
