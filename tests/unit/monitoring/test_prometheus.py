# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the catalogue's entries and of objectives in Prometheus' rules."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import MonitoringError
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import metrics_of, number, prometheus_rules

MEMORY: dict[str, Any] = {
    **{"name": "memory", "layer": "aws_compute", "severity": "high", "owner": "platform", "description": "Little memory"},
    "prometheus": {"expression": "100 * (1 - node_memory_MemAvailable_bytes\n  / node_memory_MemTotal_bytes)", "minutes": 10},
    **{"comparison": "GreaterThanThreshold", "threshold": 85},
}
BOTH: dict[str, Any] = {
    **{"name": "cpu", "layer": "aws_compute", "severity": "high", "owner": "platform", "description": "Busy", "runbook": "host-cpu"},
    "metric": {"namespace": "AWS/EC2", "name": "CPUUtilization", "period_seconds": 60},
    "prometheus": {"expression": "avg(rate(node_cpu_seconds_total[5m]))"},
    **{"comparison": "LessThanOrEqualToThreshold", "threshold": 21474836480, "evaluation_periods": 3, "slo": "site"},
}
SLO: dict[str, Any] = {
    **{"name": "site", "owner": "platform", "description": "Pages answer", "objective": 99.9},
    "bad": '1 - avg(probe_success{probe="site"})',
}


def rules(catalogue: list[dict[str, Any]], *slos: dict[str, Any], routes: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    groups = prometheus_rules(catalogue, slos, routes or {}, "https://example.com/runbooks/", 30)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_an_entry_becomes_an_alert_with_its_threshold_time_and_page() -> None:
    assert rules([MEMORY]) == [
        {
            "alert": "memory",
            "expr": "(100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) > 85",
            "for": "600s",
            "labels": {"severity": "high", "owner": "platform"},
            "annotations": {"summary": "Little memory", "runbook_url": "https://example.com/runbooks/memory.md"},
        }
    ]


def test_what_cloudwatch_watches_too_waits_as_long_as_there() -> None:
    (rule,) = rules([BOTH])

    assert rule["expr"] == "(avg(rate(node_cpu_seconds_total[5m]))) <= 21474836480"
    assert rule["for"] == "180s"
    assert rule["labels"]["slo"] == "site"
    assert rule["annotations"]["runbook_url"] == "https://example.com/runbooks/host-cpu.md"


def test_what_only_cloudwatch_watches_is_no_rule() -> None:
    assert rules([{key: value for key, value in BOTH.items() if key != "prometheus"}]) == []


def test_an_objective_becomes_its_ratio_its_averages_and_an_alert_for_each_severity() -> None:
    found = rules([], SLO)

    assert found[0] == {"record": "slo:error_ratio", "expr": SLO["bad"], "labels": {"slo": "site"}}
    windows = {rule["record"].removeprefix("slo:error_ratio:"): rule["expr"] for rule in found[1:] if "record" in rule}
    assert set(windows) == {"5m", "30m", "1h", "2h", "6h", "1d", "3d"}
    assert windows["3d"] == 'sum_over_time(slo:error_ratio{slo="site"}[3d]) / 8640'
    burns = {rule["labels"]["severity"]: rule["expr"] for rule in found if "alert" in rule}
    assert burns["critical"] == 'slo:error_ratio:1h{slo="site"} > 0.0144 and slo:error_ratio:5m{slo="site"} > 0.0144'
    assert list(burns) == ["critical", "high", "medium", "low"]


@pytest.mark.parametrize(("objective", "severities"), [(95, 4), (90, 3), (70, 2), (50, 1)])
def test_a_budget_that_cannot_burn_so_fast_gets_no_alert_that_never_fires(objective: float, severities: int) -> None:
    burns = [rule for rule in rules([], {**SLO, "objective": objective}) if "alert" in rule]

    assert len(burns) == severities
    assert all(float(rule["expr"].rpartition("> ")[2]) < 1 for rule in burns)


def test_only_severities_that_say_so_escalate() -> None:
    (rule,) = rules([], routes={"high": {"channels": [], "unresolved": {"minutes": 90, "channels": []}}, "low": {"channels": []}})

    assert (rule["alert"], rule["for"], rule["labels"]) == ("unresolved", "5400s", {"escalation": "high"})
    assert 'severity="high", escalation=""' in rule["expr"]


@pytest.mark.parametrize(
    ("catalogue", "slos", "words"),
    [
        (
            [{**MEMORY, "prometheus": {"expression": "node_memory_Free", "minutes": 1}}],
            [],
            "memory watches node_memory_Free, which nothing",
        ),
        ([{**MEMORY, "threshold": None}], [], "memory has no threshold that Prometheus can compare with"),
        ([{**MEMORY, "comparison": "GreaterThanUpperThreshold"}], [], "memory has no threshold that Prometheus can compare with"),
        ([], [{**SLO, "bad": "1 - avg(probe_sucess)"}], "objective site watches probe_sucess"),
    ],
)
def test_a_rule_that_could_never_fire_is_refused(catalogue: list[dict[str, Any]], slos: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(MonitoringError, match=words):
        rules(catalogue, *slos)


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ("up", {"up"}),
        ('avg without (cpu, mode) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', {"node_cpu_seconds_total"}),
        ('a{x="b}c", y=~"d|e"} / on (x) group_left (z) f offset 5m', {"a", "f"}),
        ("sum by (region) (slo:error_ratio:5m > bool 0.5) unless b == 1e3", {"slo:error_ratio:5m", "b"}),
        ('label_replace(c, "new", "$1", "old", "(.*)") or avg_over_time(d[1h:5m])', {"c", "d"}),
        ("time() - e", {"e"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, metrics: set[str]) -> None:
    assert metrics_of(expression) == metrics


def test_numbers_are_written_as_people_do() -> None:
    assert [number(value) for value in (80, 80.0, 0.1, 5 * 1024**4, 14.4 * 0.001)] == ["80", "80", "0.1", "5497558138880", "0.0144"]
