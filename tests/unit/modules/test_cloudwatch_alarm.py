# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms over a metric, an expression, a band and other alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import cloudwatch_alarm

from sandbox.emulator.additions import alarms

Run = Callable[..., dict[str, Any]]
TOPIC = "arn:aws:sns:us-east-1:123456789012:{}"
CPU = {"namespace": "AWS/RDS", "name": "CPUUtilization", "dimensions": {"DBInstanceIdentifier": "db"}}
ABOVE = {"comparison": "GreaterThanThreshold", "threshold": 80, "evaluation_periods": 3}
LATENCY = {"namespace": "AWS/ApplicationELB", "name": "TargetResponseTime", "dimensions": {"LoadBalancer": "app/x/1"}, "statistic": "p99"}
RATE = [
    {"id": "errors", "metric": {**CPU, "name": "Errors", "statistic": "Sum"}, "return_data": False},
    {"id": "requests", "metric": {**CPU, "name": "Requests", "statistic": "Sum"}, "return_data": False},
    {"id": "rate", "expression": "100 * errors / requests", "label": "share of errors"},
]
BAND = [{"id": "latency", "metric": LATENCY}, {"id": "band", "expression": "ANOMALY_DETECTION_BAND(latency, 2)"}]
KINDS: dict[str, dict[str, Any]] = {
    "metric": {"metric": CPU, **ABOVE},
    "percentile": {"metric": LATENCY, **ABOVE},
    "expression": {"metrics": RATE, **ABOVE},
    "band": {"metrics": BAND, "threshold_metric_id": "band", "comparison": "GreaterThanUpperThreshold", "evaluation_periods": 2},
    "alarms": {"rule": 'ALARM("one") AND ALARM("other")'},
}


@pytest.fixture(autouse=True, scope="module")
def alarms_over_alarms() -> None:
    alarms.install()


def alarm(name: str = "x") -> dict[str, Any]:
    found = boto3.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    (one,) = found["MetricAlarms"] + found["CompositeAlarms"]
    return dict(one)


@pytest.mark.parametrize("kind", KINDS)
def test_life_cycle(life_cycle: Callable[..., None], kind: str) -> None:
    first = {**KINDS[kind], "alarm_actions": [TOPIC.format("high")], "tags": {"Project": "site", "Old": "1"}}
    second = {**KINDS[kind], "alarm_actions": [TOPIC.format("critical")], "description": "Look.", "tags": {"Project": "site"}}
    life_cycle(cloudwatch_alarm, {"name": "x"}, first, second)


@pytest.mark.parametrize(
    ("first", "second"), [("metric", "expression"), ("expression", "metric"), ("metric", "band"), ("band", "metric"), ("metric", "alarms")]
)
def test_an_alarm_becomes_one_of_another_kind(run: Run, first: str, second: str) -> None:
    run(cloudwatch_alarm, name="x", tags={"Project": "site"}, **KINDS[first])

    assert run(cloudwatch_alarm, name="x", **KINDS[second])["changed"]

    assert not run(cloudwatch_alarm, name="x", **KINDS[second])["changed"]
    tags = boto3.client("cloudwatch").list_tags_for_resource(ResourceARN=alarm()["AlarmArn"])["Tags"]
    assert tags == [{"Key": "Project", "Value": "site"}]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"Threshold": 99}, "threshold"),
        ({"AlarmActions": []}, "alarm_actions"),
        ({"OKActions": [TOPIC.format("else")]}, "ok_actions"),
        ({"TreatMissingData": "ignore"}, "treat_missing_data"),
        ({"DatapointsToAlarm": 1}, "datapoints_to_alarm"),
        ({"Statistic": "Minimum"}, "metric"),
        ({"Dimensions": []}, "metric"),
    ],
)
def test_what_somebody_changed_is_named(run: Run, changed: dict[str, Any], named: str) -> None:
    declared = {**KINDS["metric"], "alarm_actions": [TOPIC.format("high")]}
    run(cloudwatch_alarm, name="x", **declared)
    now = alarm()
    keys = (
        *("AlarmName", "MetricName", "Namespace", "Statistic", "Dimensions", "Period", "EvaluationPeriods"),
        *("Threshold", "ComparisonOperator", "AlarmActions"),
    )
    boto3.client("cloudwatch").put_metric_alarm(**{key: now[key] for key in keys} | changed)

    assert set(run(cloudwatch_alarm, name="x", check=True, **declared)["diff"]["after"]) == {named}


def test_the_order_of_actions_and_queries_is_none(run: Run) -> None:
    actions = [TOPIC.format("a"), TOPIC.format("b")]
    run(cloudwatch_alarm, name="x", alarm_actions=actions, **KINDS["expression"])

    turned = {**KINDS["expression"], "metrics": RATE[::-1], "alarm_actions": actions[::-1]}
    assert not run(cloudwatch_alarm, name="x", **turned)["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one of metric, metrics and rule"),
        ({"metric": CPU, "comparison": "GreaterThanThreshold", "evaluation_periods": 1}, "one of threshold and threshold_metric_id"),
        ({"metric": CPU, "threshold": 1}, "comparison"),
        ({"metric": CPU, "rule": "ALARM(x)", **ABOVE}, "mutually exclusive"),
        ({"metric": CPU, "threshold_metric_id": "m", **ABOVE}, "mutually exclusive"),
        ({"metrics": [{"id": "m"}], **ABOVE}, "one of the following is required: metric, expression"),
    ],
)
def test_nonsense_is_refused(run: Run, options: dict[str, Any], words: str) -> None:
    result = run(cloudwatch_alarm, name="x", **options)
    assert result["failed"]
    assert words in result["msg"]
