# SPDX-License-Identifier: GPL-3.0-or-later
"""How a target group serves, on moto: health that a test says, metrics that it puts."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import target_group_watch

from tests.support.module_runs import Run
from tests.unit.modules.balancers import Balancer, balancer_with

QUICK = {"load_balancer": "internal", "target_group": "app-next", "seconds": 0, "metrics_delay_seconds": 0, "poll_seconds": 0}
BOTH = {"i-1": "healthy", "i-2": "healthy"}


@pytest.fixture
def balancer(aws: None) -> Balancer:
    return balancer_with("internal", "app", "app-next")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The states of the targets at each look; the last stays."""
    answers = [BOTH]
    monkeypatch.setattr(target_group_watch.Watch, "_states", lambda _watch: answers.pop(0) if len(answers) > 1 else answers[0])
    return answers


def answered(balancer: Balancer, group: str, requests: int, errors: int) -> None:
    dimensions = [
        {"Name": "TargetGroup", "Value": balancer.groups[group].rpartition(":")[2]},
        {"Name": "LoadBalancer", "Value": balancer.arn.partition(":loadbalancer/")[2]},
    ]
    points = [
        {"MetricName": name, "Dimensions": dimensions, "Value": value}
        for name, value in (("RequestCount", requests), ("HTTPCode_Target_5XX_Count", errors))
    ]
    boto3.client("cloudwatch").put_metric_data(Namespace="AWS/ApplicationELB", MetricData=points)


def test_what_serves_well_is_counted(run: Run, balancer: Balancer, looks: list[dict[str, str]]) -> None:
    answered(balancer, "app", 900, 400)
    answered(balancer, "app-next", 60, 4)
    answered(balancer, "app-next", 40, 6)
    result = run(target_group_watch, **QUICK)
    assert (result["changed"], result["requests"], result["errors"]) == (False, 100, 10)


def test_one_error_too_many_ends_the_watch_at_once(run: Run, balancer: Balancer, looks: list[dict[str, str]]) -> None:
    answered(balancer, "app-next", 100, 11)
    result = run(target_group_watch, **QUICK | {"seconds": 3600})
    assert "11 of 100 requests to app-next ended with an error of the release (5xx); 10 are allowed" in result["msg"]
    assert result["bad"] is True


@pytest.mark.parametrize(
    ("later", "words", "bad"),
    [
        ({"i-1": "healthy", "i-2": "unhealthy"}, "i-2 became unhealthy in app-next", True),
        ({"i-1": "healthy"}, "i-2 left app-next", False),
        ({"i-1": "draining", "i-2": "unused"}, "i-1, i-2 left app-next", False),
    ],
)
def test_a_target_that_is_lost_ends_the_watch(run: Run, looks: list[dict[str, str]], later: dict[str, str], words: str, bad: bool) -> None:
    balancer_with("internal", "app", "app-next")
    looks += [BOTH, later]
    result = run(target_group_watch, **QUICK | {"seconds": 3600})
    assert words in result["msg"]
    assert result["bad"] is bad


def test_it_lasts_as_long_as_it_should(run: Run, balancer: Balancer, looks: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(target_group_watch.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(target_group_watch.time, "sleep", sleep)
    run(target_group_watch, **QUICK | {"seconds": 60, "metrics_delay_seconds": 20, "poll_seconds": 10})
    assert slept == [10] * 8


def test_a_check_waits_for_nothing(run: Run) -> None:
    assert run(target_group_watch, check=True, **QUICK)["changed"] is False


@pytest.mark.parametrize("options", [{"load_balancer": "none"}, {"target_group": "none"}])
def test_what_is_not_there_is_told(run: Run, balancer: Balancer, options: dict[str, Any]) -> None:
    assert "there is no load balancer" in run(target_group_watch, **QUICK | options)["msg"]


def test_an_empty_target_group_proves_nothing(run: Run, balancer: Balancer) -> None:
    assert "the target group is empty" in run(target_group_watch, **QUICK)["msg"]
