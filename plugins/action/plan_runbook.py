# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan a runbook in a process of its own; see the module of the same name for what it takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_text, run_approval
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import usable_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.own_command import own_command

ARGUMENTS: dict[str, dict[str, Any]] = {
    "runbook": {"type": "str", "required": True},
    "environment_name": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    """Run the runbook's playbook with --check and this run's inventory, limit, tags and variables."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan for people, and its digest for the run that carries it out."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        planned = {name: runbook for name, runbook in usable_runbooks().items() if runbook.plan}
        name = arguments["runbook"]
        if name not in planned:
            raise AnsibleActionFail(f"{name} is no runbook with a plan. Those are {', '.join(planned)}.")
        try:
            command = own_command(planned[name].playbook)
            plan = run_approval.replan(command, arguments["environment_name"], Path(arguments["directory"]), os.environ)
        except run_approval.ReplanError as problem:
            raise AnsibleActionFail(str(problem)) from problem
        digest = f"{run_approval.PREFIX}{plan.digest}"
        return {"changed": False, "approved_plan": digest, "text": plan_text.render(plan), "entries": len(plan.entries)}
