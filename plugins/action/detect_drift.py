# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan the environment in a process of its own and say how far it has drifted; see the module of the same name for what it takes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import drift, plan_report, run_approval
from ansible_collections.indivillage.infra.plugins.plugin_utils.own_command import SITE, own_command

ARGUMENTS: dict[str, dict[str, Any]] = {
    "environment_name": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "last_run": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Run site.yml --check with this run's inventory, limit, tags and variables."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the exit code that the drift deserves, and a text for people."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        environment, directory = arguments["environment_name"], Path(arguments["directory"])
        before = None
        with suppress(plan_report.PlanError):
            before = plan_report.load(run_approval.plan_path(directory, environment))
        try:
            plan = run_approval.replan(own_command(SITE), environment, directory, os.environ)
        except run_approval.ReplanError as problem:
            return {
                "changed": False,
                "exit_code": plan_report.FAILED,
                "text": f"Whether {environment} has drifted cannot be told. {problem}",
            }
        text = drift.summary(plan, before, arguments["last_run"])
        return {
            "changed": False,
            "exit_code": plan.exit_code,
            "text": text,
            "report": str(run_approval.plan_path(directory, environment).parent),
        }
