# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets, cost anomalies and cost allocation tags through their whole lives, and what is reserved."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import (
    budget,
    cost_allocation_tags,
    cost_anomaly_monitor,
    cost_anomaly_subscription,
    reservation_coverage_info,
)
from botocore.stub import Stubber
from moto.ce.responses import CostExplorerResponse

from sandbox.emulator.additions import budgets, cost_explorer

Run = Callable[..., dict[str, Any]]
ACCOUNT = "123456789012"
OPS = {"type": "EMAIL", "address": "ops@example.com"}
TOPIC = {"type": "SNS", "address": f"arn:aws:sns:us-east-1:{ACCOUNT}:medium"}
BUDGET = {"name": "monthly", "account_id": ACCOUNT}
HALF = {"of": "ACTUAL", "above_percentage": 50, "subscribers": [OPS]}
EXPECTED = {"of": "FORECASTED", "above_percentage": 100, "subscribers": [OPS, TOPIC]}


@pytest.fixture(autouse=True, scope="module")
def costs() -> None:
    budgets.install()
    cost_explorer.install()


# --- budgets ---


def test_budget_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"amount": 400, "notifications": [HALF], "tags": {"Project": "site", "Old": "1"}}
    second = {
        **{"amount": 775.5, "cost_filters": {"Service": ["Amazon Simple Storage Service"]}, "tags": {"Project": "site"}},
        "notifications": [{**HALF, "subscribers": [TOPIC]}, EXPECTED],
    }
    life_cycle(budget, BUDGET, first, second)


def test_a_changed_amount_leaves_the_rest_of_a_budget_alone(run: Run) -> None:
    run(budget, **BUDGET, amount=400, notifications=[HALF])
    client = boto3.client("budgets")
    before = client.describe_budget(AccountId=ACCOUNT, BudgetName="monthly")["Budget"]

    result = run(budget, **BUDGET, amount=500, notifications=[HALF])

    after = client.describe_budget(AccountId=ACCOUNT, BudgetName="monthly")["Budget"]
    assert result["diff"] == {"before": {"amount": 400.0}, "after": {"amount": 500.0}}
    assert after == {**before, "BudgetLimit": {"Amount": "500", "Unit": "USD"}, "LastUpdatedTime": after["LastUpdatedTime"]}


def test_whoever_was_taken_off_a_notification_is_back_on_it(run: Run) -> None:
    run(budget, **BUDGET, amount=400, notifications=[HALF, EXPECTED])
    client = boto3.client("budgets")
    told = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 50.0, "ThresholdType": "PERCENTAGE"}
    client.delete_notification(AccountId=ACCOUNT, BudgetName="monthly", Notification=told)

    assert run(budget, **BUDGET, amount=400, notifications=[HALF, EXPECTED])["changed"]
    assert not run(budget, **BUDGET, amount=400, notifications=[EXPECTED, HALF])["changed"]


def test_a_budget_needs_an_amount(run: Run) -> None:
    assert "amount" in run(budget, **BUDGET)["msg"]


# --- anomalies ---


def test_monitor_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"dimension": "SERVICE", "tags": {"Project": "site", "Old": "1"}}
    life_cycle(cost_anomaly_monitor, {"name": "services"}, first, {"dimension": "SERVICE", "tags": {"Project": "site"}})


def test_the_monitor_that_aws_has_made_is_taken_over(run: Run) -> None:
    client = boto3.client("ce")
    made = {"MonitorName": "Default-Services-Monitor", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    arn = client.create_anomaly_monitor(AnomalyMonitor=made)["MonitorArn"]

    result = run(cost_anomaly_monitor, name="services", dimension="SERVICE", tags={"Project": "site"})

    assert result["resource"]["arn"] == arn
    assert [one["MonitorName"] for one in client.get_anomaly_monitors()["AnomalyMonitors"]] == ["services"]


def test_a_monitor_of_other_costs_is_made_anew(run: Run) -> None:
    spent: list[dict[str, Any]] = [{"Tags": {"Key": "Environment", "Values": [name]}} for name in ("staging", "production")]
    first = run(cost_anomaly_monitor, name="own", specification=spent[0])["resource"]["arn"]

    assert run(cost_anomaly_monitor, name="own", specification=spent[1])["resource"]["arn"] != first
    assert not run(cost_anomaly_monitor, name="own", specification=spent[1])["changed"]


@pytest.fixture
def monitors(run: Run) -> list[str]:
    return [run(cost_anomaly_monitor, name="services", dimension="SERVICE")["resource"]["arn"]]


def test_subscription_life_cycle(life_cycle: Callable[..., None], monitors: list[str]) -> None:
    first = {"monitor_arns": monitors, "above_amount": 50, "subscribers": [OPS], "tags": {"Project": "site", "Old": "1"}}
    second = {
        **{"monitor_arns": monitors, "above_amount": 12.5, "frequency": "IMMEDIATE", "subscribers": [TOPIC]},
        "tags": {"Project": "site"},
    }
    life_cycle(cost_anomaly_subscription, {"name": "anomalies"}, first, second)


def test_a_threshold_that_somebody_made_a_percentage_is_put_right(run: Run, monitors: list[str]) -> None:
    declared = {"name": "anomalies", "monitor_arns": monitors, "above_amount": 50, "subscribers": [OPS]}
    arn = run(cost_anomaly_subscription, **declared)["resource"]["arn"]
    share = {"Key": "ANOMALY_TOTAL_IMPACT_PERCENTAGE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": ["900"]}
    boto3.client("ce").update_anomaly_subscription(SubscriptionArn=arn, ThresholdExpression={"Dimensions": share})

    assert run(cost_anomaly_subscription, **declared)["changed"]
    assert not run(cost_anomaly_subscription, **declared)["changed"]


@pytest.mark.parametrize(("frequency", "subscriber", "way"), [("IMMEDIATE", OPS, "SNS"), ("DAILY", TOPIC, "EMAIL")])
def test_what_aws_does_not_tell_that_way_is_refused(
    run: Run, monitors: list[str], frequency: str, subscriber: dict[str, str], way: str
) -> None:
    result = run(cost_anomaly_subscription, name="x", monitor_arns=monitors, above_amount=1, frequency=frequency, subscribers=[subscriber])
    assert f"AWS tells {frequency} by {way} alone" in result["msg"]


# --- cost allocation tags ---


def test_tags_are_activated_once(run: Run, plan_of: Run) -> None:
    declared = {"keys": ["Project", "Environment"]}

    assert plan_of(cost_allocation_tags, **declared)["action"] == "change"
    assert run(cost_allocation_tags, check=True, **declared)["changed"]
    assert run(cost_allocation_tags, **declared)["active"] == ["Environment", "Project"]
    assert not run(cost_allocation_tags, **declared)["changed"]
    assert plan_of(cost_allocation_tags, **declared)["action"] == "none"


def test_a_tag_that_aws_does_not_know_yet_is_left_for_later(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = '{"CostAllocationTags": [{"TagKey": "Project", "Type": "UserDefined", "Status": "Active"}]}'
    monkeypatch.setattr(CostExplorerResponse, "list_cost_allocation_tags", lambda _self: told)

    result = run(cost_allocation_tags, keys=["Project", "Environment"])

    assert (result["changed"], result["active"], result["unknown"]) == (False, ["Project"], ["Environment"])


def test_a_tag_that_aws_refuses_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = '{"Errors": [{"TagKey": "Project", "Code": "x", "Message": "not the account that pays"}]}'
    monkeypatch.setattr(CostExplorerResponse, "update_cost_allocation_tags_status", lambda _self: refused)

    assert "Project: not the account that pays" in run(cost_allocation_tags, keys=["Project"])["msg"]


# --- reservations ---


@pytest.mark.parametrize(
    ("months", "today", "start", "end"),
    [
        (1, "2026-11-26", "2026-10-01", "2026-11-01"),
        (3, "2026-01-01", "2025-10-01", "2026-01-01"),
        (12, "2026-12-31", "2025-12-01", "2026-12-01"),
    ],
)
def test_whole_months_are_looked_at(months: int, today: str, start: str, end: str) -> None:
    asked = reservation_coverage_info.period(months, datetime.date.fromisoformat(today))
    assert asked == {"Start": start, "End": end}


def test_what_is_reserved_is_told_by_month(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    client, asked = boto3.client("ce"), {"Start": "2026-09-01", "End": "2026-11-01"}
    spans = [{"Start": "2026-09-01", "End": "2026-10-01"}, {"Start": "2026-10-01", "End": "2026-11-01"}]
    hours = [{"TotalRunningHours": "0", "CoverageHoursPercentage": "0"}, {"TotalRunningHours": "1440", "CoverageHoursPercentage": "66.66"}]
    used = [{"PurchasedHours": "0"}, {"PurchasedHours": "960", "UtilizationPercentage": "98.25", "RICostForUnusedHours": "4.2"}]
    monkeypatch.setattr(reservation_coverage_info, "period", lambda *_arguments: asked)
    monkeypatch.setattr(reservation_coverage_info, "aws_client", lambda *_arguments: client)
    with Stubber(client) as stub:
        sent = {"TimePeriod": asked, "Granularity": "MONTHLY"}
        coverage = [{"TimePeriod": span, "Total": {"CoverageHours": one}} for span, one in zip(spans, hours, strict=True)]
        usage = [{"TimePeriod": span, "Total": one} for span, one in zip(spans, used, strict=True)]
        stub.add_response("get_reservation_coverage", {"CoveragesByTime": coverage}, sent)
        stub.add_response("get_reservation_utilization", {"UtilizationsByTime": usage}, sent)
        result = run(reservation_coverage_info, months=2)
    empty, full = result["months"]
    assert empty == {"month": "2026-09", "running_hours": 0, "covered_percentage": None, "used_percentage": None, "unused_cost": 0}
    assert full == {"month": "2026-10", "running_hours": 1440, "covered_percentage": 66.7, "used_percentage": 98.2, "unused_cost": 4.2}
