# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record says of who ran what, on a desk and in AWX."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RECORD
from ansible_collections.indivillage.infra.plugins.plugin_utils import run_identity
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_identity import Invocation, describe_run, git_state

JOB = {
    "awx_job_id": 42,
    "awx_job_launch_type": "manual",
    "awx_job_template_name": "Provision",
    "awx_user_name": "ada",
    "awx_project_revision": "fedcba98",
    "awx_inventory_name": "Staging",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for command in (["init", "-q"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m", "m"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def invocation(checkout: Path, variables: dict[str, Any] | None = None, **system: str) -> Invocation:
    arguments = {
        "args": [str(checkout / "site.yml")],
        "inventory": (str(checkout / "inventories/staging"),),
        "subset": "staging-us-east-1",
        "tags": ["all"],
        "skip_tags": ["images"],
    }
    return Invocation(variables or {}, arguments, {"release", "api_key"}, system, checkout)


def test_a_run_from_a_desk(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")

    record = describe_run("staging", "", invocation(checkout))

    assert set(record) == set(RECORD)
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", record["run_id"])
    wanted: dict[str, Any] = {"who": "ada@desk", "awx": None, "dirty": False, "reason": "site.yml", "inventory": "inventories/staging"}
    wanted |= {
        "playbooks": ["site.yml"],
        "limit": "staging-us-east-1",
        "tags": [],
        "skip_tags": ["images"],
        "extra_vars": ["api_key", "release"],
    }
    assert {key: record[key] for key in wanted} == wanted
    assert re.fullmatch(r"[0-9a-f]{40}", record["commit"])


def test_a_changed_file_makes_a_checkout_dirty(checkout: Path) -> None:
    (checkout / "new.yml").touch()
    assert git_state(checkout)[1] is True


def test_outside_of_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == ("", None)


@pytest.mark.parametrize("prefix", ["awx", "tower"])
def test_a_job_of_awx(checkout: Path, prefix: str) -> None:
    variables = {key.replace("awx", prefix): value for key, value in JOB.items()}

    record = describe_run("staging", "", invocation(checkout, variables, AWX_HOST="https://awx.example.com/"))

    assert record["who"] == "ada (AWX job 42: Provision)"
    assert (record["commit"], record["dirty"], record["inventory"], record["reason"]) == ("fedcba98", False, "Staging", "Provision")
    page = "https://awx.example.com/#/jobs/playbook/42"
    assert record["awx"] == {"job_id": "42", "template": "Provision", "launch_type": "manual", "url": page}


def test_a_scheduled_job_names_its_schedule(checkout: Path) -> None:
    variables = {key: value for key, value in JOB.items() if key != "awx_user_name"} | {"awx_schedule_name": "nightly"}

    assert describe_run("staging", "a reason", invocation(checkout, variables))["who"] == "schedule nightly (AWX job 42: Provision)"


def test_a_user_without_a_name_is_no_obstacle(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise OSError

    monkeypatch.setattr(run_identity.getpass, "getuser", unknown)
    assert describe_run("staging", "", invocation(checkout))["who"].startswith("unknown@")
