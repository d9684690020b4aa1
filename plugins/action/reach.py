# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a module on a host that may be lost: a failure that a rescue sees, where Ansible would drop the host from the run."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run the module; a host that cannot be reached fails the task and is told by `lost`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result with `lost`."""
        super().run(tmp, task_vars)
        _given, given = self.validate_argument_spec(
            argument_spec={"module": {"type": "str", "required": True}, "arguments": {"type": "dict", "default": {}}}
        )
        try:
            result = dict(self._execute_module(module_name=given["module"], module_args=given["arguments"], task_vars=task_vars))
        except AnsibleConnectionFailure as error:
            result = {"failed": True, "msg": f"{self._task.get_name()}: the host cannot be reached: {error}", "lost": True}
        return {"lost": False, **result}
