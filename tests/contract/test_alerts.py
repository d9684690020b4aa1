# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert leads to a page that helps, and every page belongs to an alert."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import runbook_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_alerting import alerting_problems

from scripts.pages.inventory import ENVIRONMENTS, ROOT, Stack, stacks

PAGES = sorted((ROOT / "docs/runbooks").glob("*.md"))
PARTS = ["What it means", "How to see it", "What to do", "How to undo it"]
OF_OBJECTIVES = "slo-burns"


def primary(environment: str) -> Stack:
    return next(stack for stack in stacks(environment) if stack.kind == "primary")


def test_every_page_belongs_to_an_alert_and_every_alert_has_its_page() -> None:
    alarms = primary("production").value("prometheus_alerts")
    assert len(alarms) > 30
    assert {page.stem for page in PAGES} == {runbook_of(alarm) for alarm in alarms} | {OF_OBJECTIVES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_helps_at_night(page: Path) -> None:
    text = page.read_text()
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)

    assert parts[1::2] == PARTS
    assert all(part.strip() for part in parts[2::2])
    assert len(text.split()) < 260, "too long to read at night"
    for name in re.findall(r"playbooks/[a-z_]+\.yml", text):
        assert (ROOT / name).is_file(), name
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / link).is_file(), link


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_alert_of_an_environment_leads_nowhere(environment: str) -> None:
    stack = primary(environment)
    values = stack.options["prometheus"] | stack.options["alertmanager"] | stack.options.get("aws_monitoring", {})
    values["aws_monitoring_alarms"] = values["prometheus_alerts"]
    values.setdefault("aws_monitoring_metric_filters", primary("production").value("aws_monitoring_metric_filters"))
    assert [str(problem) for problem in alerting_problems(values)] == []
