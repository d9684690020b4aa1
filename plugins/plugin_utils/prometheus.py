# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the catalogue of alarms says, as Prometheus' rules.

An entry's C(threshold) and C(comparison) are those of CloudWatch; its part C(prometheus) says only how Prometheus measures the same value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import PERIOD_SECONDS, MonitoringError

Entry = Mapping[str, Any]

COMPARISONS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
# How many times faster than an objective allows errors may come, over a long time and still now: https://sre.google/workbook/alerting-on-slos/
BURN_RATES = (("critical", 14.4, "1h", "5m"), ("high", 6.0, "6h", "30m"), ("medium", 3.0, "1d", "2h"), ("low", 1.0, "3d", "6h"))
SLO_RATIO = "slo:error_ratio"  # recorded at each evaluation; with a window behind it, its average over all of that time
_UNITS = {"m": 60, "h": 3600, "d": 86400}

_WORDS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "and", "or", "unless", "offset", "inf", "nan"})
_TEXT = r'"(?:[^"\\]|\\.)*"'
_NO_METRICS = re.compile(
    rf"""
    \{{(?:{_TEXT}|[^}}"])*\}} | \[[^]]*\] | {_TEXT}                                 # labels and times behind a metric; text
    | \b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)              # lists of labels
    | (?<![\w:])\d[\w.]*                                                                  # numbers and times
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"[a-zA-Z_:][\w:]*(?!\w)(?!\s*\()")


@functools.cache
def _metrics() -> Any:
    return yaml_load(Path(__file__).with_name("metrics.yml").read_text(encoding="utf-8"))


@functools.cache
def exposed() -> Mapping[str, frozenset[str]]:
    """The metrics that rules may name, by what exposes them."""
    return {source: frozenset(names) for source, names in _metrics()["prometheus"].items()}


@functools.cache
def published() -> Mapping[str, frozenset[str]]:
    """The metrics of AWS that alarms may name, by namespace."""
    return {namespace: frozenset(names) for namespace, names in _metrics()["cloudwatch"].items()}


def is_published(metric: Entry, counted: Collection[str]) -> bool:
    """Whether CloudWatch has a metric: one of AWS's own, of the agent, or one of those that are counted in logs."""
    if metric["namespace"].startswith("AWS/"):
        return metric["name"] in published().get(metric["namespace"], ())
    return metric["name"] in counted or metric["name"] in _metrics()["agent"]


def metrics_of(expression: str) -> set[str]:
    """The metrics that an expression names; functions, labels and texts are left out."""
    return {name for name in _NAME.findall(_NO_METRICS.sub(" ", expression)) if name.lower() not in _WORDS}


def unknown_metrics(expression: str) -> list[str]:
    """The metrics of an expression that nothing exposes."""
    return sorted(metrics_of(expression) - frozenset().union(*exposed().values()))


def minutes_of(entry: Entry) -> float:
    """How long an entry's value has to be bad: as long as CloudWatch looks at it, or what it says for Prometheus alone."""
    if entry["prometheus"].get("minutes") is not None:
        return float(entry["prometheus"]["minutes"])
    period = (entry.get("metric") or {}).get("period_seconds") or PERIOD_SECONDS
    return float(period * entry["evaluation_periods"] / 60)


def number(value: Any) -> str:
    """A number without a fraction that is zero, and never in powers of ten."""
    rounded = round(float(value), 9)
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)


def prometheus_rules(
    catalogue: Sequence[Entry], slos: Sequence[Entry], routes: Mapping[str, Entry], runbooks: str, interval_seconds: float
) -> dict[str, list[dict[str, Any]]]:
    """The rules of a catalogue: groups of alerts by layer, then those of the objectives, then those over alerts that nobody ends.

    routes: by severity; after C(unresolved.minutes) an alert that still fires is told again, to somebody else. runbooks: where the pages of
    docs/runbooks can be read. interval_seconds: between two evaluations of a rule.
    """
    watched = [entry for entry in catalogue if entry.get("prometheus")]
    for entry in watched:
        _refuse(f"The alarm {entry['name']}", entry["prometheus"]["expression"])
    for slo in slos:
        _refuse(f"The objective {slo['name']}", slo["bad"])
    layers = dict.fromkeys(entry["layer"] for entry in watched)
    groups = [{"name": layer, "rules": [_alert(entry, runbooks) for entry in watched if entry["layer"] == layer]} for layer in layers]
    groups += [{"name": f"slo-{slo['name']}", "rules": [*_records(slo, interval_seconds), *_burns(slo, runbooks)]} for slo in slos]
    escalations = [_escalation(severity, route["unresolved"]) for severity, route in routes.items() if route.get("unresolved")]
    return {"groups": [*groups, *([{"name": "escalation", "rules": escalations}] if escalations else [])]}


def _refuse(what: str, expression: str) -> None:
    if unknown := unknown_metrics(expression):
        raise MonitoringError(
            f"{what} watches {', '.join(unknown)}, which nothing exposes; plugins/plugin_utils/metrics.yml lists what is."
        )


def _alert(entry: Entry, runbooks: str) -> dict[str, Any]:
    if entry.get("comparison") not in COMPARISONS or entry.get("threshold") is None:
        raise MonitoringError(
            f"The alarm {entry['name']} has no threshold that Prometheus can compare with: give it comparison and threshold."
        )
    return {
        "alert": entry["name"],
        "expr": f"({' '.join(entry['prometheus']['expression'].split())}) {COMPARISONS[entry['comparison']]} {number(entry['threshold'])}",
        "for": _duration(minutes_of(entry)),
        "labels": {"severity": entry["severity"], "owner": entry["owner"], **({"slo": entry["slo"]} if entry.get("slo") else {})},
        "annotations": _annotations(entry["description"], runbooks, runbook_of(entry)),
    }


def runbook_of(entry: Entry) -> str:
    """The page of docs/runbooks, without .md, that says what to do."""
    return str(entry.get("runbook") or entry["name"])


def _annotations(summary: str, runbooks: str, page: str) -> dict[str, str]:
    return {"summary": summary, "runbook_url": f"{runbooks.rstrip('/')}/{page}.md"}


def _duration(minutes: float) -> str:
    return f"{number(minutes * 60)}s"


def _records(slo: Entry, interval_seconds: float) -> Iterator[dict[str, Any]]:
    """The share of what is bad now, and its averages over the windows.

    What a window has no sample of counts as good. A Prometheus that has just begun knows minutes of a day: one bad moment would be all
    that it knows, and wake somebody.
    """
    labels = {"slo": slo["name"]}
    yield {"record": SLO_RATIO, "expr": " ".join(slo["bad"].split()), "labels": labels}
    for window in dict.fromkeys(window for _severity, _rate, *windows in burn_rates(slo) for window in windows):
        samples = number(int(window[:-1]) * _UNITS[window[-1]] / interval_seconds)
        average = f'sum_over_time({SLO_RATIO}{{slo="{slo["name"]}"}}[{window}]) / {samples}'
        yield {"record": f"{SLO_RATIO}:{window}", "expr": average, "labels": labels}


def budget(slo: Entry) -> float:
    """The share that may be bad."""
    return round(1 - float(slo["objective"]) / 100, 9)


def burn_rates(slo: Entry) -> Iterator[tuple[str, float, str, str]]:
    """The windows that can burn so fast: of an objective of 90 % not even a total failure burns 14.4 times too fast."""
    return ((severity, rate, long, short) for severity, rate, long, short in BURN_RATES if rate * budget(slo) < 1)


def _burns(slo: Entry, runbooks: str) -> Iterator[dict[str, Any]]:
    for severity, rate, long, short in burn_rates(slo):
        limit = number(rate * budget(slo))
        over = (f'{SLO_RATIO}:{window}{{slo="{slo["name"]}"}} > {limit}' for window in (long, short))
        yield {
            "alert": f"{slo['name']}-burns",
            "expr": " and ".join(over),
            # The hour's windows notice less than a probe can tell. One that failed is in the shorter for five minutes and a half: it alone
            # wakes nobody, two do.
            "for": "360s",
            "labels": {"severity": severity, "owner": slo["owner"], "slo": slo["name"], "window": long},
            "annotations": _annotations(
                f"{slo['description']}: errors use up the budget {number(rate)} times too fast", runbooks, "slo-burns"
            ),
        }


def _escalation(severity: str, unresolved: Entry) -> dict[str, Any]:
    """An alert over alerts. It keeps their labels, and their name beside its own."""
    firing = f'max without (alertstate) (ALERTS{{alertstate="firing", severity="{severity}", escalation=""}})'
    return {
        "alert": "unresolved",
        "expr": f'label_replace({firing}, "unresolved", "$1", "alertname", "(.*)")',
        "for": _duration(float(unresolved["minutes"])),
        "labels": {"escalation": severity},
        "annotations": {"summary": "{{ $labels.unresolved }} still fires after " + number(unresolved["minutes"]) + " minutes"},
    }


def alert_names(catalogue: Iterable[Entry], slos: Iterable[Entry]) -> list[str]:
    """The names under which Prometheus tells alerts."""
    return [entry["name"] for entry in catalogue if entry.get("prometheus")] + [f"{slo['name']}-burns" for slo in slos]
