# SPDX-License-Identifier: GPL-3.0-or-later
"""What drills of operations have measured, written by themselves into docs/drills.md: one section each, which its drill replaces."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.drill.support.load import Load, steady_load

PAGE = Path(__file__).parents[3] / "docs/drills.md"
HEAD = """# Drills

What was measured when operations were carried out for real in the sandbox: real hosts, load balancers and databases on one machine.
Each section is written by its drill, from what it has just measured; do not edit. `make drill-images` and `make drill-operations` run them
on a running site. Seconds depend on the machine; that no request fails does not.
"""

OPERATION = ("operation", "took", "requests", "failed", "slowest answer")
PER_SECOND = int(os.environ.get("DRILL_REQUESTS_PER_SECOND", "50"))
TIMES = int(os.environ.get("DRILL_TIMES", "3"))
# Comes through both tiers, and asks nothing of the emulator, which would be slower than the site.
VISITED = "static/page.css"
BEFORE_SECONDS, AFTER_SECONDS = 10, 5
VISITORS = (
    "Visitors come from outside, each on a connection of its own, from ten seconds before the run to five seconds after its end ({drill})."
)


@dataclass
class Section:
    """The results of one drill. columns: the heading of its table; rows are added as they are measured."""

    title: str
    words: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add what was measured once."""
        assert len(cells) == len(self.columns)
        self.rows.append(tuple(str(cell) for cell in cells))

    def measure(self, what: str, visit: tuple[str | tuple[str, ...], str, int], operation: Callable[[], Any]) -> tuple[Any, Load]:
        """Carry an operation out while visitors come and add a row of OPERATION; its result, and what they saw.

        visit: the arguments of steady_load.

        What fails before it begins says that this machine cannot carry so many visitors, and nothing of it: then it is not begun.
        """
        with steady_load(*visit) as load:
            time.sleep(BEFORE_SECONDS)
            assert not load.failures, f"too many visitors for this machine, also while nothing is done: {load}"
            began = time.monotonic()
            result = operation()
            seconds = time.monotonic() - began
            time.sleep(AFTER_SECONDS)
        failed, slowest = sum(load.failures.values()), max(load.seconds, default=0.0)
        self.add(what, f"{seconds:.0f} s", f"{load.sent}, {load.per_second}/s", failed, f"{slowest * 1000:.0f} ms")
        print(f"\n{what}: {seconds:.0f} s; {load}")
        return result, load

    def text(self, day: str) -> str:
        """The section as Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{self.words}\n\nMeasured on {day}.\n\n{table}\n"

    def write(self, page: Path = PAGE) -> None:
        """Put the section into the page, in the place of the one of the same title."""
        known = page.read_text() if page.is_file() else HEAD
        head, *sections = re.split(r"^(?=## )", known, flags=re.MULTILINE)
        own = self.text(f"{datetime.now(UTC):%Y-%m-%d}")
        titles = [section.partition("\n")[0] for section in sections]
        if (title := f"## {self.title}") in titles:
            sections[titles.index(title)] = own
        else:
            sections.append(own)
        page.write_text("\n".join(part.strip("\n") + "\n" for part in [head, *sections]))


@contextmanager
def under_load(title: str, words: str, drill: str) -> Iterator[Section]:
    """The section of a drill whose operations are measured while visitors come; it is written however the drill ends.

    drill: the file of the drill.
    """
    told = VISITORS.format(drill=Path(drill).relative_to(PAGE.parents[1]))
    section = Section(title, f"{words} {told}", OPERATION)
    try:
        yield section
    finally:
        if section.rows:
            section.write()
