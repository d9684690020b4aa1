# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Begin a run that writes: its lease, its record, and the approval of its plan; see the module of the same name for what it takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.indivillage.infra.plugins.plugin_utils import run_approval, run_client
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import to_json
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_identity import Invocation, describe_run
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_protocol import Begun, Settings

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "environment_name": {"type": "str", "required": True},
    "region": {"type": "str", "required": True},
    "lease_table": {"type": "str", "required": True},
    "runs_table": {"type": "str", "required": True},
    "bucket": {"type": "str", "required": True},
    "reason": {"type": "str", "default": ""},
    "approval": {"type": "str", "choices": ["required", "none"], "default": "none"},
    "approved_plan": {"type": "str", "default": ""},
    "plan_directory": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    """Start the keeper of this run; see run_keeper."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the run's id, or a failure that says who else is writing, or what moved since the plan was approved."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        if self._task.check_mode:
            return begun("", 0, "A plan needs no lease and leaves no record.")
        line = run_client.connect()
        if line:
            known = line.ask({"hello": True})
            return begun(known["run_id"], known["token"], f"Run {known['run_id']} has the lease already.")
        settings = self._settings(arguments, task_vars or {})
        answer = run_client.start(settings)
        run_id, environment = settings.record["run_id"], arguments["environment_name"]
        if not answer.token:
            return {"failed": True, "msg": self._refused(environment, answer)}
        if arguments["approval"] == "required":
            refusal = self._refusal(arguments, run_id)
            if refusal:
                return {"failed": True, "msg": refusal}
        result = begun(run_id, answer.token, f"Run {run_id} of {settings.record['who']} has the lease of {environment}.")
        result["ansible_facts"]["__run_who"] = settings.record["who"]
        result["ansible_facts"]["__run_commit"] = settings.record["commit"] + ("-dirty" if settings.record["dirty"] else "")
        if answer.expired:
            dead = f"run {answer.expired['run_id']} of {answer.expired['who']}"
            result["warnings"] = [
                f"The lease of {environment} was held by {dead}, which has not renewed it: its machine died, or lost the network. "
                "The lease was taken over; what that run left half done is completed by this one."
            ]
        return result

    def _settings(self, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> Settings:
        environment: dict[str, str] = {}
        self._compute_environment_string(environment)
        invocation = Invocation(variables, context.CLIARGS, set(load_extra_vars(self._loader)), os.environ, ROOT)
        record = describe_run(arguments["environment_name"], arguments["reason"], invocation)
        return Settings(
            variables={**os.environ, **{name: str(value) for name, value in environment.items()}},
            record=record,
            **{name: arguments[name] for name in ("region", "lease_table", "runs_table", "bucket")},
        )

    def _refused(self, environment: str, answer: Begun) -> str:
        if answer.problem:
            return f"The lease of {environment} cannot be taken, so nothing was done: {answer.problem}"
        sources = " ".join(f"-i {source}" for source in context.CLIARGS.get("inventory") or ())
        return (
            f"{environment} is being changed by another run, so nothing was done.\n{answer.held}\n"
            "Wait until it has ended. When it is certain that it cannot end by itself, take the lease from it, which stops it:\n"
            f"  ansible-playbook playbooks/release_lease.yml {sources} -e reason='<why>'"
        )

    def _refusal(self, arguments: Mapping[str, Any], run_id: str) -> str | None:
        """Plan again; why the run may not go on, which then has ended, or None. The keeper learns the plan."""
        environment = arguments["environment_name"]
        approved = run_approval.bare_digest(arguments["approved_plan"])
        here = run_approval.approved_plan(Path(arguments["plan_directory"]), environment, approved)
        line = run_client.connect()
        if line is None:
            raise run_client.KeeperError(f"The keeper of run {run_id} is gone.")
        try:
            plan = run_approval.replan(sys.argv, environment, Path(constants.DEFAULT_LOCAL_TMP) / "approval", os.environ)
        except run_approval.ReplanError as error:
            refusal: str | None = str(error)
        else:
            refusal = run_approval.refusal(environment, approved, here, plan)
            line.send({"plan": to_json(plan)})
        if refusal:
            line.ask({"set": {"note": refusal.splitlines()[0]}, "end": "refused"})
            refusal += f"\nNothing was done; the lease is free. This is recorded as run {run_id}."
        line.close()
        return refusal


def begun(run_id: str, token: int, message: str) -> dict[str, Any]:
    """The result of a run that may go on; the fact lets later plays of the same run know."""
    return {"changed": False, "msg": message, "run_id": run_id, "token": token, "ansible_facts": {"__run_id": run_id}}
