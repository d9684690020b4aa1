# SPDX-License-Identifier: GPL-3.0-or-later
"""`draw.py FILE <dashboard.json`: one of Grafana's dashboards as a picture.

Each of Prometheus' targets has its `series`, as Prometheus' API tells them. Runs on its own, with the packages of requirements.txt.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams |= {
    "svg.fonttype": "none",  # text, not outlines of it
    "svg.hashsalt": "pictures",  # else every picture differs from the one before in all its ids
}
from matplotlib import dates, pyplot  # noqa: E402 - only once the backend is chosen

CELL_WIDTH, CELL_HEIGHT = 0.62, 0.36  # inches of a cell of the grid
COLORS = {"green": "#2e7d32", "red": "#c62828", "orange": "#ef6c00", "yellow": "#f9a825", "blue": "#1565c0"}
# Grafana's unit -> what one of it is, and how it is written
UNITS = {"bytes": (2**20, "MiB"), "percentunit": (0.01, "%"), "percent": (1, "%"), "s": (1, "s"), "d": (1, "days"), "cps": (1, "/s")}
LABELS = ("instance", "job", "alertname", "route", "mountpoint", "device", "slo", "severity", "queue", "state")
LEGEND_LINES = 6


def main() -> None:
    """Read, draw, write."""
    dashboard = json.load(sys.stdin)
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    width, height = 24, max(place["y"] + place["h"] for place in places)
    figure = pyplot.figure(figsize=(width * CELL_WIDTH, (height + 2) * CELL_HEIGHT))
    figure.text(0.01, 1 - 0.8 / (height + 2), f"{dashboard['title']} - {dashboard['description']}", fontsize=13, weight="bold")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        top = 1 - (place["y"] + 2) / (height + 2)
        if panel["type"] == "row":
            figure.text(0.01, top - 0.7 / (height + 2), panel["title"], fontsize=11, weight="bold", color="#455a64")
            continue
        left, bottom = place["x"] / width + 0.035, top - (place["h"] - 1.6) / (height + 2)
        axes = figure.add_axes((left, bottom, place["w"] / width - 0.05, (place["h"] - 3.2) / (height + 2)))
        axes.set_title(panel["title"], fontsize=8, loc="left")
        _draw(axes, panel)
    figure.savefig(sys.argv[1], format="svg", metadata={"Date": None, "Creator": None})


def _draw(axes: Any, panel: dict[str, Any]) -> None:
    asked = [target for target in panel["targets"] if "series" in target]
    series = [(target, one) for target in asked for one in target["series"]]
    if not asked:
        _say(axes, "CloudWatch only")
    elif panel["type"] == "table":
        _table(axes, [one for _, one in series])
    elif not series:
        _say(axes, "no data")
    elif panel["type"] == "timeseries":
        _graph(axes, panel, series)
    else:
        _numbers(axes, panel, series)


def _say(axes: Any, text: str, color: str = "#90a4ae", size: int = 9) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=size, color=color, transform=axes.transAxes)


def _name(target: dict[str, Any], one: dict[str, Any]) -> str:
    labels = one["metric"]
    if target["legendFormat"] != "__auto":
        text = str(target["legendFormat"])
        for label, value in labels.items():
            text = text.replace(f"{{{{{label}}}}}", value)
        return text
    return ", ".join(labels[label] for label in LABELS if label in labels) or labels.get("__name__", "value")


def _points(panel: dict[str, Any], one: dict[str, Any]) -> tuple[list[datetime], list[float]]:
    factor = UNITS.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))[0]
    found = [(datetime.fromtimestamp(at, UTC), float(value) / factor) for at, value in one["values"]]
    return [at for at, _ in found], [value for _, value in found]


def _graph(axes: Any, panel: dict[str, Any], series: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    factor, unit = UNITS.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))
    for number, (target, one) in enumerate(series):
        axes.plot(*_points(panel, one), linewidth=1, label=_name(target, one) if number < LEGEND_LINES else None)
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is not None and step["color"] != "green":
            axes.axhline(step["value"] / factor, color=COLORS[step["color"]], linewidth=0.8, linestyle="--")
    axes.set_ylabel(unit, fontsize=6)
    axes.tick_params(labelsize=6)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=2, maxticks=5))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=5, loc="upper left", frameon=False)


def _numbers(axes: Any, panel: dict[str, Any], series: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    field = panel["fieldConfig"]["defaults"]
    factor, unit = UNITS.get(field["unit"], (1, ""))
    axes.set_axis_off()
    for number, (target, one) in enumerate(series):
        value = _points(panel, one)[1][-1]
        color = "green"
        for step in field["thresholds"]["steps"]:
            if step["value"] is None or value * factor >= step["value"]:
                color = step["color"]
        height = 1 - (number + 0.5) / len(series)
        axes.text(0.5, height, f"{value:.4g} {unit}", ha="center", va="center", fontsize=16, color=COLORS[color], transform=axes.transAxes)
        axes.text(0.95, height, _name(target, one), ha="right", va="center", fontsize=6, color="#455a64", transform=axes.transAxes)


def _table(axes: Any, series: list[dict[str, Any]]) -> None:
    now = [one["metric"] for one in series]
    if not now:
        _say(axes, "nothing is wrong", COLORS["green"], 12)
        return
    axes.set_axis_off()
    for number, labels in enumerate(now[:LEGEND_LINES]):
        text = f"{labels.get('severity', '')}: {labels['alertname']} {labels.get('instance', '')}"
        axes.text(0.02, 0.9 - number * 0.15, text, fontsize=7, color=COLORS["red"], transform=axes.transAxes)


if __name__ == "__main__":
    main()
