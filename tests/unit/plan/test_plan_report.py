# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of a plan: what its digest covers, what is kept of it, and what a comparison says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import (
    Change,
    Entry,
    Input,
    Plan,
    PlanError,
    compare,
    load,
    save,
    shorten,
)

from tests.unit.plan.samples import STACK, call, failed, sample, subnet


def with_entry(number: int, **fields: Any) -> Plan:
    plan = sample()
    plan.entries[number] = dataclasses.replace(plan.entries[number], **fields)
    return plan


def test_totals_and_exit_codes() -> None:
    assert sample().totals == {"create": 3, "change": 5, "replace": 1, "delete": 1}
    assert [entry.stateful for entry in sample().stateful] == ["database"]
    assert [entry.task for entry in sample().uncertain] == ["Trust the authorities"]
    assert sample().exit_code == 2
    assert failed().exit_code == 1, "a plan that is not whole is an error, whatever else it says"
    assert Plan("sandbox", unchanged=3).exit_code == 0
    assert Plan("sandbox", entries=[Entry(STACK, "", "t", "", "m", "none", certain=False)]).exit_code == 2, "not certain is not nothing"


def test_digest_is_that_of_the_world_and_not_of_the_run() -> None:
    plan = sample()
    plan.commit = "another"
    plan.unchanged, plan.notes, plan.bills = 0, [], []
    plan.entries.reverse()
    plan.inputs.reverse()
    plan.entries = [
        dataclasses.replace(entry, calls=fresh_tokens(entry.calls)[::-1], changes=entry.changes[::-1]) for entry in plan.entries
    ]
    assert plan.digest == sample().digest
    assert compare(plan, sample()) == []
    assert len(plan.digest) == 64


def fresh_tokens(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**call, "parameters": {**call["parameters"], "ClientToken": "new", "CallerReference": "new"}} for call in calls]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(lambda plan: plan.entries.pop(1), "Make the subnets (us-east-1a) is planned no more: create subnet", id="gone"),
        pytest.param(lambda plan: plan.entries.append(subnet("us-east-1c")), "(us-east-1c) is new: create subnet", id="new"),
        pytest.param(lambda plan: plan.inputs.pop(), "aws_keys : Keep the key is looked at no more", id="task gone"),
        pytest.param(
            lambda plan: plan.inputs.append(Input(STACK, "", "t", "", "cc")), f"{STACK}: t was not looked at before", id="task new"
        ),
        pytest.param(
            lambda plan: plan.inputs.append(Input(STACK, "aws_keys", "Keep the key", "", "cc")),
            "is given other arguments",
            id="other input",
        ),
        pytest.param(lambda plan: plan.failed.extend(failed().failed), "Run the cache fails now: Unauthorized", id="failure"),
    ],
)
def test_whatever_moves_moves_the_digest_and_is_said(change: Callable[[Plan], object], sentence: str) -> None:
    plan = sample()
    change(plan)
    assert plan.digest != sample().digest
    (said,) = compare(sample(), plan)
    assert sentence in said


@pytest.mark.parametrize(
    ("number", "fields", "sentence"),
    [
        (
            0,
            {"changes": [Change("Tags.Owner", None, "app")]},
            "is another: Tags.Owner was (none) -> web and is (none) -> app; EnableDnsSupport was false -> true and is left alone",
        ),
        (0, {"action": "replace"}, "was change vpc vpc-0123 and is replace vpc vpc-0123"),
        (1, {"calls": []}, "called ec2:CreateSubnet and calls nothing"),
        (1, {"calls": [call("ec2", "CreateSubnet", CidrBlock="10.0.0.0/24")]}, "is another: calls ec2:CreateSubnet with other parameters"),
        (4, {"stateful": None}, "was replace database indivillage-sandbox-db (holds data: database) and is replace database"),
        (0, {"certain": False, "reason": "so"}, "and is change vpc vpc-0123 (not certain) (so)"),
    ],
)
def test_every_field_of_an_entry_counts(number: int, fields: dict[str, Any], sentence: str) -> None:
    plan = with_entry(number, **fields)
    assert plan.digest != sample().digest
    (said,) = compare(sample(), plan)
    assert sentence in said


def test_plans_of_two_environments_are_never_equal() -> None:
    other = sample()
    other.environment = "staging"
    assert compare(sample(), other) == ["The plans are of two environments: sandbox and staging"]


def test_a_plan_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "plans/sandbox/plan.json"
    save(failed(), path)
    assert load(path) == failed()
    assert path.stat().st_mode & 0o777 == 0o600
    document = json.loads(path.read_text())
    assert document["format"] == 1
    assert document["digest"] == failed().digest
    assert document["totals"] == {"create": 3, "change": 5, "replace": 1, "delete": 1}
    assert document["monthly_cost"] | {"prices_of": ""} == {"usd": 12.4, "unpriced": ["iops of database x"], "prices_of": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no plan to be read"),
        ("{", "is no plan that this version can read"),
        ("{}", "is no plan that this version can read"),
        ('{"format": 99}', "is of format 99"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PlanError, match=message):
        load(path)


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save(sample(), path)
    path.write_text(path.read_text().replace("DeleteDBInstance", "StopDBInstance"))
    with pytest.raises(PlanError, match="was changed after it was made"):
        load(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "(none)"),
        ("", '""'),
        ("a\n  b", "a b"),
        (True, "true"),
        ({"b": 1, "a": [2]}, '{"a":[2],"b":1}'),
        ("x" * 100, "x" * 37 + "..." + "x" * 20),
    ],
)
def test_values_are_shortened(value: Any, text: str) -> None:
    assert shorten(value) == text
