# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the entries of the catalogue of alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import MonitoringError, cloudwatch_alarms

BALANCED = {"namespace": "AWS/ApplicationELB", "name": "HTTPCode_Target_5XX_Count", "dimensions": {"LoadBalancer": "*"}, "statistic": "Sum"}
CATALOGUE: list[dict[str, Any]] = [
    {"name": "down", "layer": "aws_compute", "severity": "critical", "description": "All", "any_of": ["web-cpu", "app-cpu"]},
    {
        **{"name": "cpu", "of": ["web", "app"], "layer": "aws_compute", "severity": "high", "description": "Busy"},
        "metric": {"namespace": "AWS/EC2", "name": "CPUUtilization", "dimensions": {"AutoScalingGroupName": "*"}},
        **{"comparison": "GreaterThanThreshold", "threshold": 80, "evaluation_periods": 2},
    },
    {
        **{"name": "share", "of": ["public"], "layer": "aws_load_balancing", "severity": "high", "description": "Errors"},
        "metrics": [{"id": "errors", "metric": BALANCED, "return_data": False}, {"id": "share", "expression": "errors * 2", "label": "x"}],
        **{"comparison": "GreaterThanThreshold", "threshold": 5, "evaluation_periods": 1},
    },
]
NAMES = {"LoadBalancer": {"public": "app/p-public/1a2b"}}


def stack(layers: Sequence[str], names: dict[str, dict[str, str]] = NAMES, kind: str = "primary") -> dict[str, Any]:
    return {"kind": kind, "layers": layers, "prefix": "p", "names": names}


def made(*layers: str) -> dict[str, dict[str, Any]]:
    return {alarm["name"]: alarm for alarm in cloudwatch_alarms(CATALOGUE, stack(layers))}


def test_an_entry_becomes_an_alarm_for_each_thing_that_it_watches() -> None:
    alarms = made("aws_compute")

    assert list(alarms) == ["p-web-cpu", "p-app-cpu", "p-down"], "those over others come last"
    assert alarms["p-web-cpu"]["arguments"]["metric"]["dimensions"] == {"AutoScalingGroupName": "p-web"}
    assert alarms["p-app-cpu"]["severity"] == "high"
    assert alarms["p-down"]["arguments"]["rule"] == 'ALARM("p-web-cpu") OR ALARM("p-app-cpu")'


def test_dimensions_with_names_of_aws_are_looked_up() -> None:
    (alarm,) = made("aws_load_balancing").values()

    errors, share = alarm["arguments"]["metrics"]
    assert errors["metric"]["dimensions"] == {"LoadBalancer": "app/p-public/1a2b"}
    assert share["expression"] == "errors * 2"


def test_what_does_not_exist_is_told() -> None:
    with pytest.raises(MonitoringError, match="share watches the LoadBalancer public; there are only: internal"):
        cloudwatch_alarms(CATALOGUE, stack(["aws_load_balancing"], {"LoadBalancer": {"internal": "app/p-internal/1"}}))


def test_an_entry_of_one_kind_of_stack_is_left_out_in_the_other() -> None:
    catalogue = [{**CATALOGUE[1], "stacks": ["primary"]}]
    assert len(cloudwatch_alarms(catalogue, stack(["aws_compute"]))) == 2
    assert cloudwatch_alarms(catalogue, stack(["aws_compute"], kind="dr")) == []
