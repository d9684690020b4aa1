# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule with which a load balancer shares requests out between target groups, on moto."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import elb_shares

from tests.support.module_runs import Run
from tests.unit.modules.balancers import balancer_with

HALF = {"app": 50, "app-next": 50}


@pytest.fixture
def listener(aws: None) -> str:
    return balancer_with("internal", "app", "app-next").listener


def shares(listener: str) -> list[dict[str, int]]:
    rules = boto3.client("elbv2").describe_rules(ListenerArn=listener)["Rules"]
    return [
        {group["TargetGroupArn"].split("/")[1]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}
        for rule in rules
        for action in rule["Actions"]
        if not rule["IsDefault"]
    ]


def test_shares_come_change_and_go(life_cycle: Callable[..., None], listener: str) -> None:
    life_cycle(
        elb_shares,
        {"name": "internal"},
        {"shares": {"app": 90, "app-next": 10}},
        {"shares": {"app": 0, "app-next": 100}},
        ("change", "change"),
    )
    assert shares(listener) == []


def test_a_share_of_nothing_is_a_share(run: Run, listener: str) -> None:
    """The target group is in use then, and AWS looks after the health of its targets."""
    assert run(elb_shares, name="internal", shares={"app": 100, "app-next": 0})["changed"] is True
    assert shares(listener) == [{"app": 100, "app-next": 0}]
    assert run(elb_shares, name="internal", shares={"app-next": "0", "app": "100"})["changed"] is False


def test_the_listeners_own_action_stays_as_it_is(run: Run, listener: str) -> None:
    before = boto3.client("elbv2").describe_listeners(ListenerArns=[listener])["Listeners"]
    run(elb_shares, name="internal", shares=HALF)
    assert boto3.client("elbv2").describe_listeners(ListenerArns=[listener])["Listeners"] == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "none", "shares": HALF}, "there is no load balancer of that name"),
        ({"name": "internal", "shares": HALF, "port": 8443}, "does not listen on port 8443"),
        ({"name": "internal", "shares": {"app": 90, "app-next": 20}}, "whole numbers that make 100 together"),
        ({"name": "internal", "shares": {"app": 110, "app-next": -10}}, "whole numbers that make 100 together"),
        ({"name": "internal", "shares": {"app": 99.5, "app-next": 0.5}}, "whole numbers that make 100 together"),
        ({"name": "internal"}, "its shares are not given"),
        ({"name": "internal", "shares": {"app": 50, "other": 50}}, "one of app, other is no target group"),
    ],
)
def test_what_cannot_be_is_told(run: Run, listener: str, options: dict[str, Any], words: str) -> None:
    assert words in run(elb_shares, **options)["msg"]
    assert shares(listener) == []


def test_a_load_balancer_that_is_not_there_shares_nothing(run: Run) -> None:
    assert run(elb_shares, name="none", state="absent")["changed"] is False
