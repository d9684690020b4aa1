# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose what nobody declares any more; see the module of the same name for what it takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_report, removal_choice, run_approval
from ansible_collections.indivillage.infra.plugins.plugin_utils.own_command import SITE, own_command

# What makes AWS resources; hosts declare none.
PROVISIONING = ("--tags", "preflight,provision,images")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "environment_name": {"type": "str", "required": True},
    "resources": {"type": "dict", "required": True},
    "layers": {"type": "dict", "required": True},
    "kept_kinds": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):
    """Compare what exists with what a plan of the whole environment has seen."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the undeclared resources by host."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        if context.CLIARGS.get("subset"):
            raise AnsibleActionFail(
                "Prune looks at the whole environment, because a plan of a part sees a part of what is declared: no --limit."
            )
        try:
            chosen = self._undeclared(arguments) if self._task.check_mode else self._approved(arguments)
        except (removal_choice.ChoiceError, run_approval.ReplanError, plan_report.PlanError) as problem:
            raise AnsibleActionFail(str(problem)) from problem
        return {"changed": False, "resources": chosen}

    def _undeclared(self, arguments: dict[str, Any]) -> dict[str, list[Any]]:
        """Plan the environment, and choose what the plan has not seen."""
        directory = Path(constants.DEFAULT_LOCAL_TMP) / "declared"
        plan = run_approval.replan(own_command(SITE, *PROVISIONING), arguments["environment_name"], directory, os.environ)
        removal_choice.require_whole(plan, arguments["layers"])
        kept = arguments["kept_kinds"]
        return {host: removal_choice.undeclared(found, plan.declared, kept) for host, found in arguments["resources"].items()}

    def _approved(self, arguments: dict[str, Any]) -> dict[str, list[Any]]:
        """Choose what the plan names that this run has just been approved by: begin_run has made it a moment ago."""
        directory = Path(constants.DEFAULT_LOCAL_TMP) / "approval"
        plan = plan_report.load(run_approval.plan_path(directory, arguments["environment_name"]))
        return {host: removal_choice.named_by(plan, host, found) for host, found in arguments["resources"].items()}
