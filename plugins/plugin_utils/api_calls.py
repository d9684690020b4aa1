# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run asked of the AWS API: the lines that tasks append to the run's call log, counted by service and operation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations

AHEAD = "ahead"  # the mode of what no task has made
PLANNED = "planned"  # in place of a status: a write that a plan recorded and did not send
# Statuses by which AWS asks to slow down. Some services throttle with 400, which no status tells from another error.
THROTTLED = frozenset({429, 503})
_HEADINGS = ("CALL", "KIND", "COUNT", "SECONDS", "SLOWEST", "ERRORS", "THROTTLED")


@dataclass
class Tally:
    """All calls of one operation. `seconds` is their sum, `slowest` the longest; `planned` were not sent, `ahead` were sent early."""

    service: str
    operation: str
    count: int = 0
    planned: int = 0
    ahead: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    errors: int = 0
    throttled: int = 0

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"

    @property
    def writes(self) -> bool:
        """Whether the operation may change anything; a service that nobody has reviewed is taken to."""
        try:
            return operations.classify(self.service, self.operation) == operations.WRITE
        except operations.UnknownServiceError:
            return True

    def add(self, seconds: float, status: int | str, mode: str) -> None:
        """Count one call; `mode` says whether it was made by a task that applied or checked, or ahead of it."""
        if status == PLANNED:
            self.planned += 1
            return
        self.count += 1
        self.ahead += mode == AHEAD
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)
        self.errors += isinstance(status, int) and status >= 400
        self.throttled += status in THROTTLED


def read(log: Path) -> list[Tally]:
    """The tallies of a run's call log by name; none without a log. The line of a task that was killed while it wrote is left out."""
    tallies: dict[tuple[str, str], Tally] = {}
    for call in _lines(log):
        key = (call["service"], call["operation"])
        tallies.setdefault(key, Tally(*key)).add(call["seconds"], call["status"], call["mode"])
    return sorted(tallies.values(), key=lambda tally: tally.name)


def _lines(log: Path) -> Iterator[Mapping[str, Any]]:
    if not log.is_file():
        return
    for line in log.read_text().splitlines():
        if line.endswith("}"):
            yield json.loads(line)


def summary(tallies: Iterable[Tally]) -> str:
    """One line: reads, writes, time, and the slowest call. Time is what calls took one by one, also where they ran side by side."""
    sent = [tally for tally in tallies if tally.count]
    reads, writes = (sum(tally.count for tally in sent if tally.writes is kind) for kind in (False, True))
    ahead = sum(tally.ahead for tally in sent)
    parts = [f"{reads} reads" + (f" ({ahead} ahead of their tasks)" if ahead else ""), f"{writes} writes"]
    if planned := sum(tally.planned for tally in tallies):
        parts.append(f"{planned} planned writes")
    parts.append(f"{sum(tally.seconds for tally in sent):.1f} s")
    if sent:
        slowest = max(sent, key=lambda tally: tally.slowest)
        parts.append(f"slowest {slowest.name} {slowest.slowest:.2f} s")
    if errors := sum(tally.errors for tally in sent):
        parts.append(f"{errors} errors ({sum(tally.throttled for tally in sent)} throttled)")
    return f"API calls: {', '.join(parts)}"


def table(tallies: Iterable[Tally]) -> list[str]:
    """One line per operation under headings, the one that took longest in all first."""
    rows = [_HEADINGS]
    for tally in sorted(tallies, key=lambda tally: (-tally.seconds, tally.name)):
        kind = "write" if tally.writes else "read"
        count = str(tally.count) if not tally.planned else f"{tally.count} (+{tally.planned} planned)"
        numbers = (f"{tally.seconds:.2f}", f"{tally.slowest:.2f}", str(tally.errors or ""), str(tally.throttled or ""))
        rows.append((tally.name, kind, count, *numbers))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    left = 2  # columns of text; numbers stand at the right
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def document(tallies: Iterable[Tally]) -> dict[str, Any]:
    """The tallies as JSON: what `scripts/generate-policy --record` reads."""
    rounded = [asdict(tally) | {"seconds": round(tally.seconds, 4), "slowest": round(tally.slowest, 4)} for tally in tallies]
    return {"format": 1, "calls": rounded}
