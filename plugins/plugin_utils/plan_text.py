# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for a terminal: one screen for a usual change, long values shortened."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import HIDDEN, Change, Entry, Plan, shorten, title
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_sections import (
    SYMBOLS,
    HostSection,
    by_task,
    call_lines,
    cost,
    counts,
    goes_without_fields,
    names_of_new,
    notes,
    sections,
    subject,
    text_diff,
    verdict,
)

MOST_FIELDS = 12
MOST_CALLS = 4


def render(plan: Plan, width: int = 120) -> str:
    """The plan as lines of at most about C(width) characters, without a final line break."""
    return "\n".join(_lines(plan, max(width, 60)))


def _lines(plan: Plan, width: int) -> Iterator[str]:
    commit = f", commit {plan.commit[:12]}" if plan.commit else ""
    yield f"PLAN of {plan.environment}{commit}"
    yield verdict(plan)
    yield from textwrap.wrap(cost(plan), width, break_on_hyphens=False)
    yield from _failures(plan)
    yield from _stateful(plan)
    for section in sections(plan):
        yield ""
        yield from _section(section, width)
    yield from _notes(plan)
    yield ""
    yield f"Digest sha256:{plan.digest}"


def _failures(plan: Plan) -> Iterator[str]:
    for failure in plan.failed:
        item = f" ({failure.item})" if failure.item else ""
        yield f"  !! {failure.host}: {title(failure.role, failure.task)}{item}"
        yield from (f"       {line}" for line in failure.message.splitlines())


def _stateful(plan: Plan) -> Iterator[str]:
    for entry in plan.stateful:
        yield f"  !! {entry.action.upper()} OF WHAT HOLDS DATA ({entry.stateful}): {subject(entry) or entry.task}, {entry.host}"


def _section(section: HostSection, width: int) -> Iterator[str]:
    yield from _heading(
        ", ".join(section.hosts) + (f" ({len(section.hosts)} alike)" if len(section.hosts) > 1 else ""), section.entries, width
    )
    new = names_of_new(section)
    for role in section.roles:
        yield from _heading(f"  {role.role or '(no role)'}", role.entries, width)
        for entries in by_task(role.entries):
            if all(goes_without_fields(entry, new) for entry in entries):
                yield f"    {_head(entries[0])}{_listing(entries, width)}{_remark(entries[0])}"
            else:
                for entry in entries:
                    yield from _entry(entry, width)


def _heading(text: str, entries: Iterable[Entry], width: int) -> Iterator[str]:
    numbers = counts(entries)
    yield f"{text:<{max(width - len(numbers) - 1, 0)}} {numbers}"


def _entry(entry: Entry, width: int) -> Iterator[str]:
    about = subject(entry)
    yield f"    {_head(entry)}{': ' if about else ''}{about}{_remark(entry)}"
    shown = entry.changes[:MOST_FIELDS]
    for change in shown:
        yield f"          {_field(change, width)}"
    if len(entry.changes) > len(shown):
        yield f"          and {len(entry.changes) - len(shown)} more fields"
    if not entry.changes:
        calls = call_lines(entry, width - 10)
        yield from (f"          {line}" for line in calls[:MOST_CALLS])
        if len(calls) > MOST_CALLS:
            yield f"          and {len(calls) - MOST_CALLS} more calls"


def _head(entry: Entry) -> str:
    return f"{SYMBOLS[entry.action]:<3} {entry.task}"


def _listing(entries: list[Entry], width: int) -> str:
    """What the entries are about: as many names as fit on the line, and how many there are."""
    if len(entries) == 1:
        return f": {subject(entries[0])}" if subject(entries[0]) else ""
    names = [entry.item or entry.resource for entry in entries if entry.item != HIDDEN]
    if not names:
        return f": {len(entries)}"
    text, room = "", width - len(_head(entries[0])) - 20
    for number, name in enumerate(names):
        longer = f"{text}, {name}" if text else name
        if text and len(longer) > room:
            return f": {len(names)}: {text} and {len(names) - number} more"
        text = longer
    return f": {len(names)}: {text}"


def _remark(entry: Entry) -> str:
    stateful = f"  !! HOLDS DATA: {entry.stateful}" if entry.stateful else ""
    reason = shorten(entry.reason, 120) if entry.reason else ""
    uncertain = "" if entry.certain else f"  (not certain: {reason or 'no reason given'})"
    return stateful + (uncertain or (f"  ({reason})" if reason else ""))


def _field(change: Change, width: int) -> str:
    lines = text_diff(change)
    name = change.field or "text"
    if lines is not None:
        added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        return f"{name}: {added} lines come, {removed} go"
    length = max((width - len(name) - 16) // 2, 20)
    return f"{name}: {shorten(change.before, length)} -> {shorten(change.after, length)}"


def _notes(plan: Plan) -> Iterator[str]:
    if plan.notes:
        yield ""
        yield "Not in this plan:"
        yield from (f"  {', '.join(hosts) + ': ' if hosts else ''}{text}" for hosts, text in notes(plan))
