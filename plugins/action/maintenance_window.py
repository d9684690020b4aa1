# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuse maintenance outside of its windows, in a freeze, and while backups are made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils.maintenance import Request, refusal
from ansible_collections.indivillage.infra.plugins.plugin_utils.schedules import ScheduleError


class ActionModule(ActionBase):
    """Look at the clock of the control node; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what is open, or a failed result with the reason."""
        super().run(tmp, task_vars)
        _result, given = self.validate_argument_spec(
            {
                "windows": {"type": "list", "elements": "dict", "required": True},
                "freezes": {"type": "list", "elements": "dict", "default": []},
                "busy": {"type": "dict", "default": {}},
                "minutes": {"type": "int", "required": True},
                "out_of_turn": {"type": "bool", "default": False},
            }
        )
        try:
            reason = refusal(Request(**given), datetime.now(UTC))
        except (ScheduleError, ValueError, KeyError) as error:
            reason = f"the windows cannot be read: {error}. Correct aws_patching_windows or patch_freezes."
        # A plan is made before the window opens, to be approved by then.
        if reason and self._task.check_mode:
            return {"changed": False, "msg": f"An apply at this moment would be refused: {reason}"}
        return {"failed": True, "msg": reason} if reason else {"changed": False, "msg": "The window is open."}
