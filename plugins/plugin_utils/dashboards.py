# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared dashboards, as CloudWatch and as Grafana take them.

A dashboard has sections, a section panels. A panel shows what entries of the catalogue watch, with the lines at which they go off, or
metrics of its own. CloudWatch draws what it measures itself; Grafana draws Prometheus' value where there is one, else CloudWatch's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import (
    PERIOD_SECONDS,
    Entry,
    Names,
    Stack,
    entries_of,
    instances,
    is_of_cloudwatch,
    metrics_of,
    named_queries,
    queries,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import is_published, unknown_metrics

COLUMNS = 24  # of CloudWatch's grid, and of Grafana's
WIDTH, HEADING_HEIGHT = 8, 1
CLOUDWATCH_HEIGHT, GRAFANA_HEIGHT = 6, 8
# Grafana migrates older ones as it loads them: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/
SCHEMA_VERSION = 41
COLORS = {"critical": "red", "high": "orange", "medium": "yellow", "low": "blue"}
# unit -> what CloudWatch writes at the axis, what Grafana calls it
UNITS = {
    "bytes": ("bytes", "bytes"),
    "count": ("", "short"),
    "days": ("days", "d"),
    "per_second": ("per second", "cps"),
    "percent": ("%", "percent"),
    "ratio": ("", "percentunit"),
    "seconds": ("seconds", "s"),
    "usd": ("USD", "currencyUSD"),
}
VIEWS = {"graph": "timeSeries", "number": "singleValue", "gauge": "gauge"}
GRAFANA_TYPES = {"graph": "timeseries", "number": "stat", "gauge": "gauge", "alarms": "table"}
PROMETHEUS, CLOUDWATCH = (
    {"type": "prometheus", "uid": "${datasource}"},
    {"type": "cloudwatch", "uid": "${cloudwatch}"},
)
# Dimensions whose values end in what AWS has made up: Grafana finds them by their beginning. Dimension -> namespace, metric, value.
FOUND = {
    "LoadBalancer": ("AWS/ApplicationELB", "RequestCount", "app/{name}/"),
    "TargetGroup": ("AWS/ApplicationELB", "HealthyHostCount", "targetgroup/{name}/"),
}

Drawn = Callable[[Entry, int, int], dict[str, Any]]
DrawnOrNot = Callable[[Entry, int, int], dict[str, Any] | None]


def panels_of(dashboard: Entry) -> Iterator[Entry]:
    """Every panel of a dashboard."""
    return (panel for section in dashboard["sections"] for panel in section["panels"])


def watched(panel: Entry, catalogue: Sequence[Entry]) -> list[Entry]:
    """The entries of the catalogue that a panel shows; of those with one name, the ones of its layer."""
    return [
        entry for entry in catalogue if entry["name"] in (panel.get("alarms") or ()) and panel.get("layer") in (None, "", entry["layer"])
    ]


def limits(panel: Entry, catalogue: Sequence[Entry]) -> list[dict[str, Any]]:
    """The lines of a panel: where its alarms go off, and those of its own."""
    return [
        {"label": entry["severity"], "value": float(entry["threshold"]), "severity": entry["severity"], "comparison": entry["comparison"]}
        for entry in watched(panel, catalogue)
        if entry.get("threshold") is not None and entry.get("comparison")
    ] + [{**limit, "value": float(limit["value"])} for limit in panel.get("limits") or []]


def expressions(panel: Entry, catalogue: Sequence[Entry]) -> list[dict[str, str]]:
    """What Prometheus is asked for a panel: C(expression), and C(legend) or nothing."""
    if panel["kind"] == "alarms":
        return [{"expression": f'ALERTS{{alertstate="firing", severity=~"{"|".join(panel["severities"])}"}}', "legend": ""}]
    own = [{"expression": " ".join(one["expression"].split()), "legend": one.get("legend") or ""} for one in panel.get("prometheus") or []]
    entries = [entry for entry in watched(panel, catalogue) if entry.get("prometheus")]
    seen = dict.fromkeys(" ".join(entry["prometheus"]["expression"].split()) for entry in entries)
    return own + [{"expression": expression, "legend": ""} for expression in seen]


def _placed(dashboard: Entry, heading: Drawn, panel: DrawnOrNot, height: int) -> list[dict[str, Any]]:
    """Everything of a dashboard on the grid; a section of which nothing is drawn is left out."""
    placed: list[dict[str, Any]] = []
    row = 0
    for section in dashboard["sections"]:
        drawn: list[dict[str, Any]] = []
        for one in section["panels"]:
            line, column = divmod(len(drawn), COLUMNS // WIDTH)
            if (found := panel(one, column * WIDTH, row + HEADING_HEIGHT + line * height)) is not None:
                drawn.append(found)
        if drawn:
            placed += [heading(section, 0, row), *drawn]
            row += HEADING_HEIGHT + height * -(-len(drawn) * WIDTH // COLUMNS)
    return placed


# --- CloudWatch ---


def cloudwatch_dashboard(dashboard: Entry, catalogue: Sequence[Entry], stack: Stack) -> dict[str, Any]:
    """The body of a dashboard of CloudWatch; without widgets where a stack has nothing of what it shows."""
    own = entries_of(catalogue, stack)

    def heading(section: Entry, x: int, y: int) -> dict[str, Any]:
        place = {"x": x, "y": y, "width": COLUMNS, "height": HEADING_HEIGHT}
        return {"type": "text", **place, "properties": {"markdown": f"## {section['title']}"}}

    def drawn(panel: Entry, x: int, y: int) -> dict[str, Any] | None:
        kind, properties = ("alarm", _alarms) if panel["kind"] == "alarms" else ("metric", _metrics)
        if (found := properties(panel, own, stack)) is None:
            return None
        return {"type": kind, "x": x, "y": y, "width": WIDTH, "height": CLOUDWATCH_HEIGHT, "properties": found}

    return {"widgets": _placed(dashboard, heading, drawn, CLOUDWATCH_HEIGHT)}


def _alarms(panel: Entry, entries: Sequence[Entry], stack: Stack) -> dict[str, Any] | None:
    names = [name for entry in entries if is_of_cloudwatch(entry) and entry["severity"] in panel["severities"] for name in instances(entry)]
    start = f"arn:aws:cloudwatch:{stack['region']}:{stack['account_id']}:alarm:{stack['prefix']}-"
    arns = [start + name for name in names]
    return {"title": panel["title"], "alarms": arns, "sortBy": "stateUpdatedTimestamp", "states": ["ALARM"]} if arns else None


def _metrics(panel: Entry, catalogue: Sequence[Entry], stack: Stack) -> dict[str, Any] | None:
    entries, prefix, names = watched(panel, catalogue), stack["prefix"], stack["names"]
    asked = [query for entry in entries for query in queries(entry, prefix, names)]
    if panel.get("layer") in stack["layers"]:
        asked += named_queries(panel, prefix, names)
    if not asked:
        return None
    unit = UNITS[panel.get("unit") or "count"][0]
    properties = {
        "title": panel["title"],
        "region": stack["region"],
        "view": VIEWS[panel["kind"]],
        "metrics": [_line(query) for query in asked],
    }
    if panel["kind"] == "gauge":
        properties["yAxis"] = {"left": {"min": 0, "max": 100}}
    elif panel["kind"] == "graph":
        properties["yAxis"] = {"left": {"label": unit, "showUnits": not unit}}
    if found := limits(panel, entries):
        properties["annotations"] = {"horizontal": [{"label": one["label"], "value": one["value"]} for one in found]}
    if panel.get("days"):
        properties |= {"start": f"-P{panel['days']}D", "end": "P0D"}
    return properties


def _line(query: Entry) -> list[Any]:
    shown = {key: query[key] for key in ("id", "label") if query.get(key)}
    if query.get("return_data") is False:
        shown["visible"] = False
    if not query.get("metric"):
        return [{"expression": query["expression"], **shown}]
    metric = query["metric"]
    dimensions = [part for pair in sorted(metric["dimensions"].items()) for part in pair]
    drawn = {"stat": metric.get("statistic") or "Average", "period": metric.get("period_seconds") or PERIOD_SECONDS, **shown}
    return [metric["namespace"], metric["name"], *dimensions, drawn]


# --- Grafana ---


def grafana_dashboard(dashboard: Entry, catalogue: Sequence[Entry], prefix: str, environment: str, region: str) -> dict[str, Any]:
    """A dashboard of Grafana as its file has it.

    Sources are chosen by the variables C(datasource) (Prometheus) and C(cloudwatch), whose names have the environment in them; the variable
    C(environment) stands in names of AWS, too. Thresholds are those of one environment, and so the variable has that one value.
    """
    used: dict[str, tuple[str, str]] = {}  # variable -> dimension, short name
    prefix = re.sub(rf"\b{re.escape(environment)}\b", "${environment}", prefix)

    def drawn(panel: Entry, x: int, y: int) -> dict[str, Any] | None:
        found = _panel(panel, catalogue, prefix, _Variables(used, region), region)
        return found | _at(x, y, WIDTH, GRAFANA_HEIGHT) if found["targets"] else None

    def heading(section: Entry, x: int, y: int) -> dict[str, Any]:
        return {"type": "row", "title": section["title"], "collapsed": False, "panels": []} | _at(x, y, COLUMNS, HEADING_HEIGHT)

    panels = _placed(dashboard, heading, drawn, GRAFANA_HEIGHT)
    sources = [_source("datasource", "Prometheus"), _source("cloudwatch", "CloudWatch")]
    found = [_found(variable, dimension, f"{prefix}-{short}", region) for variable, (dimension, short) in sorted(used.items())]
    return {
        "uid": dashboard["name"],
        "title": dashboard["title"],
        "description": dashboard["description"],
        "tags": ["indivillage"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "timezone": "browser",
        "templating": {"list": [_chosen("environment", environment), *sources, *found]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, start=1)],
    }


class _Variables(dict[str, Mapping[str, str]]):
    """Names of dimensions' values, as `named_metric` takes them: variables that Grafana fills, noted in `used`."""

    def __init__(self, used: dict[str, tuple[str, str]], region: str) -> None:
        super().__init__(Region={"here": region}, **{dimension: _Values(used, dimension) for dimension in FOUND})


class _Values(dict[str, str]):
    def __init__(self, used: dict[str, tuple[str, str]], dimension: str) -> None:
        self.used, self.dimension = used, dimension

    def __contains__(self, short: object) -> bool:
        return True

    def __getitem__(self, short: str) -> str:
        variable = f"{self.dimension.lower()}_{short}"
        self.used[variable] = (self.dimension, short)
        return f"${{{variable}}}"


def _at(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _chosen(name: str, value: str) -> dict[str, Any]:
    option = {"text": value, "value": value, "selected": True}
    return {"type": "custom", "name": name, "label": name, "query": value, "options": [option], "current": option, "hide": 0}


def _source(name: str, kind: str) -> dict[str, Any]:
    regex = f"/^{kind} ${{environment}}$/"
    return {"type": "datasource", "name": name, "label": name, "query": kind.lower(), "regex": regex, "refresh": 1, "hide": 0}


def _found(variable: str, dimension: str, name: str, region: str) -> dict[str, Any]:
    namespace, metric, value = FOUND[dimension]
    query = {"queryType": "dimensionValues", "region": region, "namespace": namespace, "metricName": metric, "dimensionKey": dimension}
    regex = "/^" + value.format(name=name).replace("/", "\\/") + "/"
    return {"type": "query", "name": variable, "datasource": CLOUDWATCH, "query": query, "regex": regex, "refresh": 1, "hide": 2}


def _panel(panel: Entry, catalogue: Sequence[Entry], prefix: str, names: Names, region: str) -> dict[str, Any]:
    asked = expressions(panel, catalogue)
    targets = [_prometheus_target(one, panel["kind"]) for one in asked]
    entries = [entry for entry in watched(panel, catalogue) if not entry.get("prometheus")]
    own = named_queries(panel, prefix, names) if not asked else []
    targets += [
        _cloudwatch_target(query, region) for query in [*(query for entry in entries for query in queries(entry, prefix, names)), *own]
    ]
    kinds = {target["datasource"]["type"] for target in targets}
    mixed = {"type": "datasource", "uid": "-- Mixed --"}
    return {
        "type": GRAFANA_TYPES[panel["kind"]],
        "title": panel["title"],
        "datasource": mixed if len(kinds) > 1 else targets[0]["datasource"] if targets else None,
        "targets": [{"refId": f"{chr(65 + number % 26)}{number // 26 or ''}", **target} for number, target in enumerate(targets)],
        "fieldConfig": {"defaults": _field(panel, limits(panel, catalogue)), "overrides": []},
        "options": _options(panel),
        **({"timeFrom": f"{panel['days']}d"} if panel.get("days") else {}),
    }


def _field(panel: Entry, found: Sequence[Entry]) -> dict[str, Any]:
    field: dict[str, Any] = {"unit": UNITS[panel.get("unit") or "count"][1], "thresholds": {"mode": "absolute", "steps": steps(found)}}
    if panel["kind"] == "gauge":
        field |= {"min": 0, "max": 100}
    if panel["kind"] == "graph":
        field["custom"] = {"fillOpacity": 0, "lineWidth": 1, "thresholdsStyle": {"mode": "line" if found else "off"}}
    return field


def steps(found: Sequence[Entry]) -> list[dict[str, Any]]:
    """Colours from the lowest value on: of values that are bad above a line, or below it."""
    ordered = sorted(found, key=lambda one: float(one["value"]))
    if not ordered or not ordered[0]["comparison"].startswith("Less"):
        return [{"color": "green", "value": None}, *({"color": COLORS[one["severity"]], "value": one["value"]} for one in ordered)]
    colors = [*(COLORS[one["severity"]] for one in ordered), "green"]
    return [{"color": color, "value": value} for color, value in zip(colors, [None, *(one["value"] for one in ordered)], strict=True)]


def _options(panel: Entry) -> dict[str, Any]:
    if panel["kind"] == "graph":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel["kind"] == "alarms":
        return {"showHeader": True}
    return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}


def _prometheus_target(asked: Mapping[str, str], kind: str) -> dict[str, Any]:
    table = kind == "alarms"
    shape = {"instant": table, "range": not table, "format": "table" if table else "time_series"}
    return {"datasource": PROMETHEUS, "expr": asked["expression"], "legendFormat": asked["legend"] or "__auto", **shape}


def _cloudwatch_target(query: Entry, region: str) -> dict[str, Any]:
    target = {
        "datasource": CLOUDWATCH,
        "queryMode": "Metrics",
        "metricQueryType": 0,
        "metricEditorMode": 0 if query.get("metric") else 1,
        "id": query.get("id") or "",
        "label": query.get("label") or "",
        "region": region,
        "expression": query.get("expression") or "",
        "hide": query.get("return_data") is False,
    }
    if not query.get("metric"):
        return target
    metric = query["metric"]
    return target | {
        "namespace": metric["namespace"],
        "metricName": metric["name"],
        "dimensions": dict(metric["dimensions"]),
        "matchExact": True,
        "statistic": metric.get("statistic") or "Average",
        "period": str(metric.get("period_seconds") or PERIOD_SECONDS),
    }


# --- what is wrong with a declaration ---


def dashboard_faults(
    dashboard: Entry, catalogue: Sequence[Entry], roles: Collection[str], counted: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What is wrong with a dashboard, and how to mend it. counted: the metrics of our own that are counted in logs."""
    for panel in panels_of(dashboard):
        for text, fix in _panel_faults(panel, catalogue, roles):
            yield f"whose panel {panel['title']!r} {text}", fix
        unknown = [name for one in panel.get("prometheus") or [] for name in unknown_metrics(one["expression"])]
        own = metrics_of({"metrics": panel.get("metrics")})
        unknown += [f"{one['namespace']} {one['name']}" for one in own if not is_published(one, counted)]
        if unknown:
            yield (
                f"whose panel {panel['title']!r} shows {', '.join(unknown)}, which nothing exposes or publishes",
                "Correct the name, or declare it: in plugins/plugin_utils/metrics.yml, our own in aws_monitoring_metric_filters.",
            )


def _panel_faults(panel: Entry, catalogue: Sequence[Entry], roles: Collection[str]) -> Iterator[tuple[str, str]]:
    entries = watched(panel, catalogue)
    if strangers := [name for name in panel.get("alarms") or [] if name not in {entry["name"] for entry in entries}]:
        yield (
            f"shows {', '.join(strangers)}, and the catalogue has no such entry",
            "Name entries of aws_monitoring_alarms, of the panel's layer.",
        )
    if (panel["kind"] == "alarms") != bool(panel.get("severities")):
        yield "has only one of the kind 'alarms' and severities", "Say with the kind alarms which severities it lists, and with no other."
    if panel["kind"] != "alarms" and not any(panel.get(key) for key in ("alarms", "metrics", "prometheus")):
        yield "shows nothing", "Give it alarms, metrics or prometheus."
    if panel.get("layer") and panel["layer"] not in roles:
        yield f"belongs to the layer {panel['layer']}, which is no role", "Name the role that makes what it shows."
    if (panel.get("metrics") or panel.get("prometheus")) and not panel.get("layer"):
        yield "does not say whose metrics it shows", "Give it the layer, the role that makes what it shows."
    ids = [query["id"] for one in (panel, *entries) for query in one.get("metrics") or [] if query.get("id")]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        yield f"has two queries called {', '.join(twice)}", "Give each an id of its own, or the entries panels of their own."
    if len({limit["comparison"].startswith("Less") for limit in limits(panel, entries)}) > 1:
        yield "has lines above which it is bad and lines below which it is", "Make two panels of it."
