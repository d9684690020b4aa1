# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The review of an incident as Markdown, made of its timeline alone: the same timeline gives the same text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ansible_collections.indivillage.infra.plugins.module_utils.incidents import CLOSED, NOTE, Entry, standing

CONTAINMENT = ("isolated", "blocked", "revoked")
EVIDENCE = ("isolated", "evidence")


def review(incident: str, entries: list[Entry], blocks: list[Entry]) -> str:
    """The document. `entries` is a closed incident's timeline, `blocks` what is still blocked because of it."""
    return "\n".join(_lines(incident, entries, blocks)) + "\n"


def elapsed(begin: str, end: str) -> str:
    """How long something took, for people: `3 h 05 min`, `4 min 10 s`."""
    seconds = round((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds % 60:02} s"


def _lines(incident: str, entries: list[Entry], blocks: list[Entry]) -> Iterator[str]:
    state = standing(entries)
    closing = next(entry for entry in entries if entry["kind"] == CLOSED)
    began, answer = state["declared"], next((entry for entry in entries if entry["kind"] in {*CONTAINMENT, NOTE}), None)
    yield f"# Review of incident {incident}: {state['title']}"
    yield ""
    yield "| | |\n| --- | --- |"
    yield f"| severity | {state['severity']} |"
    yield f"| class | {state['class'].replace('_', ' ')} |"
    yield f"| commander | {state['commander']} |"
    yield f"| declared | {_clock(began)} |"
    yield f"| closed | {_clock(state['closed'])}, after {elapsed(began, state['closed'])} |"
    yield f"| to be answered by | {_clock(state['respond_by'])} |"
    if answer:
        kept = "in time" if answer["at"] <= state["respond_by"] else "**late**"
        yield f"| first answer | {_clock(answer['at'])}, after {elapsed(began, answer['at'])}: {kept} |"
    else:
        yield "| first answer | **none is recorded** |"
    yield ""
    yield "## What happened"
    yield ""
    yield closing["details"]["summary"]
    yield ""
    yield "## Cause"
    yield ""
    yield closing["details"]["cause"] or "Not found."
    yield ""
    yield "## Timeline"
    yield ""
    yield "| time (UTC) | after | what | by |\n| --- | --- | --- | --- |"
    for entry in entries:
        by = entry["by"].rpartition(":")[2]
        yield f"| {_clock(entry['at'])} | {elapsed(began, entry['at'])} | {_cell(entry['text'])} | {_cell(by)} |"
    yield ""
    yield "## Evidence"
    yield ""
    evidence = [entry for entry in entries if entry["kind"] in EVIDENCE]
    yield from [line for entry in evidence for line in _evidence(entry)] or ["None was taken."]
    yield ""
    yield "## Still in force"
    yield ""
    yield from [f"- {line}" for line in _in_force(entries, blocks)] or ["Nothing."]
    yield ""
    yield "## What is to be done"
    yield ""
    yield from [f"- [ ] {action}" for action in closing["details"]["actions"]] or ["Nothing was decided."]


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M:%S")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _evidence(entry: Entry) -> Iterator[str]:
    details = entry["details"]
    for snapshot in details.get("snapshots", []):
        yield f"- snapshot `{snapshot['snapshot_id']}` of volume `{snapshot['volume_id']}`, begun {_clock(snapshot['started'])}"
    for file in details.get("files", []):
        yield f"- `{file['place']}`, {file['bytes']} bytes, SHA-256 `{file['sha256']}`"
    if details.get("record"):
        yield f"- chain of custody: `{details['record']['place']}`, SHA-256 `{details['record']['sha256']}`"
    if details.get("missing"):
        yield f"- missing: {details['missing']}"


def _in_force(entries: list[Entry], blocks: list[Entry]) -> Iterator[str]:
    for block in blocks:
        yield f"`{block['network']}` is blocked until {_clock(block['until'])}"
    for entry in entries:
        if entry["kind"] == "isolated":
            yield f"instance `{entry['details']['instance_id']}` is quarantined, and protected against termination"
        if entry["kind"] == "revoked":
            yield f"`{entry['details']['principal']}` may not use sessions from before {_clock(entry['details']['before'])}"
