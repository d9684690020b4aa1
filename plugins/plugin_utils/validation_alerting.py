# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of alerts that no type shows: metrics that nothing exposes, pages that are not there, ways that lead to nobody.

The variables that are given have the types that their roles declare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.alertmanager import route_faults
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import metrics_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import (
    COMPARISONS,
    alert_names,
    is_published,
    runbook_of,
    unknown_metrics,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

Entry = Mapping[str, Any]

ALARMS, SLOS, ROUTES, CHANNELS = "aws_monitoring_alarms", "prometheus_slos", "alertmanager_routes", "alertmanager_channels"
RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
METRICS = "plugins/plugin_utils/metrics.yml"
NEEDED = {"pagerduty": ("secret",), "slack": ("to", "secret"), "mail": ("to",)}


def alerting_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the alerts of a stack."""
    alarms: Sequence[Entry] = values.get(ALARMS) or []
    slos: Sequence[Entry] = values.get(SLOS) or []
    own = {one["metric"] for one in values.get("aws_monitoring_metric_filters") or []}
    for alarm in alarms:
        for text, fix in [*_alarm_faults(alarm, slos, own), *_rule_faults(alarm, set(alert_names(alarms, slos)))]:
            yield Problem(ALARMS, f"has the alarm {alarm['name']}, which {text}.", fix)
    for name, count in Counter(alert_names(alarms, slos)).items():
        if count > 1:
            yield Problem(ALARMS, f"has {count} alarms of Prometheus called {name}.", "Give each a name of its own.")
    for slo in slos:
        for text, fix in _slo_faults(slo):
            yield Problem(SLOS, f"has the objective {slo['name']}, which {text}.", fix)
    if values.get(ROUTES):
        for _severity, text, fix in route_faults(values[ROUTES], values.get(CHANNELS) or {}, values.get("alertmanager_hours") or {}):
            yield Problem(ROUTES, f"{text}.", fix)
    for name, channel in (values.get(CHANNELS) or {}).items():
        if missing := [key for key in NEEDED[channel["kind"]] if not channel.get(key)]:
            yield Problem(
                CHANNELS, f"has the channel {name} without {' and '.join(missing)}.", f"A channel of the kind {channel['kind']} needs it."
            )


def _alarm_faults(alarm: Entry, slos: Sequence[Entry], own: Collection[str]) -> Iterator[tuple[str, str]]:
    page = runbook_of(alarm)
    if not (RUNBOOKS / f"{page}.md").is_file():
        yield f"sends people to the runbook {page}, which is not there", f"Write docs/runbooks/{page}.md, or name one that is there."
    if slos and alarm.get("slo") and alarm["slo"] not in {slo["name"] for slo in slos}:
        yield f"protects the objective {alarm['slo']}, which nobody declares", f"Name one of {SLOS}."
    for metric in metrics_of(alarm):
        if not is_published(metric, own):
            yield (
                f"watches {metric['namespace']} {metric['name']}, which nothing publishes",
                f"Correct the name, or declare it: AWS's in {METRICS}, our own in aws_monitoring_metric_filters.",
            )


def _rule_faults(alarm: Entry, alerts: Collection[str]) -> Iterator[tuple[str, str]]:
    measured = alarm.get("prometheus")
    if not measured:
        return
    if unknown := unknown_metrics(measured["expression"]):
        yield f"watches {', '.join(unknown)}, which nothing exposes", f"Correct the name, or add it to what {METRICS} says of an exporter."
    if alarm.get("comparison") not in COMPARISONS or alarm.get("threshold") is None:
        yield "has no comparison and threshold for Prometheus", f"Give it threshold, and one of {', '.join(COMPARISONS)}."
    if (measured.get("minutes") is None) == (not alarm.get("evaluation_periods")):
        yield (
            "says twice or not at all how long it waits",
            "Give it evaluation_periods with a metric of CloudWatch, else prometheus.minutes.",
        )
    for other in (measured.get("silences") or {}).get("alerts") or []:
        if other not in alerts:
            yield f"silences {other}, which is no alert of Prometheus", "Name entries with the part prometheus."


def _slo_faults(slo: Entry) -> Iterator[tuple[str, str]]:
    if unknown := unknown_metrics(slo["bad"]):
        yield f"measures {', '.join(unknown)}, which nothing exposes", f"Correct the name, or add it to what {METRICS} says of an exporter."
    if not 0 < slo["objective"] < 100:
        yield (
            f"wants {slo['objective']} per cent",
            "Give it more than 0 and less than 100: without a budget for errors any error is too much.",
        )
