# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a declared dashboard, in CloudWatch and in Grafana."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.dashboards import cloudwatch_dashboard, grafana_dashboard, steps

REQUESTS = {"namespace": "AWS/ApplicationELB", "name": "RequestCount", "dimensions": {"LoadBalancer": "public"}, "statistic": "Sum"}
CATALOGUE: list[dict[str, Any]] = [
    {
        **{"name": "cpu", "of": ["web", "app"], "layer": "aws_compute", "severity": "high", "description": "Busy"},
        "metric": {"namespace": "AWS/EC2", "name": "CPUUtilization", "dimensions": {"AutoScalingGroupName": "*"}},
        **{"comparison": "GreaterThanThreshold", "threshold": 80, "evaluation_periods": 2},
    },
    {
        **{"name": "cpu", "of": ["cache"], "layer": "aws_cache", "severity": "high", "description": "Busy"},
        "metric": {"namespace": "AWS/ElastiCache", "name": "EngineCPUUtilization", "dimensions": {"CacheClusterId": "*"}},
        **{"comparison": "GreaterThanThreshold", "threshold": 70, "evaluation_periods": 2},
    },
    {
        **{"name": "page-slow", "layer": "aws_load_balancing", "severity": "medium", "description": "Slow"},
        "prometheus": {"expression": "probe_duration_seconds\n  > 0"},
        **{"comparison": "GreaterThanThreshold", "threshold": 3},
    },
]
CPU = {"title": "Processors", "kind": "graph", "layer": "aws_compute", "unit": "percent", "alarms": ["cpu"]}
SHARE = {
    **{"title": "Answered", "kind": "gauge", "layer": "aws_load_balancing", "unit": "percent", "days": 14},
    "metrics": [{"id": "requests", "metric": REQUESTS, "return_data": False}, {"id": "share", "expression": "requests * 2", "label": "x"}],
    "limits": [{"label": "promised", "value": 99.9, "comparison": "LessThanThreshold", "severity": "high"}],
}
SLOW = {"title": "Slow", "kind": "graph", "unit": "seconds", "alarms": ["page-slow"]}
RINGING = {"title": "Wrong now", "kind": "alarms", "severities": ["high", "medium"]}
NAMES = {"LoadBalancer": {"public": "app/p-staging-public/1a2b"}}


def declared(*sections: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    parts = [{"title": title, "panels": panels} for title, panels in sections]
    return {"name": "main", "title": "Main", "description": "All of it", "sections": parts}


def widgets(*panels: dict[str, Any], layers: tuple[str, ...] = ("aws_compute", "aws_cache", "aws_load_balancing")) -> list[dict[str, Any]]:
    stack = {
        "kind": "primary",
        "layers": layers,
        "prefix": "p-staging",
        "names": NAMES,
        "region": "us-east-1",
        "account_id": "123456789012",
    }
    found: list[dict[str, Any]] = cloudwatch_dashboard(declared(("One", list(panels))), CATALOGUE, stack)["widgets"]
    return found


def grafana(*panels: dict[str, Any]) -> dict[str, Any]:
    return grafana_dashboard(declared(("One", list(panels))), CATALOGUE, "p-staging", "staging", "us-east-1")


# --- CloudWatch ---


def test_a_panel_shows_what_alarms_of_its_layer_watch_with_the_line_at_which_they_go_off() -> None:
    heading, widget = widgets(CPU)

    drawn = {"stat": "Average", "period": 300}
    assert heading["properties"] == {"markdown": "## One"}
    assert widget["properties"]["metrics"] == [
        ["AWS/EC2", "CPUUtilization", "AutoScalingGroupName", f"p-staging-{tier}", drawn] for tier in ("web", "app")
    ]
    assert widget["properties"]["annotations"] == {"horizontal": [{"label": "high", "value": 80.0}]}


def test_expressions_limits_and_times_are_aws_s() -> None:
    _heading, widget = widgets(SHARE)

    requests, share = widget["properties"].pop("metrics")
    hidden = {"stat": "Sum", "period": 300, "id": "requests", "visible": False}
    assert requests == ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", "app/p-staging-public/1a2b", hidden]
    assert share == [{"expression": "requests * 2", "id": "share", "label": "x"}]
    assert widget["properties"] == {
        **{"title": "Answered", "region": "us-east-1", "view": "gauge", "yAxis": {"left": {"min": 0, "max": 100}}},
        **{"annotations": {"horizontal": [{"label": "promised", "value": 99.9}]}, "start": "-P14D", "end": "P0D"},
    }


def test_alarms_are_listed_by_severity_and_those_of_prometheus_are_not_cloudwatch_s() -> None:
    _heading, widget = widgets(RINGING)

    assert widget["type"] == "alarm"
    assert widget["properties"]["alarms"] == [
        f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:p-staging-{name}" for name in ("web-cpu", "app-cpu", "cache-cpu")
    ]


def test_what_the_stack_does_not_have_and_what_only_prometheus_measures_leaves_no_hole() -> None:
    found = widgets(SLOW, SHARE, CPU, RINGING, layers=("aws_compute",))

    assert [(one["x"], one["y"]) for one in found] == [(0, 0), (0, 1), (8, 1)]
    assert widgets(SLOW, SHARE, layers=("aws_compute",)) == []


# --- Grafana ---


def test_a_panel_asks_prometheus_where_it_measures_and_cloudwatch_otherwise() -> None:
    _row, slow, cpu = grafana(SLOW, CPU)["panels"]

    assert slow["targets"][0]["expr"] == "probe_duration_seconds > 0"
    assert slow["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert slow["fieldConfig"]["defaults"]["unit"] == "s"
    assert [target["dimensions"] for target in cpu["targets"]] == [
        {"AutoScalingGroupName": f"p-${{environment}}-{tier}"} for tier in ("web", "app")
    ]
    assert cpu["datasource"] == {"type": "cloudwatch", "uid": "${cloudwatch}"}


def test_sources_and_the_environment_are_variables_and_names_that_aws_made_up_are_found() -> None:
    found = grafana(SHARE)
    variables = {one["name"]: one for one in found["templating"]["list"]}

    assert list(variables) == ["environment", "datasource", "cloudwatch", "loadbalancer_public"]
    assert variables["environment"]["current"]["value"] == "staging"
    assert variables["datasource"]["regex"] == "/^Prometheus ${environment}$/"
    assert variables["loadbalancer_public"]["regex"] == "/^app\\/p-${environment}-public\\//"
    assert found["panels"][1]["targets"][0]["dimensions"] == {"LoadBalancer": "${loadbalancer_public}"}
    assert [target["hide"] for target in found["panels"][1]["targets"]] == [True, False]
    assert found["panels"][1]["timeFrom"] == "14d"


def test_alarms_that_ring_are_a_table() -> None:
    _row, panel = grafana(RINGING)["panels"]

    assert panel["type"] == "table"
    assert panel["targets"][0]["expr"] == 'ALERTS{alertstate="firing", severity=~"high|medium"}'
    assert panel["targets"][0]["format"] == "table"


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("GreaterThanThreshold", [("green", None), ("yellow", 3.0), ("orange", 5.0)]),
        ("LessThanThreshold", [("yellow", None), ("orange", 3.0), ("green", 5.0)]),
    ],
)
def test_colours_go_by_the_side_on_which_values_are_bad(comparison: str, expected: list[tuple[str, float | None]]) -> None:
    lines = [{"value": 5.0, "severity": "high", "comparison": comparison}, {"value": 3.0, "severity": "medium", "comparison": comparison}]
    assert [(step["color"], step["value"]) for step in steps(lines)] == expected
    assert steps([]) == [{"color": "green", "value": None}]
