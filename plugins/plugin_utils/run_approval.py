# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a run is about to do is what somebody approved: plan again, under the lease, and compare."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_report, plan_text
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Plan, PlanError

REPLAN_SECONDS = 1800
PREFIX = "sha256:"
_SHOWN_LINES = 30
# With these ansible-runner, and so AWX, listens to a run; it would take the events of a plan within the run for the run's own.
RUNNER_SETTINGS = frozenset({"ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_CALLBACK_PLUGINS", "AWX_ISOLATED_DATA_DIR"})


class ReplanError(Exception):
    """The plan cannot be made again; the text says why."""


def replan(command: Sequence[str], environment: str, directory: Path, system: Mapping[str, str]) -> Plan:
    """Run the same command line in check mode: same inventory, limit, tags, extra variables, environment variables; its plan.

    The plan's files go below the directory, so that those that were approved stay as they are.
    """
    plan_command = [sys.executable, *command, "--check", "--extra-vars", f"plan_directory={directory}"]
    try:
        done = subprocess.run(
            plan_command,
            env={name: value for name, value in system.items() if name not in RUNNER_SETTINGS} | {"ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=REPLAN_SECONDS,
            check=False,
        )
        plan = plan_report.load(plan_path(directory, environment))
    except subprocess.TimeoutExpired as error:
        raise ReplanError(f"Planning again took more than {REPLAN_SECONDS} seconds.") from error
    except PlanError as error:
        tail = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise ReplanError(f"Planning again gave no plan (exit code {done.returncode}): {error}\nIts last lines:\n{tail}") from error
    if plan.failed:
        failures = [": ".join(filter(None, (failure.host, failure.task, failure.message))) for failure in plan.failed]
        shown = "\n".join(f"- {failure}" for failure in dict.fromkeys(failures[:_SHOWN_LINES]))
        raise ReplanError(f"Planning again failed ({len(failures)} times), so nobody can say what this run would do:\n{shown}")
    return plan


def plan_path(directory: Path, environment: str) -> Path:
    """Where the plan callback puts the plan of an environment."""
    return directory / environment / plan_report.FILE_NAME


def approved_plan(directory: Path, environment: str, digest: str) -> Plan | None:
    """The plan that was approved, when it was made in this checkout and is still the last one made here."""
    try:
        plan = plan_report.load(plan_path(directory, environment))
    except PlanError:
        return None
    return plan if plan.digest == digest else None


def refusal(environment: str, approved: str, approved_here: Plan | None, now: Plan) -> str | None:
    """Why a run may not go on whose plan is `now`, when the plan of digest `approved` (or empty) was approved; None when it may.

    A plan without a change needs no approval.
    """
    if not now.entries or now.digest == approved:
        return None
    again = f"Read the plan (make plan ENV={environment}), then run this again with: -e approved_plan={PREFIX}{now.digest}"
    if approved and approved_here:
        moved = "\n".join(f"- {sentence}" for sentence in plan_report.compare(approved_here, now))
        return f"The plan of {environment} is not the approved one any more. Since that was made, this has moved:\n{moved}\n{again}"
    reason = f"{environment} is changed only by an approved plan, and none was named."
    if approved:
        reason = (
            f"The plan of {environment} is not the approved one, {PREFIX}{approved}. "
            "What moved cannot be told, since that plan is not in this checkout."
        )
    return f"{reason} This run would do:\n\n{plan_text.render(now)}\n{again}"


def bare_digest(text: str) -> str:
    """A digest as it is typed, without its prefix."""
    return text.strip().removeprefix(PREFIX)
