# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms that cannot go off, names that name nothing, and times that AWS does not know."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_monitoring import monitoring_problems

METRIC = {"namespace": "AWS/EC2", "name": "CPUUtilization", "dimensions": {"AutoScalingGroupName": "*"}}
CPU: dict[str, Any] = {
    **{"name": "cpu", "of": ["web", "app"], "layer": "aws_compute", "severity": "high", "description": "Busy", "metric": METRIC},
    **{"comparison": "GreaterThanThreshold", "threshold": 80.0, "evaluation_periods": 2},
}
BAND: dict[str, Any] = {
    **{"name": "latency", "layer": "aws_compute", "severity": "low", "description": "Slow"},
    "metrics": [{"id": "m", "metric": {"namespace": "A", "name": "B"}}, {"id": "band", "expression": "ANOMALY_DETECTION_BAND(m, 2)"}],
    **{"comparison": "GreaterThanUpperThreshold", "threshold_metric_id": "band", "evaluation_periods": 3},
}
BOTH: dict[str, Any] = {
    "name": "both",
    "layer": "aws_compute",
    "severity": "critical",
    "description": "Both",
    "all_of": ["web-cpu", "latency"],
}
GROUP = "/aws/ec2/indivillage-staging-app"
PANEL: dict[str, Any] = {"title": "Busy", "kind": "graph", "layer": "aws_compute", "alarms": ["cpu"], "prometheus": [{"expression": "up"}]}
ERRORS = {"namespace": "indivillage/staging", "name": "Errors"}
BELOW = {"label": "x", "value": 1.0, "severity": "high", "comparison": "LessThanThreshold"}


def dashboard(*panels: dict[str, Any]) -> dict[str, Any]:
    return {"name": "main", "title": "Main", "description": "x", "sections": [{"title": "All", "panels": list(panels)}]}


DASHBOARD = dashboard(PANEL, {**PANEL, "title": "Errors", "metrics": [{"metric": ERRORS}]})
VALUES: dict[str, Any] = {
    "aws_monitoring_alarms": [CPU, BAND, BOTH],
    "aws_monitoring_dashboards": [DASHBOARD],
    "aws_monitoring_log_retention_days": 30,
    "aws_monitoring_log_groups": [{"name": GROUP, "retention_days": 365}],
    "aws_monitoring_metric_filters": [{"name": "errors", "log_group": GROUP, "pattern": "ERROR", "metric": "Errors"}],
    "aws_monitoring_events": [{"name": "failover", "severity": "high", "description": "x", "event_pattern": {"source": ["aws.rds"]}}],
    "aws_monitoring_subscriptions": {"critical": [{"protocol": "email", "endpoint": "ops@example.com"}]},
}
EVENT = VALUES["aws_monitoring_events"][0]


def told(**changes: Any) -> list[tuple[str, str]]:
    found = list(monitoring_problems({**copy.deepcopy(VALUES), **changes}, {"aws_compute"}))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def without(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}


def test_a_sound_catalogue_has_no_problem() -> None:
    assert told() == []
    assert list(monitoring_problems({}, {"aws_compute"})) == []


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (without(CPU, "metric"), "watches nothing"),
        ({**CPU, "all_of": ["web-cpu"]}, "watches metric and all_of"),
        ({**CPU, "layer": "aws_compte"}, "belongs to the layer aws_compte, which is no role"),
        ({**BOTH, "all_of": ["cpu"]}, "goes by the alarm cpu, which is not there"),
        (without(CPU, "threshold"), "has no threshold or two"),
        ({**BAND, "threshold": 1.0}, "has no threshold or two"),
        ({**BAND, "threshold_metric_id": "ban"}, "compares with ban, which is none of its metrics"),
        (without(CPU, "comparison"), "has no comparison"),
        (without(CPU, "evaluation_periods"), "has no evaluation_periods"),
        ({**CPU, "datapoints_to_alarm": 3}, "wants more bad periods than it looks at"),
        (without(CPU, "of"), "has only one of a list 'of' and a dimension '*'"),
        ({**CPU, "metric": {**METRIC, "dimensions": {"AutoScalingGroupName": "web"}}}, "has only one of a list 'of' and a dimension '*'"),
        ({**CPU, "metric": {**METRIC, "period_seconds": 45}}, "has a period of 45 seconds"),
        ({**CPU, "metric": {**METRIC, "period_seconds": 90}}, "has a period of 90 seconds"),
        ({**CPU, "metric": {**METRIC, "period_seconds": 3600}, "evaluation_periods": 30}, "looks back 108000 seconds"),
    ],
)
def test_an_alarm_that_cannot_work_is_named(alarm: dict[str, Any], words: str) -> None:
    others = [one for one in (CPU, BAND) if one["name"] != alarm["name"]]

    (problem,) = told(aws_monitoring_alarms=[alarm, *others], aws_monitoring_dashboards=[])

    assert problem[0] == "aws_monitoring_alarms"
    assert f"alarm {alarm['name']}, which {words}" in problem[1]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_monitoring_alarms", [CPU, BAND, BOTH, {**BAND, "name": "web-cpu"}], "2 alarms called web-cpu"),
        ("aws_monitoring_log_retention_days", 45, "for 45 days, which CloudWatch Logs does not know"),
        ("aws_network_flow_log_retention_days", 366, "for 366 days"),
        ("aws_monitoring_log_groups", [{"name": GROUP, "retention_days": 0}], "for 0 days"),
        (
            "aws_monitoring_metric_filters",
            [{"name": "errors", "log_group": "/x", "metric": "Errors"}],
            "log group /x, which nobody declares",
        ),
        (
            "aws_monitoring_log_queries",
            [{"name": "app/x", "log_groups": ["/x"], "query": "x"}],
            "query app/x to the log group /x, which nobody",
        ),
        ("aws_monitoring_log_queries", [{"name": "app/x", "log_groups": [], "query": "x"}], "query app/x, which asks no log group"),
        ("aws_monitoring_log_queries", [{"name": "app/x", "log_groups": [GROUP], "query": "x"}] * 2, "2 queries called app/x"),
        ("aws_monitoring_events", [{**EVENT, "also": ["secrity"]}], "to secrity, which is no topic"),
        ("aws_monitoring_events", [{**EVENT, "event_pattern": {}}], "takes every event"),
        ("aws_monitoring_events", [{**EVENT, "event_pattern": {"source": "aws.rds"}}], "compares source with what is no list"),
        ("aws_monitoring_subscriptions", {"high": [{"protocol": "email", "endpoint": "ops"}]}, "no address for email"),
        ("aws_monitoring_subscriptions", {"high": [{"protocol": "https", "endpoint": "http://x"}]}, "no address for https"),
    ],
)
def test_what_does_not_fit_together_is_told(variable: str, value: Any, words: str) -> None:
    (problem,) = told(**{variable: value})

    assert problem[0] == variable
    assert words in problem[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alarms": ["web-cpu"]}, "shows web-cpu, and the catalogue has no such entry"),
        ({"alarms": ["cpu"], "layer": "aws_cache"}, "shows cpu, and the catalogue has no such entry"),
        ({"kind": "alarms"}, "has only one of the kind 'alarms' and severities"),
        ({"severities": ["high"]}, "has only one of the kind 'alarms' and severities"),
        ({"alarms": [], "prometheus": []}, "shows nothing"),
        ({"layer": "aws_compte", "alarms": []}, "belongs to the layer aws_compte, which is no role"),
        ({"layer": None}, "does not say whose metrics it shows"),
        ({"prometheus": [{"expression": "rate(node_cpu[5m])"}]}, "shows node_cpu, which nothing exposes or publishes"),
        ({"metrics": [{"metric": {**ERRORS, "name": "Error"}}]}, "shows indivillage/staging Error, which nothing exposes or publishes"),
        ({"metrics": [{"metric": {"namespace": "AWS/EC2", "name": "Cpu"}}]}, "shows AWS/EC2 Cpu, which nothing exposes or publishes"),
        ({"metrics": [{"id": "a", "metric": ERRORS}, {"id": "a", "expression": "1"}]}, "has two queries called a"),
        ({"limits": [BELOW]}, "has lines above which it is bad and lines below which it is"),
    ],
)
def test_a_panel_that_cannot_show_what_it_says_is_named(changes: dict[str, Any], words: str) -> None:
    found = list(
        monitoring_problems({**VALUES, "aws_monitoring_dashboards": [dashboard({**PANEL, **changes})]}, {"aws_compute", "aws_cache"})
    )

    assert [problem.variable for problem in found] == ["aws_monitoring_dashboards"]
    assert "the dashboard main, whose panel 'Busy'" in found[0].text
    assert words in found[0].text
    assert found[0].fix


def test_a_filter_may_count_in_a_log_group_of_another_role() -> None:
    elsewhere = {"name": "errors", "log_group": "/aws/cloudtrail/x", "pattern": "x", "metric": "Errors", "layer": "aws_audit"}
    assert told(aws_monitoring_metric_filters=[elsewhere]) == []
