# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused of a manifest, and of the answers of an operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import (
    Runbook,
    RunbookError,
    answer_problems,
    own_inputs,
    read,
    unknown_problems,
)

KNOWN = {"reason": {"type": "str", "required": True, "description": ["Why.", "Kept."]}, "widths": {"type": "dict", "description": "No."}}
GOOD: dict[str, Any] = {
    "title": "Count",
    "purpose": "Counts.",
    "playbook": "playbooks/count.yml",
    "proof": "tests/test_count.py",
    "effect": "writes",
    "severity": "low",
    "timeout_minutes": 5,
    "environments": ["staging", "production"],
    "plan": True,
    "on_failure": "count",
    "approval": ["production"],
    "inputs": {
        "reason": None,
        "number": {"type": "int", "description": "How many.", "minimum": 1, "maximum": 9, "required": True},
        "colour": {"type": "str", "description": "Which.", "choices": ["red", "blue"], "default": "red"},
        "code": {"type": "str", "description": "The code.", "pattern": "[0-9]{4}", "pattern_help": "four digits", "no_log": True},
        "names": {"type": "list", "elements": "str", "description": "Whose.", "maximum": 2},
        "sure": {"type": "bool", "description": "Whether."},
    },
}


def manifest(folder: Path, **changes: Any) -> Path:
    """A repository whose one manifest is the good one, changed."""
    for name in ("staging", "production"):
        (folder / "inventories" / name).mkdir(parents=True, exist_ok=True)
    (folder / "playbooks").mkdir(exist_ok=True)
    (folder / "playbooks/count.yml").touch()
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests/test_count.py").touch()
    (folder / "runbooks").mkdir(exist_ok=True)
    data = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    (folder / "runbooks/count.yml").write_text(yaml.safe_dump(data, sort_keys=False))
    return folder


@pytest.fixture
def runbook(tmp_path: Path) -> Runbook:
    return read(manifest(tmp_path), KNOWN)["count"]


def test_a_good_manifest_is_read_whole(runbook: Runbook) -> None:
    assert (runbook.name, runbook.environments, runbook.approval, runbook.slices) == (
        "count",
        ("staging", "production"),
        ("production",),
        1,
    )
    assert runbook.inputs["reason"].description == "Why. Kept."
    assert not runbook.inputs["reason"].required  # an environment has to have it, so nobody has to say it
    assert runbook.inputs["code"].secret


INPUT = {"type": "int", "description": "How many."}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"title": ...}, "runbooks/count.yml: title is missing."),
    "wrong type": ({"environments": "staging"}, "runbooks/count.yml: environments is no list."),
    "unknown key": ({"timeout": 3}, "runbooks/count.yml: timeout is no key of a manifest."),
    "no proof": ({"proof": "tests/none.py"}, "proof names 'tests/none.py', which is no file."),
    "no playbook": ({"playbook": "playbooks/cuont.yml"}, "playbook names 'playbooks/cuont.yml', which is no file."),
    "severity": ({"severity": "urgent"}, "severity is 'urgent'. It is one of critical, high, medium, low."),
    "no time": ({"timeout_minutes": 0}, "timeout_minutes and slices are numbers from one on."),
    "environment": ({"environments": ["production", "stagign"]}, "environments names 'stagign', which has no inventory."),
    "approval elsewhere": ({"environments": ["staging"]}, "approval names 'production', where the runbook may not run."),
    "approval of nothing": ({"plan": False, "on_failure": ...}, "approval is asked for, but there is no plan to look at."),
    "plan of a look": ({"effect": "reads"}, "effect is reads, which asks for no plan"),
    "nothing after a failure": ({"on_failure": ...}, "on_failure and plan belong together."),
    "no runbook after a failure": ({"on_failure": "cuont"}, "on_failure names 'cuont', which is no runbook."),
    "objective": ({"objectives": {"rto": 5}}, "objectives.rto is no objective."),
    "undeclared": ({"inputs": {"reasno": None}}, "inputs.reasno is declared nowhere."),
    "key of an input": ({"inputs": {"number": {**INPUT, "min": 1}}}, "inputs.number.min is no key of an input."),
    "type of an input": ({"inputs": {"widths": None}}, "inputs.widths.type is 'dict'."),
    "no description": ({"inputs": {"number": {"type": "int"}}}, "inputs.number.description is missing."),
    "default": ({"inputs": {"number": {**INPUT, "default": 3, "maximum": 2}}}, "inputs.number.default is 3, which is more than 2."),
    "no schedule": ({"approval": ..., "schedules": [{"name": "daily"}]}, "schedules[0] is no schedule."),
}
DAILY = {"name": "daily", "rrule": "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1", "environments": ["staging"]}


@pytest.mark.parametrize(("changes", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_one_clear_message(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RunbookError) as caught:
        read(manifest(tmp_path, **changes), KNOWN)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("answers", "approval", "message"),
    [
        ({}, ..., "schedules[0].answers lacks number, which is required"),
        ({"number": 12}, ..., "schedules[0].answers.number is 12, which is more than 9."),
        ({"number": 1, "size": 2}, ..., "schedules[0].answers.size answers no input."),
        ({"number": 1}, ["production"], "schedules[0] cannot be: somebody has to approve"),
    ],
)
def test_a_schedule_answers_what_is_asked(tmp_path: Path, answers: dict[str, Any], approval: Any, message: str) -> None:
    with pytest.raises(RunbookError) as caught:
        read(manifest(tmp_path, approval=approval, schedules=[{**DAILY, "answers": answers}]), KNOWN)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({}, "number is missing."),
        ({"number": ""}, "number is missing."),
        ({"number": "many"}, "number is 'many' and not of type int."),
        ({"number": "0"}, "number is '0', which is less than 1."),
        ({"number": 10}, "number is 10, which is more than 9."),
        ({"number": 1, "colour": "green"}, "colour is 'green' and not one of red, blue."),
        ({"number": 1, "code": "12x4"}, "code is its value and not four digits."),
        ({"number": 1, "names": "a,b,c"}, "names is 'a,b,c', which is more than 2 items."),
        ({"number": 1, "sure": "perhaps"}, "sure is 'perhaps' and not of type bool."),
    ],
)
def test_a_wrong_answer_is_named_with_how_to_give_it(runbook: Runbook, answers: dict[str, Any], message: str) -> None:
    (problem,) = answer_problems(runbook, "staging", answers)
    assert f"runbooks/count.yml: {message}" in str(problem)
    assert f"-e {problem.variable}=<value>" in problem.fix
    assert "12x4" not in str(problem)


def test_right_answers_pass_and_a_plan_needs_no_confirmation(runbook: Runbook) -> None:
    right = {"number": "9", "colour": "blue", "code": "0123", "names": ["a", "b"], "sure": "yes", "reason": ""}
    assert list(answer_problems(runbook, "production", right)) == []
    assert list(answer_problems(runbook, "production", {}, plan=True)) == []


def test_another_environment_is_refused(runbook: Runbook) -> None:
    (problem,) = answer_problems(runbook, "sandbox", {"number": 1})
    assert "environments does not name sandbox" in str(problem)


def test_what_nothing_would_read_is_named_with_its_neighbour(runbook: Runbook) -> None:
    (first, second) = unknown_problems(runbook, ["nubmer", "zzz9", "elsewhere", "number"], ["elsewhere"])
    assert "Did you mean number?" in str(first)
    assert "count takes reason, number, colour, code, names, sure." in str(second)


def test_inputs_of_their_own_become_variables_of_the_project(tmp_path: Path) -> None:
    declared = own_inputs(manifest(tmp_path))
    assert declared.keys() == GOOD["inputs"].keys() - {"reason"}
    assert declared["number"] == {"type": "int", "description": "How many."}
