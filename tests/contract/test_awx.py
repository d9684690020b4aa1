# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX and GitHub are given fits this repository: pins, versions, names, and the schemas of their files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EE = ROOT / "execution-environment.yml"


def load(path: Path) -> dict[str, Any]:
    """A file of YAML; GitHub's key on is no boolean."""
    return {("on" if key is True else str(key)): value for key, value in yaml.safe_load(path.read_text()).items()}


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in load(workflow)["jobs"].values() for step in job["steps"]]


def test_the_execution_environment_has_the_pins_of_the_requirements() -> None:
    pins = set(re.findall(r"^[\w.-]+==\S+$", (ROOT / "requirements.in").read_text(), re.MULTILINE))
    dependencies = load(EE)["dependencies"]
    assert {dependencies["ansible_core"]["package_pip"], dependencies["ansible_runner"]["package_pip"]} <= pins
    assert dependencies["python"] == "requirements.in"


def test_the_execution_environment_can_be_built_from_its_file(tmp_path: Path) -> None:
    for name in ("execution-environment.yml", "requirements.in"):
        shutil.copy(ROOT / name, tmp_path)
    command = [str(TOOLS / "ansible-builder"), "create", "--file", str(tmp_path / EE.name), "--context", str(tmp_path / "context")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ansible-core==2.21.5" in (tmp_path / "context/Containerfile").read_text()


def test_versions_in_awx_are_the_collection_s() -> None:
    version = load(ROOT / "galaxy.yml")["version"]
    (environment,) = load(ROOT / "awx/execution_environments.yml")["controller_execution_environments"]
    assert environment["image"].endswith(f":{version}")
    projects = {one["name"]: one["scm_branch"] for one in load(ROOT / "awx/projects.yml")["controller_projects"]}
    assert projects["infrastructure - production"] == f"v{version}"


def test_awx_has_every_environment_of_aws() -> None:
    environments = {path.name for path in (ROOT / "inventories").glob("[a-z]*")} - {"sandbox"}
    inventories = {one["name"] for one in load(ROOT / "awx/inventories.yml")["controller_inventories"]}
    credentials = {one["name"] for one in load(ROOT / "awx/credentials.yml")["controller_credentials"]}
    assert inventories == environments
    assert {f"{name} - {part}" for name in environments for part in ("plan", "apply")} <= credentials


def test_what_an_operator_would_be_asked_is_asked_by_a_survey() -> None:
    for path in [*(ROOT / "playbooks").glob("*.yml"), ROOT / "site.yml"]:
        text = path.read_text()
        assert "vars_prompt" not in text, f"{path.name}: nobody sits at a job of AWX"
        pauses = text.count("ansible.builtin.pause:")
        assert pauses == text.count("awx_job_id is undefined"), f"{path.name}: a pause has to be left out of a job of AWX"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_what_github_takes(workflow: Path) -> None:
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", str(workflow)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_key_of_aws_a_limit_and_only_the_rights_it_needs(workflow: Path) -> None:
    text, data = workflow.read_text(), load(workflow)
    assert "secrets." not in text, "roles are assumed by a token of the job"
    assert data["permissions"]["contents"] == "read"
    assert ("id-token" in data["permissions"]) == ("configure-aws-credentials" in text)
    for name, job in data["jobs"].items():
        assert job["timeout-minutes"], f"{name} has no limit"
        aws = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
        assert aws == ("environment" in job), f"{name}: a role is trusted for a GitHub environment alone"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_that_somebody_typed_becomes_part_of_a_script(workflow: Path) -> None:
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), f"{step}: pass it by env"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_there_is(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(workflow):
        for name in re.findall(r"make ([a-z-]+)", step.get("run", "")):
            assert name in targets, f"make {name}"
        for name in re.findall(r"(?:^|\s)((?:playbooks|scripts)/[\w.]+|site\.yml)", step.get("run", "")):
            assert (ROOT / name).is_file(), name
    suites = [job.get("strategy", {}).get("matrix", {}).get("suite", []) for job in load(workflow)["jobs"].values()]
    assert {suite for found in suites for suite in found} <= targets


def test_only_an_approved_plan_is_applied() -> None:
    jobs = load(ROOT / ".github/workflows/apply.yml")["jobs"]
    assert jobs["apply"]["needs"] == "plan"
    assert jobs["verify"]["needs"] == "apply"
    assert jobs["apply"]["environment"] == "${{ inputs.environment }}"
    assert jobs["plan"]["environment"] == "${{ inputs.environment }}-plan"
    (apply,) = [step for step in jobs["apply"]["steps"] if step.get("name") == "Apply"]
    assert apply["env"]["DIGEST"] == "${{ needs.plan.outputs.digest }}"
    assert "approved_plan" in apply["run"]
