# SPDX-License-Identifier: GPL-3.0-or-later
"""What drills of operations have measured, written by themselves into docs/drills.md: one section each, which its drill replaces."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs/drills.md"
HEAD = """# Drills

What was measured when operations were carried out for real in the sandbox: real hosts, load balancers and databases on one machine.
Each section is written by its drill, from what it has just measured; do not edit. `make drill-operations` runs those of releases and
patching on a running site. Seconds depend on the machine; that no request fails does not.
"""


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
