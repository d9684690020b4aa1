# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare the variables of a run with the runbook's manifest; see the module of the same name for what it takes."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import FOREIGN, read_catalogue, usable_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import answer_problems, unknown_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import report

ARGUMENTS: dict[str, dict[str, Any]] = {
    "runbook": {"type": "str", "required": True},
    "environment_name": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    """Look at extra variables, and at those of the inventory that are inputs too."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a failed result that names every problem, or an unchanged one."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        name = arguments["runbook"]
        catalogue = read_catalogue()
        runbooks = usable_runbooks()
        if name not in runbooks:
            raise AnsibleActionFail(f"There is no runbooks/{name}.yml. Runbooks are {', '.join(runbooks)}.")
        runbook = runbooks[name]
        extra = [key for key in load_extra_vars(self._loader) if not key.startswith(FOREIGN)]
        answers = {key: self._templar.template(value) for key, value in (task_vars or {}).items() if key in runbook.inputs}
        problems = [
            *answer_problems(runbook, arguments["environment_name"], answers, plan=self._task.check_mode),
            *unknown_problems(runbook, extra, catalogue.names | catalogue.connection),
        ]
        if problems:
            return {"failed": True, "msg": report(problems, name, where="with the inputs of")}
        return {"changed": False, "msg": f"Checked {len(runbook.inputs)} inputs of {name}."}
