# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a runbook on this machine as a job of AWX would run: `python -m scripts.runbook NAME ENVIRONMENT [--plan] [input=value ...]`.

A private data directory for one run, the environment's inventory as AWX imports it, the answers as extra variables, ansible-runner.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ansible_runner

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "collections"))

from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import (  # noqa: E402  # needs the path above
    read_catalogue,
    read_runbooks,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import (  # noqa: E402  # as above
    Runbook,
    RunbookError,
    answer_problems,
    unknown_problems,
)

PLAN = "playbooks/plan_runbook.yml"
TOOLS = Path(sys.executable).parent


class RefusedError(Exception):
    """What nothing was started for; the text says why."""


def answers(words: list[str]) -> dict[str, str]:
    """The answers of an operator, written as input=value."""
    wrong = [word for word in words if not word.partition("=")[1]]
    if wrong:
        raise RefusedError(f"{', '.join(wrong)}: write answers as input=value.")
    return {name: value for name, _equals, value in (word.partition("=") for word in words)}


def checked(name: str, environment: str, given: dict[str, str], plan: bool) -> Runbook:
    """The runbook, when its survey would take these answers."""
    runbooks = read_runbooks(read_catalogue())
    if name not in runbooks:
        raise RefusedError(f"There is no runbook {name!r}. Those are {', '.join(runbooks)}.")
    runbook = runbooks[name]
    if plan and not runbook.plan:
        raise RefusedError(f"{name} has no plan: {'it only reads' if not runbook.writes else 'what it does is done at once'}.")
    problems = [*answer_problems(runbook, environment, given, plan), *unknown_problems(runbook, given, ())]
    if problems:
        raise RefusedError("\n".join(map(str, problems)))
    return runbook


def inventory(environment: str) -> str:
    """What AWX has after it has read the inventory: an executable that prints it. No file lies beside it."""
    command = [str(TOOLS / "ansible-inventory"), "-i", f"inventories/{environment}", "--list", "--export"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(f"The inventory of {environment} cannot be read:\n{done.stderr.strip()}")
    return f"#!/usr/bin/env python3\nprint({json.dumps(json.loads(done.stdout))!r})\n"


def prepare(directory: Path, runbook: Runbook, environment: str, given: dict[str, str], plan: bool) -> dict[str, Any]:
    """Fill the private data directory, and say what ansible-runner is to run in it."""
    (directory / "project").symlink_to(ROOT)
    hosts = directory / "inventory" / "hosts"
    hosts.parent.mkdir()
    hosts.write_text(inventory(environment), encoding="utf-8")
    hosts.chmod(0o700)
    variables = {**given, **({"planned_runbook": runbook.name} if plan else {})}
    # AWX sets these two, which beat ansible.cfg, and takes a source that cannot be read for a failure.
    surroundings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"}
    return {
        "private_data_dir": str(directory),
        "playbook": PLAN if plan else runbook.playbook,
        "inventory": str(hosts),
        "extravars": variables,
        "envvars": {**surroundings, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"},
        "settings": {"job_timeout": runbook.timeout_minutes * 60},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="make runbook", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name")
    parser.add_argument("environment")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("answers", nargs="*", metavar="input=value")
    arguments = parser.parse_args()
    try:
        given = answers(arguments.answers)
        runbook = checked(arguments.name, arguments.environment, given, arguments.plan)
        with tempfile.TemporaryDirectory(prefix="runbook-") as directory:
            run = ansible_runner.run(**prepare(Path(directory), runbook, arguments.environment, given, arguments.plan))
            ends = [event["event_data"] for event in run.events if event["event"] == "playbook_on_stats"]
    except (RefusedError, RunbookError) as refusal:
        print(refusal, file=sys.stderr)
        return 1
    for name, value in (ends[-1].get("artifact_data", {}) if ends else {}).items():  # what AWX hands on in a workflow
        print(f"{name}={value}")
    return int(run.rc)


if __name__ == "__main__":
    sys.exit(main())
