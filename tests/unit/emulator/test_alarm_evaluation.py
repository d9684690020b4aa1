# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms of the emulator are compared with their data as AWS' pages say."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandbox.emulator.additions import alarm_evaluation, alarms
from sandbox.emulator.additions.alarm_evaluation import evaluate
from sandbox.emulator.metric_math import MathError, calculate
from sandbox.emulator.runtime import runtime

REGION = "us-east-1"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
STATES = {"-": "INSUFFICIENT_DATA", "=": "kept", "A": "ALARM", "O": "OK"}
# The tables of alarms-and-missing-data: data points as they come (X breaches, 0 does not, - is missing), and the state by treatment.
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
THREE_OF_THREE = {"0-X-X": "OOOO", "0----": "OOOO", "-----": "-=AO", "0XX-X": "AAAA", "--X--": "A=AO"}
TWO_OF_THREE = {"0-X-X": "AAAA", "00X0X": "AAAA", "0-X--": "OOAO", "----0": "OOAO", "---X-": "A=AO"}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # they cost seconds
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # what moto answers in this process
    alarms.install()
    alarm_evaluation.install()
    with mock_aws():
        yield


def client(service: str = "cloudwatch") -> Any:
    return boto3.client(service, region_name=REGION)


def put_alarm(name: str = "x", **options: Any) -> None:
    watched = {"Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    client().put_metric_alarm(AlarmName=name, **watched | {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1} | options)


def put(values: str, metric: str = "m", **dimensions: str) -> None:
    """Put what came in the minutes before NOW, the last at last: X is 2, 0 is 0 and - nothing."""
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    for ago, value in enumerate(reversed(values)):
        if value != "-":
            time = NOW - timedelta(minutes=ago, seconds=30)
            point = {"MetricName": metric, "Dimensions": named, "Timestamp": time, "Value": 2.0 if value == "X" else 0.0}
            client().put_metric_data(Namespace="n", MetricData=[point])


def state(name: str = "x", at: datetime = NOW) -> str:
    return evaluate(REGION, at.replace(tzinfo=None))[name]


@pytest.mark.parametrize("former", ["OK", "ALARM"])
@pytest.mark.parametrize(
    ("needed", "values", "expected"),
    [(needed, *row) for needed, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE)) for row in table.items()],
)
def test_what_is_missing_counts_as_the_tables_of_aws_say(needed: int, values: str, expected: str, former: str) -> None:
    put(values)
    for treatment, letter in zip(TREATMENTS, expected, strict=True):
        put_alarm(treatment, EvaluationPeriods=3, DatapointsToAlarm=needed, TreatMissingData=treatment)
        client().set_alarm_state(AlarmName=treatment, StateValue=former, StateReason="a test")
        assert state(treatment) == (former if letter == "=" else STATES[letter]), treatment


@pytest.mark.parametrize(
    ("comparison", "fires"),
    [
        ("GreaterThanThreshold", "above"),
        ("GreaterThanOrEqualToThreshold", "above at"),
        ("LessThanThreshold", "below"),
        ("LessThanOrEqualToThreshold", "below at"),
    ],
)
def test_comparisons(comparison: str, fires: str) -> None:
    for name, threshold in (("above", 1.9), ("at", 2), ("below", 2.1)):
        put_alarm(name, ComparisonOperator=comparison, Threshold=threshold)
    put("X")
    assert {name for name in ("above", "at", "below") if state(name) == "ALARM"} == set(fires.split())


def test_only_the_named_series_counts() -> None:
    put_alarm("all")
    put_alarm("one", Dimensions=[{"Name": "Host", "Value": "a"}])
    put_alarm("both", Dimensions=[{"Name": "Host", "Value": "a"}, {"Name": "Disk", "Value": "b"}])
    put("X", Host="a")
    put("X", metric="other")
    assert [state(name) for name in ("all", "one", "both")] == ["INSUFFICIENT_DATA", "ALARM", "INSUFFICIENT_DATA"]


def test_a_percentile() -> None:
    measured = {"Namespace": "n", "MetricName": "p", "Period": 60, "EvaluationPeriods": 1}
    for percentile in ("p50", "p95", "p100"):
        above = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 94.5}
        client().put_metric_alarm(AlarmName=percentile, ExtendedStatistic=percentile, **measured, **above)
    values = {"MetricName": "p", "Timestamp": NOW - timedelta(seconds=1), "Values": [float(value) for value in range(1, 101)]}
    client().put_metric_data(Namespace="n", MetricData=[values])
    assert [state(percentile) for percentile in ("p50", "p95", "p100")] == ["OK", "ALARM", "ALARM"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", {0: 2, 1: 4}),
        ("100 * a / b", {0: 50}),
        ("a / 0", {}),
        ("a - (b + 1)", {0: -3}),
        ("FILL(b, 0)", {0: 4, 1: 0, 2: 0, 3: 9}),
        ("FILL(nothing, 0)", {}),
        ("a / FILL(b, 0)", {0: 0.5}),
        ("7", {0: 7, 1: 7, 2: 7}),
    ],
)
def test_expressions(expression: str, expected: dict[int, float]) -> None:
    known: dict[str, dict[int, float]] = {"a": {0: 2.0, 1: 4.0}, "b": {0: 4.0, 3: 9.0}, "nothing": {}}
    assert calculate(expression, known, 3) == expected


@pytest.mark.parametrize("expression", ["a +", "b", "SUM(METRICS())", "FILL(a, REPEAT)", "a ** 2", "__import__('os')", "FILL(2, 0)"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(MathError):
        calculate(expression, {"a": {0: 1.0}}, 1)


def test_an_alarm_that_cannot_be_compared_keeps_its_state_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    query = {"Id": "e", "Expression": "SUM(METRICS())", "Period": 60}
    above = {"EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1}
    client().put_metric_alarm(AlarmName="odd", Metrics=[query], **above)
    put_alarm()
    put("X")
    with caplog.at_level(logging.WARNING, logger="emulator"):
        assert (state("odd"), state()) == ("INSUFFICIENT_DATA", "ALARM")
    assert "the alarm odd stays INSUFFICIENT_DATA: 'SUM(METRICS())' is not supported" in caplog.text


@pytest.mark.parametrize("rule", ['ALARM("bad") AND', "bad", 'ALARM("bad") + OK("bad")'])
def test_a_rule_that_is_none_keeps_no_other_alarm_from_being_compared(rule: str, caplog: pytest.LogCaptureFixture) -> None:
    client().put_composite_alarm(AlarmName="odd", AlarmRule=rule)
    client().put_composite_alarm(AlarmName="x", AlarmRule='ALARM("bad")')
    put_alarm("bad")
    put("X")
    with caplog.at_level(logging.WARNING, logger="emulator"):
        assert (state("odd"), state()) == ("INSUFFICIENT_DATA", "ALARM")
    assert "the alarm odd stays INSUFFICIENT_DATA" in caplog.text


def test_there_is_no_percentile_of_a_sum(caplog: pytest.LogCaptureFixture) -> None:
    above = {"Period": 60, "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1}
    client().put_metric_alarm(AlarmName="odd", Namespace="n", MetricName="p", ExtendedStatistic="p95", **above)
    told = {"SampleCount": 3, "Sum": 9, "Minimum": 1, "Maximum": 5}
    client().put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "p", "Timestamp": NOW - timedelta(seconds=1), "StatisticValues": told}]
    )
    put_alarm()
    put("X")
    with caplog.at_level(logging.WARNING, logger="emulator"):
        assert (state("odd"), state()) == ("INSUFFICIENT_DATA", "ALARM")
    assert "no p95 of values that were told as their sum" in caplog.text


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('ALARM("bad")', "ALARM"),
        ('ALARM("bad") AND ALARM("good")', "OK"),
        ('ALARM("bad") AND (NOT ALARM("good") OR FALSE)', "ALARM"),
        ('OK("good") AND INSUFFICIENT_DATA("unknown") AND TRUE', "ALARM"),
        ('ALARM("gone")', "OK"),
        ('ALARM("later")', "ALARM"),
    ],
)
def test_rules_over_alarms(rule: str, expected: str) -> None:
    client().put_composite_alarm(AlarmName="x", AlarmRule=rule)
    client().put_composite_alarm(AlarmName="later", AlarmRule='OK("good")')
    put_alarm("bad")
    put_alarm("good", MetricName="fine")
    put_alarm("unknown", MetricName="nothing")
    put("X")
    put("0", metric="fine")
    assert state() == expected


def test_a_change_is_told_once_to_the_topic_of_its_state(caplog: pytest.LogCaptureFixture) -> None:
    queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    topics = {name: client("sns").create_topic(Name=name)["TopicArn"] for name in ("bad", "good")}
    for arn in topics.values():
        client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:q")
    put_alarm(AlarmActions=[topics["bad"], f"{topics['bad']}-gone"], OKActions=[topics["good"]], AlarmDescription="Look.")
    put_alarm("mute", AlarmActions=[topics["bad"]], ActionsEnabled=False)

    def heard() -> list[tuple[str, str, str]]:
        bodies = [json.loads(message["Body"]) for message in client("sqs").receive_message(QueueUrl=queue).get("Messages", [])]
        messages = [(body["TopicArn"], json.loads(body["Message"])) for body in bodies]
        return [(arn.rpartition(":")[2], message["AlarmName"], message["NewStateValue"]) for arn, message in messages]

    assert (state(), heard()) == ("INSUFFICIENT_DATA", [])
    put("X")
    with caplog.at_level(logging.WARNING, logger="emulator"):
        assert (state(), state(), heard(), heard()) == ("ALARM", "ALARM", [("bad", "x", "ALARM")], [])
    assert f"there is no topic {topics['bad']}-gone" in caplog.text
    put_alarm(AlarmActions=[topics["bad"]], OKActions=[topics["good"]])  # put again, it keeps its state
    assert (state(), heard()) == ("ALARM", [])
    later = NOW + timedelta(minutes=1)
    client().put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Timestamp": later - timedelta(seconds=1), "Value": 0}])
    assert (state(at=later), heard()) == ("OK", [("good", "x", "OK")])


def test_alarms_are_compared_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(alarm_evaluation, "evaluate", lambda region, _now: compared.append(region))
    monkeypatch.setattr(runtime, "alarms_evaluated", datetime.min)
    monkeypatch.setattr(runtime, "unavailable", {"us-west-2"})
    assert [alarm_evaluation.tick(), alarm_evaluation.tick()] == [False, False]
    assert compared == ["us-east-1"]
    runtime.alarms_evaluated -= timedelta(seconds=alarm_evaluation.EVERY_SECONDS)
    alarm_evaluation.tick()
    assert compared == ["us-east-1", "us-east-1"]
