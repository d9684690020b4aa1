# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One thing that is wrong with an inventory, and how it is told."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

SUGGESTION_CUTOFF = 0.75


@dataclass(frozen=True)
class Problem:
    """What is wrong with a variable, how to mend it, where it is declared, and which stacks it concerns.

    text continues a sentence that begins with the variable's name. places are C(file:line); empty when no file is known.
    """

    variable: str
    text: str
    fix: str
    places: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()

    def at(self, places: tuple[str, ...], stack: str) -> Problem:
        """Return the problem with its place and one stack."""
        return replace(self, places=self.places or places, stacks=(stack,))

    def also_in(self, other: Problem) -> Problem:
        """Return the problem with the places and stacks of an equal one added."""
        return replace(self, places=_union(self.places, other.places), stacks=_union(self.stacks, other.stacks))

    def __str__(self) -> str:
        where = ", ".join(self.places) or "the inventory's variables"
        concerned = f" ({', '.join(self.stacks)})" if self.stacks else ""
        return f"{where}: {self.variable} {self.text} {self.fix}{concerned}"


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return first + tuple(item for item in second if item not in first)


def suggest(name: str, known: Collection[str], kind: str) -> str:
    """Return what may have been meant, or all that there is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=SUGGESTION_CUTOFF)
    return f"Did you mean {close[0]}?" if close else f"{kind} are: {', '.join(sorted(known))}."


def report(problems: Sequence[Problem], name: str, where: str = "in the declaration of") -> str:
    """Return the one message that names every problem, numbered; nothing was changed when it is shown."""
    count = "One problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{number}. {problem}" for number, problem in enumerate(problems, start=1)]
    return "\n".join([f"{count} {where} {name}; nothing was changed.", *lines])
