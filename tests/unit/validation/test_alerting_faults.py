# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts over metrics that nothing exposes, pages that are not there, and ways that lead to nobody."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.action.validate_environment import read_catalogue
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation import Stack, find_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_alerting import alerting_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_sources import Declaration

MEMORY: dict[str, Any] = {
    **{"name": "host-memory", "layer": "aws_compute", "severity": "high", "owner": "platform", "description": "Little memory"},
    "prometheus": {"expression": "node_memory_MemAvailable_bytes", "minutes": 10.0},
    **{"comparison": "LessThanThreshold", "threshold": 1.0, "slo": "site"},
}
ERRORS: dict[str, Any] = {
    **{"name": "application-errors", "layer": "aws_compute", "severity": "high", "owner": "application", "description": "Errors"},
    "metric": {"namespace": "indivillage/staging", "name": "ApplicationErrors"},
    **{"comparison": "GreaterThanThreshold", "threshold": 5.0, "evaluation_periods": 2},
}
SLO: dict[str, Any] = {"name": "site", "owner": "platform", "description": "x", "objective": 99.9, "bad": "1 - avg(probe_success)"}
VALUES: dict[str, Any] = {
    "aws_monitoring_alarms": [MEMORY, ERRORS],
    "aws_monitoring_metric_filters": [{"name": "errors", "log_group": "x", "pattern": "x", "metric": "ApplicationErrors"}],
    "prometheus_slos": [SLO],
    "alertmanager_channels": {"mail": {"kind": "mail", "to": "ops@example.com"}},
    "alertmanager_routes": {severity: {"channels": ["mail"]} for severity in ("critical", "high", "medium", "low")},
    "alertmanager_hours": {},
}
ROUTES = VALUES["alertmanager_routes"]


def told(**changes: Any) -> list[tuple[str, str]]:
    found = list(alerting_problems({**copy.deepcopy(VALUES), **changes}))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def test_sound_alerts_have_no_problem() -> None:
    assert told() == []
    assert list(alerting_problems({})) == []


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (
            {**MEMORY, "prometheus": {"expression": "rate(node_memory_Free[5m])", "minutes": 1}},
            "watches node_memory_Free, which nothing exposes",
        ),
        ({**MEMORY, "runbook": "nowhere"}, "sends people to the runbook nowhere, which is not there"),
        ({**MEMORY, "slo": "sight"}, "protects the objective sight, which nobody declares"),
        ({**MEMORY, "threshold": None}, "has no comparison and threshold for Prometheus"),
        ({**MEMORY, "comparison": "GreaterThanUpperThreshold"}, "has no comparison and threshold for Prometheus"),
        ({**MEMORY, "prometheus": {"expression": "up"}}, "says twice or not at all how long it waits"),
        ({**MEMORY, "evaluation_periods": 2}, "says twice or not at all how long it waits"),
        (
            {**MEMORY, "prometheus": {**MEMORY["prometheus"], "silences": {"same": "instance", "alerts": ["disk"]}}},
            "silences disk, which is no",
        ),
        ({**ERRORS, "metric": {**ERRORS["metric"], "name": "Errors"}}, "watches indivillage/staging Errors, which nothing publishes"),
        (
            {**ERRORS, "metric": {"namespace": "AWS/RDS", "name": "CpuUtilization"}},
            "watches AWS/RDS CpuUtilization, which nothing publishes",
        ),
        ({**ERRORS, "metric": {"namespace": "AWS/RDB", "name": "CPUUtilization"}}, "watches AWS/RDB CPUUtilization"),
    ],
)
def test_an_alarm_that_leads_nowhere_is_named(alarm: dict[str, Any], words: str) -> None:
    others = [one for one in (MEMORY, ERRORS) if one["name"] != alarm["name"]]

    (problem,) = told(aws_monitoring_alarms=[alarm, *others])

    assert problem[0] == "aws_monitoring_alarms"
    assert f"alarm {alarm['name']}, which {words}" in problem[1]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_monitoring_alarms", [MEMORY, {**MEMORY, "severity": "low"}], "has 2 alarms of Prometheus called host-memory"),
        ("prometheus_slos", [{**SLO, "objective": 100.0}], "objective site, which wants 100.0 per cent"),
        ("prometheus_slos", [{**SLO, "bad": "probe_sucess"}], "objective site, which measures probe_sucess"),
        ("alertmanager_routes", {key: route for key, route in ROUTES.items() if key != "low"}, "has no way for alerts of severity low"),
        ("alertmanager_routes", {**ROUTES, "high": {"channels": ["chat"]}}, "tells high to chat, which is no channel"),
        (
            "alertmanager_routes",
            {**ROUTES, "high": {"channels": ["mail"], "hours": "office"}},
            "in the hours office, which nobody declares",
        ),
        (
            "alertmanager_channels",
            {**VALUES["alertmanager_channels"], "chat": {"kind": "slack", "to": "#x"}},
            "channel chat without secret",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(variable: str, value: Any, words: str) -> None:
    (problem,) = told(**{variable: value})

    assert problem[0] == variable
    assert words in problem[1]


def test_a_threshold_that_an_environment_lacks_is_told_with_its_file() -> None:
    catalogue = read_catalogue()
    thresholds = dict.fromkeys(catalogue.shared["aws_monitoring_thresholds"]["options"], 90)
    del thresholds["api_latency_percentage"]
    file = Path("/inventories/staging/group_vars/all/10_environment.yml")
    stack = Stack("staging-us-east-1", ("stacks",), (), {"aws_monitoring_thresholds": thresholds})

    found = find_problems([stack], catalogue, [Declaration("aws_monitoring_thresholds", "stacks", file, 39)])

    (problem,) = (one for one in found if one.variable == "aws_monitoring_thresholds")
    assert f"{file}:39: aws_monitoring_thresholds" in str(problem)
    assert "api_latency_percentage" in problem.text
