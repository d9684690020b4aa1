# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalogue of alarms says, as the modules for alarms and dashboards take it.

The catalogue names what a stack's roles have made by short names: `web` for the group C(<prefix>-web), `public` for a load balancer. What
AWS calls by another name than the project's own is told by `names`: dimension -> short name -> the dimension's value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
Names = Mapping[str, Mapping[str, str]]

ANY = "*"  # stands for each element of an entry's C(of)
PLAIN = (
    *("description", "comparison", "threshold", "threshold_metric_id", "evaluation_periods"),
    *("datapoints_to_alarm", "treat_missing_data"),
)
COMBINATIONS = {"all_of": " AND ", "any_of": " OR "}
WATCHED = ("metric", "metrics", *COMBINATIONS)
WIDGET_WIDTH, WIDGET_HEIGHT, COLUMNS = 8, 6, 3
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


def cloudwatch_alarms(catalogue: Sequence[Entry], layers: Collection[str], prefix: str, names: Names) -> list[dict[str, Any]]:
    """The alarms of the layers that a stack has: C(name), C(severity) and the module's arguments; those over others come last."""
    chosen = [entry for entry in catalogue if entry["layer"] in layers and is_of_cloudwatch(entry)]
    found = [alarm for entry in chosen for alarm in _alarms(entry, prefix, names)]
    return sorted(found, key=lambda alarm: "rule" in alarm["arguments"])


def _alarms(entry: Entry, prefix: str, names: Names) -> Iterator[dict[str, Any]]:
    for one, name in zip([""] if entry.get("of") is None else entry["of"], instances(entry), strict=True):
        arguments = {key: entry[key] for key in PLAIN if entry.get(key) is not None}
        if entry.get("metric"):
            arguments["metric"] = _metric(entry, entry["metric"], one, prefix, names)
        if entry.get("metrics"):
            arguments["metrics"] = [
                {**query, "metric": _metric(entry, query["metric"], one, prefix, names)} if query.get("metric") else dict(query)
                for query in entry["metrics"]
            ]
        for key, word in COMBINATIONS.items():
            if entry.get(key):
                arguments["rule"] = word.join(f'ALARM("{prefix}-{other}")' for other in entry[key])
        yield {"name": f"{prefix}-{name}", "severity": entry["severity"], "arguments": arguments}


def _metric(entry: Entry, metric: Entry, one: str, prefix: str, names: Names) -> dict[str, Any]:
    dimensions = {}
    for dimension, short in (metric.get("dimensions") or {}).items():
        known, wanted = names.get(dimension), one if short == ANY else str(short)
        if known is not None and wanted not in known:
            raise MonitoringError(f"The alarm {entry['name']} watches the {dimension} {wanted}; there are only: {', '.join(sorted(known))}")
        dimensions[dimension] = known[wanted] if known is not None else f"{prefix}-{wanted}"
    return {**metric, "dimensions": dimensions}


def cloudwatch_dashboard(
    alarms: Sequence[Entry], entries: Collection[str], catalogue: Sequence[Entry], prefix: str, region: str
) -> dict[str, Any]:
    """The body of a dashboard that shows each of the entries as one widget: what its alarms watch, and where they go off.

    alarms: as `cloudwatch_alarms` returns them; an entry that the stack has none of is left out.
    """
    by_name = {alarm["name"]: alarm["arguments"] for alarm in alarms}
    widgets: list[dict[str, Any]] = []
    for entry in (entry for entry in catalogue if entry["name"] in entries):
        watched = [by_name[name] for name in (f"{prefix}-{one}" for one in instances(entry)) if name in by_name]
        lines = [line for arguments in watched for line in _lines(arguments)]
        if lines:
            row, column = divmod(len(widgets), COLUMNS)
            place = {"x": column * WIDGET_WIDTH, "y": row * WIDGET_HEIGHT, "width": WIDGET_WIDTH, "height": WIDGET_HEIGHT}
            widgets.append({"type": "metric", **place, "properties": _properties(entry, lines, region)})
    return {"widgets": widgets}


def _properties(entry: Entry, lines: list[list[Any]], region: str) -> dict[str, Any]:
    properties = {"title": entry["description"], "region": region, "view": "timeSeries", "metrics": lines}
    if entry.get("threshold") is None:
        return properties
    return {**properties, "annotations": {"horizontal": [{"label": entry["severity"], "value": entry["threshold"]}]}}


def _lines(arguments: Entry) -> Iterator[list[Any]]:
    if "metric" in arguments:
        yield _line(arguments["metric"], {})
    for query in arguments.get("metrics", []):
        shown = {"id": query["id"], "visible": query.get("return_data", True)} | ({"label": query["label"]} if query.get("label") else {})
        yield _line(query["metric"], shown) if query.get("metric") else [{"expression": query["expression"], **shown}]


def _line(metric: Entry, shown: Entry) -> list[Any]:
    dimensions = [part for pair in sorted(metric["dimensions"].items()) for part in pair]
    drawn = {"stat": metric.get("statistic", "Average"), "period": metric.get("period_seconds", PERIOD_SECONDS), **shown}
    return [metric["namespace"], metric["name"], *dimensions, drawn]
