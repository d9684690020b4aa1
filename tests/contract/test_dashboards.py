# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards are those that both of their readers take, and everything on them is measured by something that is configured."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.dashboards import (
    COLUMNS,
    cloudwatch_dashboard,
    grafana_dashboard,
    panels_of,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_monitoring import monitoring_problems

from scripts.pages.inventory import ROOT, Stack, stacks

WATCHED = [stack for name in ("development", "staging", "production") for stack in stacks(name) if "aws_monitoring" in stack.layers]
ROLES = {path.name for path in (ROOT / "roles").iterdir()}
METRICS = yaml.safe_load((ROOT / "plugins/plugin_utils/metrics.yml").read_text())
NAMES = {
    "LoadBalancer": {name: f"app/{name}/1a2b" for name in ("public", "internal")},
    "TargetGroup": {name: f"targetgroup/{name}/1a2b" for name in ("web", "app")},
    "Region": {"here": "us-east-1"},
}
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
PROPERTIES = {
    "text": {"markdown"},
    "alarm": {"title", "alarms", "sortBy", "states"},
    "metric": {"title", "region", "view", "metrics", "yAxis", "annotations", "start", "end"},
}
LINE = {"stat", "period", "id", "label", "visible", "expression"}


def options(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(stack.options["aws_monitoring"], default=str))
    return found


def by_stack(function: Any) -> Any:
    return pytest.mark.parametrize("stack", WATCHED, ids=lambda stack: stack.name)(function)


@by_stack
def test_everything_that_panels_show_is_measured(stack: Stack) -> None:
    assert [str(problem) for problem in monitoring_problems(options(stack), ROLES)] == []


def test_no_metric_is_listed_that_nobody_looks_at() -> None:
    """The list is what tests ask real programs for, and not a copy of their documentation."""
    said = options(WATCHED[0])
    text = json.dumps([said["aws_monitoring_dashboards"], said["aws_monitoring_alarms"]])
    text += (ROOT / "inventories/_base/group_vars/alerting.yml").read_text()
    sources = {**METRICS["prometheus"], **METRICS["cloudwatch"], "agent": METRICS["agent"]}
    named = set(re.findall(r"[\w:]+", text))
    assert [name for names in sources.values() for name in names if name not in named] == []


def test_what_the_agent_is_said_to_measure_it_is_told_to_measure() -> None:
    defaults = yaml.safe_load((ROOT / "roles/cloudwatch_agent/defaults/main.yml").read_text())
    told = {f"{kind}_{one}" for kind, part in defaults["cloudwatch_agent_metrics"].items() for one in part["measurement"]}
    assert set(METRICS["agent"]) <= told


@by_stack
def test_cloudwatch_takes_them(stack: Stack) -> None:
    said = options(stack)
    drawn_for = {
        "kind": stack.kind,
        "layers": stack.layers,
        "prefix": "p",
        "names": NAMES,
        "region": stack.region,
        "account_id": "123456789012",
    }
    bodies = [
        cloudwatch_dashboard(one, said["aws_monitoring_alarms"], drawn_for)
        for one in said["aws_monitoring_dashboards"]
        if stack.kind in one.get("stacks", [stack.kind])
    ]

    assert any(body["widgets"] for body in bodies)
    for widget in (widget for body in bodies for widget in body["widgets"]):
        assert widget["x"] + widget["width"] <= COLUMNS
        assert set(widget["properties"]) <= PROPERTIES[widget["type"]]
        if widget["type"] == "alarm":
            assert 0 < len(widget["properties"]["alarms"]) <= 100
        if widget["type"] == "metric":
            _check_lines(widget["properties"]["metrics"])
    for body in bodies:
        places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
        assert len(places) == len(set(places))
        assert len(body["widgets"]) <= 500
        assert "*" not in re.findall(r'"(\*)"', json.dumps(body)), "a dimension that nobody has filled"


def _check_lines(lines: list[list[Any]]) -> None:
    ids = [line[-1]["id"] for line in lines if "id" in line[-1]]
    assert len(ids) == len(set(ids))
    assert any(line[-1].get("visible", True) for line in lines)
    for line in lines:
        assert set(line[-1]) <= LINE
        assert len(line) == 1 or (len(line) % 2 and all(isinstance(part, str) for part in line[:-1]))
        if len(line) == 1:
            words = set(re.findall(r"\b[a-z]\w*", line[0]["expression"]))
            assert words <= set(ids), line


@by_stack
def test_grafana_takes_them(stack: Stack) -> None:
    said = options(stack)
    for dashboard in said["aws_monitoring_dashboards"]:
        made = grafana_dashboard(
            dashboard, said["aws_monitoring_alarms"], f"indivillage-{stack.environment}", stack.environment, stack.region
        )

        variables = {one["name"] for one in made["templating"]["list"]}
        assert {"environment", "datasource", "cloudwatch"} <= variables
        assert set(re.findall(r"\$\{(\w+)\}", json.dumps(made))) <= variables
        left_out = {panel["title"] for panel in panels_of(dashboard)} - {panel["title"] for panel in made["panels"]}
        assert left_out <= {"Replicas behind"}, "there are none everywhere"
        assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
        places = [tuple(panel["gridPos"].values())[:2] for panel in made["panels"]]
        assert len(places) == len(set(places))
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS for panel in made["panels"])
        for panel in (panel for panel in made["panels"] if panel["type"] != "row"):
            assert panel["targets"], panel["title"]
            refs = [target["refId"] for target in panel["targets"]]
            assert len(refs) == len(set(refs))
            assert all(target["datasource"]["uid"] in ("${datasource}", "${cloudwatch}") for target in panel["targets"])
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None


def test_thresholds_are_each_environment_s_own() -> None:
    lines = {}
    for stack in (stack for stack in WATCHED if stack.kind == "primary"):
        said = options(stack)
        operations = next(one for one in said["aws_monitoring_dashboards"] if one["name"] == "operations")
        made = grafana_dashboard(operations, said["aws_monitoring_alarms"], "p", stack.environment, stack.region)
        panel = next(panel for panel in made["panels"] if panel["title"] == "Connections of the database")
        lines[stack.environment] = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
    assert lines == {"development": 80, "staging": 150, "production": 200}
