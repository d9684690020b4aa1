# SPDX-License-Identifier: GPL-3.0-or-later
"""The committed policies against what runs needed of them: an example of each call's demands, recorded by the drill of permissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import iam_policy
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations

from sandbox.emulator.iam_evaluation import allows
from tests.support.permissions import DEMANDS, ROLES, VALUES, committed, needless, statements

NEEDED = [json.loads(line) for line in DEMANDS.read_text().splitlines()]


def refused(policies: list[dict[str, Any]], demands: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (demand["call"], demand["permission"])
        for demand in demands
        if not allows(policies, demand["permission"], demand["resource"], demand["context"])
    ]


def of(role: str) -> list[dict[str, Any]]:
    return [demand for demand in NEEDED if demand["role"] == role]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_all_that_it_does(role: str) -> None:
    calls = {demand["call"] for demand in of(role)}
    recorded = {call.partition(iam_policy.WITH)[0] for call in iam_policy.load_calls(DEMANDS.parents[3] / "policies")[role]}
    assert calls == recorded - {"sts:GetCallerIdentity"}
    assert refused(committed(role), of(role)) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_statement_is_needed(role: str) -> None:
    assert needless(committed(role), of(role)) == set()


def test_a_planner_may_do_nothing_that_changes_anything() -> None:
    writes = [demand for demand in NEEDED if operations.classify(*demand["call"].split(":")) == operations.WRITE]
    allowed = {demand["call"] for demand in writes} - {call for call, _permission in refused(committed("plan"), writes)}
    assert allowed == set()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "plan"])
def test_another_environment_is_out_of_reach(role: str) -> None:
    """By name where a name is in the resource, by tag where it is an id that AWS made up."""
    others = [
        {
            **demand,
            "resource": demand["resource"]
            .replace("indivillage-sandbox", "indivillage-live")
            .replace("indivillage/sandbox", "indivillage/live")
            .replace("indivillage_sandbox", "indivillage_live"),
            "context": demand["context"] | {key: "live" for key in demand["context"] if key == "aws:ResourceTag/Environment"},
        }
        for demand in of(role)
        if operations.classify(*demand["call"].split(":")) == operations.WRITE
        and ("sandbox" in demand["resource"] or demand["permission"].startswith(("ec2:Delete", "ec2:Terminate", "kms:Schedule")))
    ]
    assert len(refused(committed(role), others)) == len(others) > 10


def test_another_region_is_out_of_reach_where_resources_have_no_names() -> None:
    elsewhere = [
        {**demand, "context": demand["context"] | {"aws:RequestedRegion": "eu-west-1"}}
        for demand in of("deploy")
        if demand["permission"].startswith("ec2:") and operations.classify(*demand["call"].split(":")) == operations.WRITE
    ]
    assert len(refused(committed("deploy"), elsewhere)) == len(elsewhere) > 20


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: sqs:CreateQueue on resource: z", "policies/deploy-"),
        ("User: x is not authorized to perform: quantum:Leap on resource: *", "No policy in policies/ allows quantum:Leap"),
    ],
)
def test_who_lacks_a_permission_is_told_where_it_is(message: str, told: str) -> None:
    assert told in str(iam_policy.advice(message, Path(__file__).parents[3] / "policies"))


def test_other_failures_are_no_business_of_policies() -> None:
    assert iam_policy.advice("the queue does not exist", Path("nowhere")) is None


def test_placeholders_of_the_sandbox_are_all_filled_in() -> None:
    assert "{" not in "".join(resource for role in ROLES for statement in statements(committed(role)) for resource in statement["Resource"])
    assert VALUES["prefix"] == "indivillage-sandbox"
