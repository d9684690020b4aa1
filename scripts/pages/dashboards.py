# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/dashboards.md: what each dashboard shows, from where, and with which lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.dashboards import expressions, limits, watched
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import is_of_cloudwatch
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import number

from scripts.pages.environments import REAL
from scripts.pages.inventory import stacks

HEAD = """\
# Dashboards

Made from the declaration (`inventories/_base/group_vars/dashboards.yml`) by `python -m scripts.pages`; do not edit. CloudWatch has
them as `<prefix>-<name>` (`-dr` in the standby's region), with what it measures itself; Grafana, where there is one, has all of it. Lines
stand as development / staging / production where they differ; those of alarms are the thresholds of the [alerts](alerts.md).

The pictures are what `make pictures` drew of Grafana's on a running sandbox, with its Prometheus' own values. It has no CloudWatch.
"""
COMPARED = {"Greater": ">", "Less": "<"}


def page() -> str:
    """The whole page."""
    said = [_said(environment) for environment in REAL]
    lines = [HEAD]
    for index, dashboard in enumerate(said[-1]["aws_monitoring_dashboards"]):
        lines += [f"\n## {dashboard['title']} (`{dashboard['name']}`)\n", f"{dashboard['description']}.\n"]
        lines += [f"![{dashboard['title']}](pictures/{dashboard['name']}.svg)\n"]
        lines += ["| | panel | kind | alarms | CloudWatch | Prometheus | bad |", "|---|---|---|---|---|---|---|"]
        lines += _rows(index, said)
    return "\n".join(lines) + "\n"


def _said(environment: str) -> dict[str, Any]:
    stack = next(stack for stack in stacks(environment) if stack.kind == "primary")
    found: dict[str, Any] = json.loads(json.dumps(stack.options["aws_monitoring"], default=str))
    return found


def _rows(index: int, said: list[dict[str, Any]]) -> Iterator[str]:
    sections = [one["aws_monitoring_dashboards"][index]["sections"] for one in said]
    for part, section in enumerate(sections[-1]):
        for place, panel in enumerate(section["panels"]):
            everywhere = [(one[part]["panels"][place], values["aws_monitoring_alarms"]) for one, values in zip(sections, said, strict=True)]
            cells = ["" if place else section["title"], panel["title"], panel["kind"], *_shown(panel, said[-1]), _lines(everywhere)]
            yield f"| {' | '.join(cells)} |"


def _shown(panel: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[str]:
    """Which alarms' values it shows, and whether each of the two can."""
    catalogue = said["aws_monitoring_alarms"]
    yield ", ".join(panel.get("alarms") or panel.get("severities") or [])
    cloudwatch = panel["kind"] == "alarms" or panel.get("metrics") or any(is_of_cloudwatch(entry) for entry in watched(panel, catalogue))
    yield "yes" if cloudwatch else ""
    yield "yes" if expressions(panel, catalogue) else ""


def _lines(everywhere: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]) -> str:
    found = [limits(panel, catalogue) for panel, catalogue in everywhere]
    told = []
    for same in zip(*found, strict=True):
        sign = next(sign for word, sign in COMPARED.items() if same[0]["comparison"].startswith(word))
        values = dict.fromkeys(number(one["value"]) for one in same)
        told.append(f"{sign} {' / '.join(values)} ({same[0]['label']})")
    return ", ".join(dict.fromkeys(told))
