# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule through its whole life, and its targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import eventbridge_rule
from moto.events.responses import EventsHandler

Run = Callable[..., dict[str, Any]]
PATTERN = {"source": ["aws.rds"], "detail": {"EventCategories": ["failover"]}}


def target(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "arn": f"arn:aws:sns:us-east-1:123456789012:{name}", **more}


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"event_pattern": PATTERN, "targets": [target("high"), target("old")], "tags": {"Project": "site", "Old": "1"}}
    readable = target("high", input_paths={"what": "$.detail.Message"}, input_template='"<what>"')
    second = {
        **{"event_pattern": {**PATTERN, "source": ["aws.ec2"]}, "description": "Who", "enabled": False},
        **{"targets": [readable, target("security")], "tags": {"Project": "site"}},
    }
    life_cycle(eventbridge_rule, {"name": "x"}, first, second)


def test_a_rule_that_goes_off_by_itself(life_cycle: Callable[..., None]) -> None:
    life_cycle(eventbridge_rule, {"name": "x"}, {"schedule": "rate(1 day)"}, {"schedule": "cron(0 5 ? * MON *)"})


@pytest.mark.parametrize("change", ["disabled", "target removed", "pattern widened"])
def test_what_was_changed_is_put_right(run: Run, change: str) -> None:
    events, declared = boto3.client("events"), {"event_pattern": PATTERN, "targets": [target("high")]}
    run(eventbridge_rule, name="x", **declared)
    if change == "disabled":
        events.disable_rule(Name="x")
    elif change == "target removed":
        events.remove_targets(Rule="x", Ids=["high"])
    else:
        events.put_rule(Name="x", EventPattern='{"source": ["aws.rds"]}')

    assert run(eventbridge_rule, name="x", **declared)["changed"]
    assert not run(eventbridge_rule, name="x", **declared)["changed"]
    assert [one["Id"] for one in events.list_targets_by_rule(Rule="x")["Targets"]] == ["high"]


def test_a_target_that_aws_refuses_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = '{"FailedEntryCount": 1, "FailedEntries": [{"TargetId": "high", "ErrorMessage": "no such topic"}]}'
    monkeypatch.setattr(EventsHandler, "put_targets", lambda _self: (200, {}, refused))

    result = run(eventbridge_rule, name="x", event_pattern=PATTERN, targets=[target("high")])

    assert result["failed"]
    assert "no such topic" in result["msg"]


def test_a_rule_needs_to_know_when(run: Run) -> None:
    assert "one of event_pattern and schedule" in run(eventbridge_rule, name="x")["msg"]
