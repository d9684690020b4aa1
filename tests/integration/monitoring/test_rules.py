# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of each environment, judged by promtool: they are sound, fire when they must and are silent when they must."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import prometheus_rules

from scripts.pages.inventory import ENVIRONMENTS
from tests.support.monitoring_tools import alerting, run, write

CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("rules.yml").read_text(encoding="utf-8"))


@cache
def rules(environment: str, interval_seconds: int = 60) -> dict[str, Any]:
    said = alerting(environment)
    of_it = (said[name] for name in ("prometheus_alerts", "prometheus_slos", "alertmanager_routes", "prometheus_runbook_url"))
    return prometheus_rules(*of_it, interval_seconds)


def alerts(environment: str) -> list[tuple[str, str]]:
    """Name and severity of every alert; those over others have the severity that they watch."""
    found = [rule for group in rules(environment)["groups"] for rule in group["rules"] if "alert" in rule]
    return [(rule["alert"], rule["labels"].get("severity") or rule["labels"]["escalation"]) for rule in found]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_promtool_accepts_them(environment: str, tmp_path: Path) -> None:
    result = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", write(tmp_path / "rules.yml", rules(environment)))

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"SUCCESS: {sum(len(group['rules']) for group in rules(environment)['groups'])} rules found" in result.stdout


def test_every_rule_has_a_case() -> None:
    assert sorted(alerts("production")) == sorted((name.partition(" ")[0], case["severity"]) for name, case in CASES.items())


def interval(case: dict[str, Any]) -> str:
    """Between two samples, and between two evaluations."""
    return str(case.get("every", "1m"))


def checks(name: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    """What promtool has to find: fired at its time, not earlier, and never where the series are good."""
    alert, severity = name.partition(" ")[0], case["severity"]
    firing = f'count by (alertname, severity) (ALERTS{{alertname="{alert}", severity="{severity}", alertstate="firing"}})'
    fired = [{"labels": f'{{alertname="{alert}", severity="{severity}"}}', "value": 1}]

    def group(kind: str, series: dict[str, str], expected: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        return {
            "name": f"{name}: {kind}",
            "interval": interval(case),
            "input_series": [{"series": one, "values": str(values)} for one, values in series.items()],
            "promql_expr_test": [{"expr": firing, "eval_time": time, "exp_samples": samples} for time, samples in expected.items()],
        }

    return [
        group("fires", case["bad"], {case["after"]: [], case["at"]: fired}),
        group("is silent", case["good"], {case["after"]: [], case["at"]: []}),
    ]


def judged(found: dict[str, Any], name: str, folder: Path) -> str:
    """What promtool says of a case, with the groups that have its alert; empty when all is well."""
    groups = [group for group in found["groups"] if name.partition(" ")[0] in {rule.get("alert") for rule in group["rules"]}]
    write(folder / "rules.yml", {"groups": groups})
    every = interval(CASES[name])
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": checks(name, CASES[name])}
    result = run("promtool", "test", "rules", write(folder / "tests.yml", tests))
    return "" if result.returncode == 0 else result.stdout + result.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_when_it_must_and_is_silent_when_it_must(name: str, tmp_path: Path) -> None:
    minutes = int(interval(CASES[name]).removesuffix("m"))
    assert judged(rules("production", 60 * minutes), name, tmp_path) == ""


@pytest.mark.parametrize(
    ("probed", "woken"),
    [
        pytest.param("1x7 0+0x1 1x120", 0, id="one probe failed, of a monitoring host that has run for four minutes"),
        pytest.param("1x400 0+0x1 1x120", 0, id="one probe failed"),
        pytest.param("1x400 0+0x3 1x120", 1, id="two probes failed"),
    ],
)
@pytest.mark.parametrize("kind", ["site", "api"])
def test_one_probe_that_failed_wakes_nobody(kind: str, probed: str, woken: int, tmp_path: Path) -> None:
    """A probe a minute, and what it told at both evaluations of that minute."""
    (group,) = (group for group in rules("production", 30)["groups"] if group["name"] == f"slo-{kind}-availability")
    write(tmp_path / "rules.yml", {"groups": [group]})
    known = {"series": f'probe_success{{probe="{kind}",instance="p"}}', "values": probed}
    fired = 'count(max_over_time(ALERTS{alertstate="firing",severity="critical"}[5h])) or vector(0)'
    test = {"interval": "30s", "input_series": [known]}
    test["promql_expr_test"] = [{"expr": fired, "eval_time": "260m", "exp_samples": [{"labels": "{}", "value": woken}]}]
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": [test]}
    result = run("promtool", "test", "rules", write(tmp_path / "tests.yml", tests))
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_cases_notice_a_threshold_that_moves(tmp_path: Path) -> None:
    """A threshold a tenth off, or a time a fifth longer, is caught: the cases are no formality."""
    found = rules("production")
    memory = next(rule for group in found["groups"] for rule in group["rules"] if rule.get("alert") == "host-memory")
    for key, value in (
        ("expr", memory["expr"].replace("> 85", "> 93.5")),
        ("expr", memory["expr"].replace("> 85", "> 76.5")),
        ("for", "720s"),
    ):
        kept, memory[key] = memory[key], value
        assert "host-memory" in judged(found, "host-memory", tmp_path)
        memory[key] = kept
