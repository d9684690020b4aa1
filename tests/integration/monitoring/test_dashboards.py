# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels ask Prometheus is what Prometheus understands."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.dashboards import grafana_dashboard

from scripts.pages.inventory import stacks
from tests.support.monitoring_tools import run, write


@pytest.mark.parametrize("environment", ["development", "staging", "production"])
def test_promtool_accepts_every_expression(environment: str, tmp_path: Path) -> None:
    stack = next(stack for stack in stacks(environment) if stack.kind == "primary")
    expressions = [
        target["expr"]
        for dashboard in stack.value("aws_monitoring_dashboards")
        for panel in grafana_dashboard(dashboard, stack.value("aws_monitoring_alarms"), "p", environment, stack.region)["panels"]
        for target in panel.get("targets", [])
        if "expr" in target
    ]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(dict.fromkeys(expressions))]

    result = run("promtool", "check", "rules", write(tmp_path / "rules.yml", {"groups": [{"name": "panels", "rules": rules}]}))

    assert len(rules) > 25
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"SUCCESS: {len(rules)} rules found" in result.stdout
