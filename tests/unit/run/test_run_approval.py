# SPDX-License-Identifier: GPL-3.0-or-later
"""What is approved may run, what moved may not, and the refusal says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_report
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Entry, Failure, Plan
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_approval import (
    ReplanError,
    approved_plan,
    bare_digest,
    plan_path,
    refusal,
    replan,
)


def plan(*resources: str, failed: bool = False) -> Plan:
    entries = [Entry("staging-us-east-1", "aws_network", "Make it", "", "m", "create", resource) for resource in resources]
    return Plan("staging", entries=entries, failed=[Failure("h", "r", "t", "", "no credentials")] if failed else [])


def planner(tmp_path: Path, made: Plan | None) -> list[str]:
    """A stand-in for ansible-playbook: writes that plan where it is told to, and what it was given beside it."""
    if made:
        plan_report.save(made, tmp_path / "made.json")
    script = tmp_path / "ansible-playbook"
    script.write_text(
        "import json, os, pathlib, shutil, sys\n"
        f"home = pathlib.Path({str(tmp_path)!r})\n"
        "(home / 'arguments.json').write_text(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
        "target = pathlib.Path(sys.argv[-1].removeprefix('plan_directory=')) / 'staging'\n"
        "print('the last words')\n"
        "if (home / 'made.json').exists():\n"
        "    target.mkdir(parents=True)\n"
        "    shutil.copy(home / 'made.json', target / 'plan.json')\n"
    )
    return [str(script), "site.yml", "-i", "inventories/staging", "-e", "release=7"]


def test_an_approved_plan_may_run() -> None:
    now = plan("vpc a")
    assert refusal("staging", now.digest, None, now) is None
    assert bare_digest(f"sha256:{now.digest}\n") == now.digest


def test_a_plan_without_a_change_needs_no_approval() -> None:
    assert refusal("staging", "", None, plan()) is None


def test_without_an_approval_the_plan_and_its_digest_are_shown() -> None:
    now = plan("vpc a")
    text = refusal("staging", "", None, now)
    assert text
    assert "none was named" in text
    assert "vpc a" in text
    assert f"-e approved_plan=sha256:{now.digest}" in text


def test_what_moved_is_told_when_the_approved_plan_is_here(tmp_path: Path) -> None:
    approved, now = plan("vpc a"), plan("vpc a", "vpc b")
    plan_report.save(approved, plan_path(tmp_path, "staging"))

    here = approved_plan(tmp_path, "staging", approved.digest)
    text = refusal("staging", approved.digest, here, now)

    assert text
    assert "this has moved:\n- staging-us-east-1: aws_network : Make it was create vpc a and is create vpc a; create vpc b" in text


def test_a_plan_that_was_approved_elsewhere_is_refused_with_the_new_one(tmp_path: Path) -> None:
    plan_report.save(plan("vpc c"), plan_path(tmp_path, "staging"))
    assert approved_plan(tmp_path, "staging", plan("vpc a").digest) is None
    assert approved_plan(tmp_path, "production", plan("vpc a").digest) is None

    text = refusal("staging", plan("vpc a").digest, None, plan("vpc b"))

    assert text
    assert "that plan is not in this checkout. This run would do:" in text
    assert "vpc b" in text


def test_the_same_command_line_is_planned_again(tmp_path: Path) -> None:
    command = planner(tmp_path, plan("vpc a"))

    assert replan(command, "staging", tmp_path / "again", {"A": "b"}).digest == plan("vpc a").digest

    arguments, system = json.loads((tmp_path / "arguments.json").read_text())
    assert arguments == [*command[1:], "--check", "--extra-vars", f"plan_directory={tmp_path / 'again'}"]
    assert system["A"] == "b"


def test_a_plan_that_cannot_be_made_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ReplanError, match=r"gave no plan .*\n.*\nthe last words"):
        replan(planner(tmp_path, None), "staging", tmp_path / "again", {})


def test_a_plan_with_failures_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ReplanError, match="- h: t: no credentials"):
        replan(planner(tmp_path, plan(failed=True)), "staging", tmp_path / "again", {})
