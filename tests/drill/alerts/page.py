# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/drills-alerts.md: what the drill has measured, by itself."""

from __future__ import annotations

import datetime
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.drill.alerts.watch import DISK_MINUTES
from tests.e2e.driver import ROOT

PAGE = ROOT / "docs/drills-alerts.md"


@dataclass(frozen=True)
class Alert:
    """One fault: receiver -> seconds until it was told, and who had to be."""

    name: str
    severity: str
    told: dict[str, float]
    wanted: frozenset[str]


@dataclass
class Findings:
    """What the drill has seen; None where it has not come to it."""

    alerts: list[Alert] = field(default_factory=list)
    quiet_minutes: float | None = None
    load: str = ""
    false_alerts: list[str] = field(default_factory=list)
    discovery_seconds: float | None = None
    metrics_seconds: float | None = None
    footprint: dict[str, tuple[float, float]] = field(default_factory=dict)
    exporters: dict[str, float] = field(default_factory=dict)

    def untold(self, *names: str) -> list[str]:
        """Who was not told of which of these alerts."""
        missing = {alert.name: sorted(alert.wanted - alert.told.keys()) for alert in self.alerts if alert.name in names}
        return [f"{name}: {', '.join(receivers)}" for name, receivers in missing.items() if receivers]


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} s"


HEAD = """\
# Alerts, drilled

Written by `make drill-alerts`; do not edit. Real faults on a running sandbox, and the time from each fault until its receivers were told:
PagerDuty's and Slack's protocols by HTTP, mail by SMTP, on the monitoring host's loopback.

Last run: {day}, on a machine with {processors} processors that carried the whole sandbox.

## From fault to notification

| alert | severity | PagerDuty | Slack | mail |
|---|---|---:|---:|---:|
"""
REST = """
The rules wait on purpose before they fire ([alerts](alerts.md)), and that is in these times; but for the full disk, which waits ten minutes
and here {disk_minutes}. What is told in business hours alone was told at the drill's hour. Medium is told to Slack alone, low to nobody.

## Quiet

{quiet}

## Discovery

A new instance was known to Prometheus {discovered} after EC2 said that it runs, and told its metrics after {measured}.

## What the monitoring itself takes

| service | memory | part of a processor |
|---|---:|---:|
"""


def _row(alert: Alert) -> str:
    cells = []
    for receiver in ("pagerduty", "slack", "mail"):
        missing = "**never**" if receiver in alert.wanted else ""
        cells.append(_seconds(alert.told[receiver]) if receiver in alert.told else missing)
    return f"| {alert.name} | {alert.severity} | {' | '.join(cells)} |\n"


def _severities(alerts: list[Alert]) -> Iterator[str]:
    yield "\n| severity | faults | median | worst |\n|---|---:|---:|---:|\n"
    for severity in ("critical", "high", "medium"):
        of_it = [alert for alert in alerts if alert.severity == severity]
        if times := [seconds for alert in of_it for seconds in alert.told.values()]:
            yield f"| {severity} | {len(of_it)} | {statistics.median(times):.0f} s | {max(times):.0f} s |\n"


def _quiet(found: Findings) -> str:
    if found.quiet_minutes is None:
        return "Not measured."
    names = f": {', '.join(found.false_alerts)}" if found.false_alerts else ""
    return f"{found.quiet_minutes:.0f} minutes under load ({found.load}): {len(found.false_alerts)} false alerts{names}."


def text(found: Findings) -> str:
    """The whole page."""
    rest = REST.format(
        disk_minutes=f"{DISK_MINUTES}",
        quiet=_quiet(found),
        discovered=_seconds(found.discovery_seconds),
        measured=_seconds(found.metrics_seconds),
    )
    return "".join(
        [
            HEAD.format(day=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}", processors=os.cpu_count()),
            *map(_row, found.alerts),
            *_severities(found.alerts),
            rest,
            *(f"| {part}, monitoring host | {mib:.0f} MiB | {100 * share:.1f} % |\n" for part, (mib, share) in found.footprint.items()),
            *(f"| {unit}, at most on any host | {mib:.0f} MiB | |\n" for unit, mib in found.exporters.items()),
        ]
    )


def write(found: Findings) -> None:
    """Write the page; nothing when nothing was measured."""
    if found.alerts or found.quiet_minutes:
        PAGE.write_text(text(found), encoding="utf-8")
