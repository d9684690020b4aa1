# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalogue of alarms says, as the modules for alarms and dashboards take it.

The catalogue names what a stack's roles have made by short names: `web` for the group C(<prefix>-web), `public` for a load balancer. What
AWS calls by another name than the project's own is told by `names`: dimension -> short name -> the dimension's value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
Names = Mapping[str, Mapping[str, str]]
Stack = Mapping[str, Any]
"""What is watched: C(kind), primary or dr; its C(layers); C(prefix) of its names; C(names), as above; C(region) and C(account_id)."""

ANY = "*"  # stands for each element of an entry's C(of)
PLAIN = (
    *("description", "comparison", "threshold", "threshold_metric_id", "evaluation_periods"),
    *("datapoints_to_alarm", "treat_missing_data"),
)
COMBINATIONS = {"all_of": " AND ", "any_of": " OR "}
WATCHED = ("metric", "metrics", *COMBINATIONS)
PERIOD_SECONDS = 300


class MonitoringError(Exception):
    """A catalogue that cannot be carried out; the text says which entry, and why."""


def instances(entry: Entry) -> list[str]:
    """The names of the alarms that an entry stands for: one for each element of C(of), or its own."""
    return [str(entry["name"])] if entry.get("of") is None else [f"{one}-{entry['name']}" for one in entry["of"]]


def metrics_of(entry: Entry) -> list[Entry]:
    """The metrics of CloudWatch that an entry watches, by itself or in its queries."""
    return [entry["metric"]] if entry.get("metric") else [query["metric"] for query in entry.get("metrics") or [] if query.get("metric")]


def is_of_cloudwatch(entry: Entry) -> bool:
    """Whether CloudWatch watches it; what only Prometheus measures is not for it."""
    return any(entry.get(key) for key in WATCHED)


def entries_of(catalogue: Sequence[Entry], stack: Stack) -> list[Entry]:
    """The entries of the catalogue that a stack has."""
    return [entry for entry in catalogue if entry["layer"] in stack["layers"] and stack["kind"] in (entry.get("stacks") or [stack["kind"]])]


def cloudwatch_alarms(catalogue: Sequence[Entry], stack: Stack) -> list[dict[str, Any]]:
    """The alarms that a stack has: C(name), C(severity) and the module's arguments; those over others come last."""
    chosen = [entry for entry in entries_of(catalogue, stack) if is_of_cloudwatch(entry)]
    found = [alarm for entry in chosen for alarm in _alarms(entry, stack["prefix"], stack["names"])]
    return sorted(found, key=lambda alarm: "rule" in alarm["arguments"])


def _alarms(entry: Entry, prefix: str, names: Names) -> Iterator[dict[str, Any]]:
    for one, name in zip(_elements(entry), instances(entry), strict=True):
        arguments = {key: entry[key] for key in PLAIN if entry.get(key) is not None}
        if entry.get("metric"):
            arguments["metric"] = named_metric(f"alarm {entry['name']}", entry["metric"], prefix, names, one)
        if entry.get("metrics"):
            arguments["metrics"] = named_queries(entry, prefix, names, one)
        for key, word in COMBINATIONS.items():
            if entry.get(key):
                arguments["rule"] = word.join(f'ALARM("{prefix}-{other}")' for other in entry[key])
        yield {"name": f"{prefix}-{name}", "severity": entry["severity"], "arguments": arguments}


def _elements(entry: Entry) -> Sequence[str]:
    return [""] if entry.get("of") is None else entry["of"]


def queries(entry: Entry, prefix: str, names: Names) -> list[Entry]:
    """What CloudWatch is asked for an entry: its metric of each element, or its queries."""
    alarms = [alarm["arguments"] for alarm in _alarms(entry, prefix, names)]
    return [query for alarm in alarms for query in ([{"metric": alarm["metric"]}] if "metric" in alarm else alarm.get("metrics", []))]


def named_queries(asker: Entry, prefix: str, names: Names, one: str = "") -> list[dict[str, Any]]:
    """The C(metrics) of an entry or a panel with AWS's names in them; one is the element that stands where a dimension says C(*)."""
    what = f"alarm {asker['name']}" if "name" in asker else f"panel {asker['title']}"
    return [
        {**query, "metric": named_metric(what, query["metric"], prefix, names, one)} if query.get("metric") else dict(query)
        for query in asker.get("metrics") or []
    ]


def named_metric(what: str, metric: Entry, prefix: str, names: Names, one: str = "") -> dict[str, Any]:
    """A metric with AWS's names of what it measures."""
    dimensions = dict(metric.get("fixed") or {})
    for dimension, short in (metric.get("dimensions") or {}).items():
        known, wanted = names.get(dimension), one if short == ANY else str(short)
        if known is not None and wanted not in known:
            raise MonitoringError(f"The {what} watches the {dimension} {wanted}; there are only: {', '.join(sorted(known))}")
        dimensions[dimension] = known[wanted] if known is not None else f"{prefix}-{wanted}"
    return {key: value for key, value in metric.items() if key != "fixed"} | {"dimensions": dimensions}
