# SPDX-License-Identifier: GPL-3.0-or-later
"""The alarms of production in CloudWatch: each goes off when it must, tells the topic of its severity, and is silent when it must."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.modules import cloudwatch_alarm
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import cloudwatch_alarms
from moto.sns.models import sns_backends

from sandbox.emulator.additions import alarm_evaluation, alarms
from sandbox.settings import ACCOUNT_ID
from scripts.pages.inventory import Stack, stacks
from tests.support.module_runs import Run

CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("alarms.yml").read_text(encoding="utf-8"))
PREFIX = "indivillage-production"
NAMES = {
    "LoadBalancer": {"public": "app/public/1", "internal": "app/internal/1"},
    "TargetGroup": {"web": "targetgroup/web/1", "app": "targetgroup/app/1"},
}
APART = timedelta(days=20)  # longer than anything that an alarm looks back
STACKS = [stack for stack in stacks("production") if stack.options.get("aws_monitoring")]
Series = dict[str, list[list[float]]]


@pytest.fixture(autouse=True, scope="module")
def watching_alarms() -> None:
    alarms.install()
    alarm_evaluation.install()


@dataclass(frozen=True)
class Case:
    """One alarm, without the prefix; `others` go off with it."""

    name: str
    severity: str
    every: timedelta
    bad: Series
    good: list[Series]
    others: list[str]


def cases(kind: str) -> Iterator[Case]:
    """The cases of a kind of stack."""
    for name, case in CASES.items():
        of = case.get("of", [""])
        for one in of[kind] if isinstance(of, dict) else of:

            def named(series: Series, one: str = one) -> Series:
                return {key.replace("{}", one): values for key, values in series.items()}

            good = [named(series) for series in case["good"]]
            period = timedelta(seconds=case["every"])
            yield Case(name.replace("{}", one), case["severity"], period, named(case["bad"]), good, case.get("with", []))


@dataclass
class Account:
    """A region with the alarms of a stack, and the time there, which only moves on."""

    region: str
    now: datetime = field(default_factory=lambda: datetime(2030, 1, 1, tzinfo=UTC))

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)

    def declare(self, run: Run, declared: list[dict[str, Any]]) -> None:
        """Make alarms as the role does, and the topics."""
        for severity in ("critical", "high", "medium", "low"):
            self.client("sns").create_topic(Name=severity)
        for alarm in declared:
            topics = [f"arn:aws:sns:{self.region}:{ACCOUNT_ID}:{alarm['severity']}"]
            arguments = {"alarm_actions": topics, "ok_actions": topics} | alarm["arguments"]
            result = run(cloudwatch_alarm, name=f"{PREFIX}-{alarm['name']}", region=self.region, **arguments)
            assert result["changed"], result

    def tell(self, series: Series, every: timedelta) -> dict[str, str]:
        """Put a series' values so that its last period has just ended; the states of the alarms."""
        self.now += APART
        for key, periods in series.items():
            namespace, metric, *dimensions = key.split(" ")
            named = [dict(zip(("Name", "Value"), dimension.split("="), strict=True)) for dimension in dimensions]
            for ago, values in enumerate(reversed(periods)):
                time = self.now - every * ago - every / 2
                points = [{"MetricName": metric, "Dimensions": named, "Timestamp": time, "Value": float(value)} for value in values]
                if points:
                    self.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=points)
        states = alarm_evaluation.evaluate(self.region, self.now.replace(tzinfo=None))
        return {name.removeprefix(f"{PREFIX}-"): state for name, state in states.items()}

    def heard(self) -> set[tuple[str, str]]:
        """(topic, subject) of what was told since it was asked last."""
        found = set()
        for topic in sns_backends[ACCOUNT_ID][self.region].topics.values():
            found |= {(topic.name, subject or "") for _id, _message, subject, *_rest in topic.sent_notifications}
            topic.sent_notifications.clear()
        return found

    def subject(self, state: str, name: str) -> str:
        return f'{state}: "{PREFIX}-{name}" in {self.region}'

    def faults(self, case: Case, severities: dict[str, str]) -> list[str]:
        """What an alarm does that it must not: it is good, then bad, then good, then nearly bad, and good in each other way."""
        found = []
        if self.tell(case.good[0], case.every)[case.name] != "OK":
            found.append(f"{case.name} is not OK before all")
        self.heard()
        self.tell(case.bad, case.every)
        expected = {(severities[name], self.subject("ALARM", name)) for name in (case.name, *case.others)}
        if (told := self.heard()) != expected:
            found.append(f"{case.name} was to tell {sorted(expected)}, and it was told: {sorted(told)}")
        if self.tell(case.good[0], case.every)[case.name] != "OK":
            found.append(f"{case.name} does not end")
        if (severities[case.name], self.subject("OK", case.name)) not in self.heard():
            found.append(f"{case.name} does not tell that it has ended")
        early = {key: periods[:-1] for key, periods in case.bad.items()}
        silent = [early, *case.good[1:]]
        found += [f"{case.name} goes off with {series}" for series in silent if self.tell(series, case.every)[case.name] == "ALARM"]
        return found


def declared(stack: Stack) -> list[dict[str, Any]]:
    """The alarms of a stack, their names without the prefix."""
    watched = {"kind": stack.kind, "layers": stack.layers, "prefix": PREFIX, "names": NAMES}
    found = cloudwatch_alarms(stack.value("aws_monitoring_alarms"), watched)
    return [{**alarm, "name": alarm["name"].removeprefix(f"{PREFIX}-")} for alarm in found]


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_each_alarm_goes_off_when_it_must_and_is_silent_when_it_must(run: Run, stack: Stack) -> None:
    account, known = Account(stack.region), {case.name: case for case in cases(stack.kind)}
    account.declare(run, declared(stack))
    assert known.keys() == {alarm["name"] for alarm in declared(stack)}
    severities = {case.name: case.severity for case in known.values()}
    assert [fault for case in known.values() for fault in account.faults(case, severities)] == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("db-cpu", {"threshold": 74}),
        ("db-cpu", {"threshold": 67}),
        ("db-cpu", {"evaluation_periods": 4}),
        ("db-cpu", {"evaluation_periods": 2}),
        ("db-cpu", {"comparison": "GreaterThanOrEqualToThreshold"}),
        ("public-5xx", {"treat_missing_data": "missing"}),
        ("db-free-storage", {"comparison": "GreaterThanThreshold"}),
        ("site-down", {"rule": f'ALARM("{PREFIX}-public-5xx") AND ALARM("{PREFIX}-web-unhealthy-hosts")'}),
        ("site-down", {"alarm_actions": []}),
        ("site-down", {"ok_actions": []}),
    ],
)
def test_the_cases_notice_what_is_changed(run: Run, name: str, change: dict[str, Any]) -> None:
    """A threshold a few per cent off, one period more, or a topic left out is caught: the cases are no formality."""
    (stack,) = (stack for stack in STACKS if stack.kind == "primary")
    account, known = Account(stack.region), {case.name: case for case in cases(stack.kind)}
    severities = {case.name: case.severity for case in known.values()}
    judged = [alarm for alarm in declared(stack) if alarm["name"] in (name, *known[name].others)]
    account.declare(run, judged)
    assert account.faults(known[name], severities) == []

    account.declare(run, [{**alarm, "arguments": alarm["arguments"] | change} for alarm in judged if alarm["name"] == name])
    assert account.faults(known[name], severities) != []
