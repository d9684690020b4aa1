# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as its readers see it, whatever it is written in: hosts with the same entries together, roles below them, values in words."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import table
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import ACTIONS, Change, Entry, Plan, digest, shorten

SYMBOLS = {"create": "+", "change": "~", "replace": "-/+", "delete": "-", "none": "?"}
MOST_UNPRICED = 6  # the rest is in plan.json
VERBS = {"create": "to create", "change": "to change", "replace": "to replace", "delete": "to delete"}


@dataclass(frozen=True)
class RoleSection:
    """What one role would do."""

    role: str
    """Empty for tasks outside of roles."""
    entries: list[Entry]
    usd: float = 0.0
    """What it adds to a month's bill, on all of the section's hosts together."""


@dataclass(frozen=True)
class HostSection:
    """What would be done on one host, or on each of several hosts alike."""

    hosts: list[str]
    roles: list[RoleSection]

    @property
    def entries(self) -> list[Entry]:
        """The entries of one of the hosts."""
        return [entry for section in self.roles for entry in section.entries]


def sections(plan: Plan) -> list[HostSection]:
    """The plan's entries, by host and role; each role comes where its first entry came."""
    alike: dict[str, list[tuple[str, list[Entry]]]] = {}
    for host, entries in groupby(plan.entries, key=lambda entry: entry.host):
        own = list(entries)
        signature = digest([dataclasses.replace(entry, host="") for entry in own])
        alike.setdefault(signature, []).append((host, own))
    return [_section(plan, [host for host, _entries in members], members[0][1]) for members in alike.values()]


def _section(plan: Plan, hosts: list[str], entries: list[Entry]) -> HostSection:
    roles: dict[str, list[Entry]] = {}
    for entry in entries:
        roles.setdefault(entry.role, []).append(entry)
    bills = [bill for bill in plan.bills if bill.host in hosts]
    return HostSection(hosts, [RoleSection(role, own, sum(bill.usd for bill in bills if bill.role == role)) for role, own in roles.items()])


def names_of_new(section: HostSection) -> set[str]:
    """What the resources are called that would be created there."""
    return {_name(entry) for entry in section.entries if entry.action == "create" and entry.resource}


def goes_without_fields(entry: Entry, new: set[str]) -> bool:
    """Whether the fields tell a reader nothing that matters: all of a resource that comes or goes, or settings of a new one.

    What a module with its own check mode reports has no resource: its fields are all that names it (packages, files).
    """
    if entry.action in ("create", "delete"):
        return bool(entry.resource or entry.calls)
    return entry.action == "change" and bool(entry.resource) and _name(entry) in new


def _name(entry: Entry) -> str:
    return entry.resource.rpartition(" ")[2]


def by_task(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Neighbours that are items of one task and are told alike, for which one line is enough when their fields do not matter."""
    for _key, group in groupby(entries, key=lambda entry: (entry.task, entry.action, entry.certain, entry.reason, entry.stateful)):
        yield list(group)


def counts(entries: Iterable[Entry]) -> str:
    """How many of each action, such as C(+ 12  ~ 1); nothing for nothing."""
    numbers = Counter(entry.action for entry in entries)
    return "  ".join(f"{SYMBOLS[action]} {numbers[action]}" for action in (*ACTIONS, "none") if numbers[action])


def notes(plan: Plan) -> list[tuple[list[str], str]]:
    """What the plan does not cover, each text once, with the hosts that it holds for; no hosts when it holds for the run."""
    texts: dict[str, list[str]] = {}
    for note in plan.notes:
        texts.setdefault(note.text, []).extend([note.host] if note.host else [])
    return [(hosts, text) for text, hosts in texts.items()]


def verdict(plan: Plan) -> str:
    """The one sentence to read when there is time for no more."""
    if plan.failed:
        many = "A task" if len(plan.failed) == 1 else f"{len(plan.failed)} tasks"
        return f"NOT A WHOLE PLAN: {many} failed in check mode. What follows is only what was found besides."
    if not plan.entries:
        return f"Nothing to do: {plan.unchanged} tasks and items are as declared."
    numbers = ", ".join(f"{number} {VERBS[action]}" for action, number in plan.totals.items())
    return f"{numbers}; {plan.unchanged} unchanged."


def cost(plan: Plan) -> str:
    """The sentence about the month's bill; empty for a plan without anything to do."""
    if not plan.entries:
        return ""
    total = plan.cost
    moves = f"about {dollars(total.usd)} a month" if round(total.usd) else "the month's bill stays about as it is"
    named, more = total.unpriced[:MOST_UNPRICED], len(total.unpriced) - MOST_UNPRICED
    unpriced = f"; not priced: {', '.join(named)}{f' and {more} more' if more > 0 else ''}" if named else ""
    return f"Cost: {moves}, by prices of {table().date:%B %Y} and without traffic and stored bytes{unpriced}."


def dollars(usd: float) -> str:
    """A difference in whole dollars, as C(+12 USD)."""
    return f"{usd:+,.0f} USD"


def subject(entry: Entry) -> str:
    """What an entry is about, besides its task: the resource, or the loop item."""
    return entry.resource or entry.item


def call_lines(entry: Entry, length: int) -> list[str]:
    """The API calls with their parameters, each cut to a length."""
    lines = []
    for call in entry.calls:
        parameters = ", ".join(f"{name}={shorten(value, length // 2)}" for name, value in call["parameters"].items())
        lines.append(shorten(f"{call['service']}:{call['operation']}({parameters})", length))
    return lines


def text_diff(change: Change) -> list[str] | None:
    """The lines of a unified diff when the change is one of texts of several lines; None for any other value."""
    sides: list[Any] = [change.before, change.after]
    if not all(isinstance(side, str) or side is None for side in sides) or not any(side and "\n" in side.rstrip("\n") for side in sides):
        return None
    before, after = ((side or "").splitlines() for side in sides)
    return list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
