# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for a pull request: an overview that is always open, details below that unfold."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import ACTIONS, Change, Entry, Plan, shorten, title
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_sections import (
    SYMBOLS,
    HostSection,
    call_lines,
    cost,
    counts,
    dollars,
    goes_without_fields,
    names_of_new,
    notes,
    sections,
    subject,
    text_diff,
    verdict,
)

# A comment of GitHub or GitLab may have 65536 characters; whole values are on the HTML page.
MOST_CHARACTERS = 60000
VALUE_LENGTH = 160
MOST_DIFF_LINES = 80


def render(plan: Plan) -> str:
    """The plan as Markdown, cut with a word about it where a pull request would refuse it."""
    text = "\n".join(_lines(plan)) + "\n"
    if len(text) <= MOST_CHARACTERS:
        return text
    # Only the details are as long: the overview stands above them. What is unfolded at the cut is closed.
    kept = text[:MOST_CHARACTERS].rpartition("\n</details>\n")[0]
    return f"{kept}\n</details>\n\n**The rest does not fit here: see plan.html.**\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"## Plan of {plan.environment}"
    yield ""
    yield f"**{verdict(plan)}**"
    yield ""
    if told := cost(plan):
        yield from (_escape(told), "")
    yield f"Digest `sha256:{plan.digest}`" + (f", commit `{plan.commit[:12]}`" if plan.commit else "")
    parts = sections(plan)
    if plan.failed:
        yield from ("", "### Failed in check mode", "")
        yield from (
            f"- {_code(failure.host)} {title(failure.role, failure.task)}: {_code(shorten(failure.message, 500))}"
            for failure in plan.failed
        )
    if plan.stateful:
        yield from ("", "> [!CAUTION]", "> These hold data and would be deleted or replaced:")
        yield from (
            f"> - {entry.stateful}: {_code(subject(entry) or entry.task)} on {_code(entry.host)} ({entry.action})"
            for entry in plan.stateful
        )
    if plan.notes:
        yield from ("", "### Not in this plan", "")
        yield from (f"- {', '.join(map(_code, hosts)) + ': ' if hosts else ''}{_escape(text)}" for hosts, text in notes(plan))
    if parts:
        yield from ("", "| | " + " | ".join(ACTIONS) + " | a month |", "| --- |" + " ---: |" * (len(ACTIONS) + 1))
        for section in parts:
            for role in section.roles:
                numbers = [sum(entry.action == action for entry in role.entries) or "" for action in ACTIONS]
                bill = dollars(role.usd) if round(role.usd) else ""
                yield f"| {_hosts(section)} {role.role} | " + " | ".join(map(str, [*numbers, bill])) + " |"
    for section in parts:
        yield from ("", f"### {_hosts(section)}")
        new = names_of_new(section)
        for role in section.roles:
            yield from ("", f"<details><summary>{role.role or '(no role)'}: {counts(role.entries)}</summary>", "")
            for entry in role.entries:
                yield from _entry(entry, not goes_without_fields(entry, new))
            yield from ("", "</details>")


def _hosts(section: HostSection) -> str:
    return ", ".join(map(_code, section.hosts))


def _entry(entry: Entry, with_fields: bool) -> Iterator[str]:
    about = f": {_code(subject(entry))}" if subject(entry) else ""
    stateful = f" **holds data: {entry.stateful}**" if entry.stateful else ""
    uncertain = "" if entry.certain else " *not certain*"
    reason = f" ({_escape(entry.reason)})" if entry.reason else ""
    yield f"- `{SYMBOLS[entry.action]}` {_escape(entry.task)}{about}{stateful}{uncertain}{reason}"
    if with_fields:
        for change in entry.changes:
            yield from _field(change)
        if not entry.changes:
            yield from (f"  - {_code(line)}" for line in call_lines(entry, VALUE_LENGTH))


def _field(change: Change) -> Iterator[str]:
    lines = text_diff(change)
    name = _code(change.field or "text")
    if lines is None:
        yield f"  - {name}: {_code(shorten(change.before, VALUE_LENGTH))} → {_code(shorten(change.after, VALUE_LENGTH))}"
        return
    yield f"  - {name}"
    fence = "`" * max(3, 1 + max((len(line) - len(line.lstrip("`+-")) for line in lines), default=0))
    yield from ("", f"    {fence}diff")
    yield from (f"    {line}" for line in lines[:MOST_DIFF_LINES])
    if len(lines) > MOST_DIFF_LINES:
        yield f"    and {len(lines) - MOST_DIFF_LINES} more lines"
    yield from (f"    {fence}", "")


def _code(text: str) -> str:
    """Text that Markdown shall leave as it is."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _escape(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("\n", " ")
