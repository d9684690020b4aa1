# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a role of which something else is changed.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
moto 5.2.5 takes it away when a call does not name it; amazon.aws.iam_role changes duration and description by a call each.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.iam.models import IAMBackend

from sandbox.emulator.additions.patching import wrap


@cache
def install() -> None:
    @wrap(IAMBackend, "update_role")
    def update_role(original: Any, self: Any, role_name: str, role_description: str | None, max_session_duration: str) -> Any:
        kept = self.get_role(role_name).description if role_description is None else role_description
        return original(self, role_name, kept, max_session_duration)
