# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule with which a load balancer answers everything itself, on moto."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import elb_fixed_answer

from tests.support.module_runs import Run
from tests.unit.modules.balancers import balancer_with

PAGE = "<h1>We are back soon</h1>"


@pytest.fixture
def listener(aws: None) -> str:
    """A load balancer with a listener that forwards; the listener's ARN."""
    return balancer_with("public", "web").listener


def answers(listener: str) -> list[dict[str, Any]]:
    rules = boto3.client("elbv2").describe_rules(ListenerArn=listener)["Rules"]
    return [action["FixedResponseConfig"] for rule in rules for action in rule["Actions"] if action["Type"] == "fixed-response"]


def test_it_comes_changes_and_goes(run: Run, listener: str) -> None:
    assert run(elb_fixed_answer, check=True, name="public", content=PAGE)["changed"] is True
    assert answers(listener) == []
    assert run(elb_fixed_answer, name="public", content=PAGE)["changed"] is True
    assert answers(listener) == [{"StatusCode": "503", "ContentType": "text/html", "MessageBody": PAGE}]
    assert run(elb_fixed_answer, name="public", content=PAGE)["changed"] is False
    assert run(elb_fixed_answer, name="public", content="other")["changed"] is True
    assert answers(listener)[0]["MessageBody"] == "other"
    assert run(elb_fixed_answer, name="public", state="absent")["changed"] is True
    assert answers(listener) == []
    assert run(elb_fixed_answer, name="public", state="absent")["changed"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "none", "content": PAGE}, "there is no load balancer of that name"),
        ({"name": "public", "content": PAGE, "port": 8443}, "does not listen on port 8443"),
        ({"name": "public", "content": "x" * 1025}, "its content has 1025 bytes"),
        ({"name": "public"}, "its content has 0 bytes"),
    ],
)
def test_what_cannot_be_is_told(run: Run, listener: str, options: dict[str, Any], words: str) -> None:
    assert words in run(elb_fixed_answer, **options)["msg"]
    assert answers(listener) == []
