# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Add to the module of the same name what only the control node knows: who releases the lease, from where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_identity import Invocation, describe_run

ROOT = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):
    """Run the module with the record of this release."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        invocation = Invocation(variables, context.CLIARGS, set(load_extra_vars(self._loader)), os.environ, ROOT)
        record = describe_run(str(arguments.get("environment_name", "")), str(arguments.get("reason", "")), invocation)
        arguments["record"] = {**record, "ended": record["began"], "seconds": 0}
        return dict(self._execute_module(module_args=arguments, task_vars=variables))
