# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs what from where: the part of a run's record that is known when it begins."""

from __future__ import annotations

import getpass
import secrets
import socket
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# AWX gives every job its variables under both names.
_AWX_PREFIXES = ("awx", "tower")


@dataclass(frozen=True)
class Invocation:
    """What Ansible was started with.

    variables: the task's. arguments: those of the command line, as Ansible has parsed them. extra_vars: their names. system: environment
    variables of the process. checkout: where the playbooks are.
    """

    variables: Mapping[str, Any]
    arguments: Mapping[str, Any]
    extra_vars: Collection[str]
    system: Mapping[str, str]
    checkout: Path


def describe_run(environment: str, reason: str, invocation: Invocation) -> dict[str, Any]:
    """The record of a run that begins now, see run_history.RECORD. An empty reason becomes the job template or the playbooks."""
    variables, arguments, checkout = invocation.variables, invocation.arguments, invocation.checkout
    now = datetime.now(UTC)
    job = awx_job(variables, invocation.system)
    commit, dirty = (awx_variable(variables, "project_revision"), False) if job else git_state(checkout)
    playbooks = [relative(name, checkout) for name in arguments.get("args", ())]
    return {
        "format": 1,
        "run_id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        "environment": environment,
        "who": who(variables, job),
        "awx": job,
        "commit": commit,
        "dirty": dirty,
        "reason": reason or (job and job["template"]) or " ".join(playbooks),
        "inventory": awx_variable(variables, "inventory_name")
        or " ".join(relative(source, checkout) for source in arguments.get("inventory") or ()),
        "playbooks": playbooks,
        "limit": arguments.get("subset") or "",
        "tags": [tag for tag in arguments.get("tags", ()) if tag != "all"],
        "skip_tags": list(arguments.get("skip_tags", ())),
        "extra_vars": sorted(invocation.extra_vars),
        "token": 0,
        "began": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ended": None,
        "seconds": None,
        "result": "running",
        "note": "",
        "plan": None,
        "plays": [],
        "changed": [],
        "hosts": {},
    }


def awx_variable(variables: Mapping[str, Any], name: str) -> str:
    """One of the variables that AWX gives its jobs; empty when it is not given."""
    return next((str(variables[key]) for prefix in _AWX_PREFIXES if (key := f"{prefix}_{name}") in variables), "")


def awx_job(variables: Mapping[str, Any], system: Mapping[str, str]) -> dict[str, str] | None:
    """The job of AWX that this run is: its id, template, how it was launched, and its page; None outside of AWX."""
    job_id = awx_variable(variables, "job_id")
    if not job_id:
        return None
    page = system.get("AWX_HOST", "").rstrip("/")
    return {
        "job_id": job_id,
        "template": awx_variable(variables, "job_template_name"),
        "launch_type": awx_variable(variables, "job_launch_type"),
        "url": f"{page}/#/jobs/playbook/{job_id}" if page else "",
    }


def who(variables: Mapping[str, Any], job: Mapping[str, str] | None) -> str:
    """The person behind a run and where it runs: the user of AWX or the schedule that launched the job, else the user of this machine."""
    if job:
        schedule = awx_variable(variables, "schedule_name")
        person = awx_variable(variables, "user_name") or (f"schedule {schedule}" if schedule else job["launch_type"] or "AWX")
        return f"{person} (AWX job {job['job_id']}{': ' + job['template'] if job['template'] else ''})"
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def git_state(checkout: Path) -> tuple[str, bool | None]:
    """The commit of a checkout and whether anything in it differs from that; empty and None where git cannot tell."""
    try:
        commit = _git(checkout, "rev-parse", "HEAD")
        return commit, bool(_git(checkout, "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return "", None


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, stdin=subprocess.DEVNULL).stdout.strip()


def relative(name: str, checkout: Path) -> str:
    """A path as seen from the checkout, when it lies in it."""
    path = Path(name).absolute()
    return str(path.relative_to(checkout)) if path.is_relative_to(checkout) else name
