# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/runbooks.md: what an operator can start, made from the manifests."""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import read_catalogue, read_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import Input, Runbook

from scripts.pages.inventory import ROOT

HEAD = """\
# Runbooks

Made from the manifests in `runbooks/` by `python -m scripts.pages`; do not edit. [awx.md](awx.md) says what the keys of a manifest mean,
how AWX offers a runbook, and how to add one.

```
make runbook NAME=<runbook> ENV=<environment> [PLAN=1] [ARGS="<input>=<value> ..."]    # as a job of AWX runs it
ansible-playbook <playbook> -i inventories/<environment> [--check] [-e <input>=<value>]
```

An input that is missing, of the wrong type, beyond its limits or unknown is refused before anything is written.
"""
LIMITS = {"str": "characters", "list": "items"}


def page() -> str:
    """The whole page."""
    found = read_runbooks(read_catalogue()).values()
    lines = [HEAD, "| runbook | what it does | effect | where | somebody approves |", "|---|---|---|---|---|"]
    for runbook in found:
        where, approval = ", ".join(runbook.environments), ", ".join(runbook.approval)
        lines.append(f"| [{runbook.name}](#{runbook.name}) | {runbook.title} | {runbook.effect} | {where} | {approval or 'nowhere'} |")
    return "\n".join(lines + [line for runbook in found for line in _section(runbook)]) + "\n"


def _section(runbook: Runbook) -> Iterator[str]:
    yield from (f"\n## {runbook.name}\n", runbook.purpose, "")
    facts = {
        "playbook": f"[{runbook.playbook}](../{runbook.playbook})",
        "a job is given up after": f"{runbook.timeout_minutes} min",
        "a failed job is": runbook.severity,
        "run by": f"[{runbook.proof}](../{runbook.proof})",
        **{name.partition("_")[0].upper(): f"{value} min" for name, value in runbook.objectives.items()},
    }
    if runbook.plan:
        facts["in a workflow"] = " -> ".join(
            ["plan", *(["approval"] if runbook.approval else []), "apply", *(["verify"] if runbook.verify else [])]
        )
    for schedule in runbook.schedules:
        facts[f"schedule {schedule.name}"] = f"`{schedule.rrule}`; on in {', '.join(schedule.environments) or 'no environment'}"
    yield from ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]
    yield from _told(runbook.playbook)
    if runbook.inputs:
        yield from ("", "| input | | |", "|---|---|---|")
        yield from (f"| `{name}` | {_kind(given)} | {given.description} |" for name, given in runbook.inputs.items())


def _kind(given: Input) -> str:
    unit = LIMITS.get(given.type, "")
    limits = [
        "required" if given.required else "",
        given.type,
        f"one of {', '.join(map(str, given.choices))}" if given.choices else "",
        f"from {given.minimum:g} {unit}".strip() if given.minimum is not None else "",
        f"to {given.maximum:g} {unit}".strip() if given.maximum is not None else "",
        given.pattern_help,
        f"`{yaml.safe_dump(given.default).splitlines()[0]}` when left out" if given.default is not None else "",
    ]
    return "; ".join(filter(None, limits))


def _told(playbook: str) -> Iterator[str]:
    """What the playbook's own head says of its effect and its undoing; site.yml has none."""
    part = ""
    told: dict[str, list[str]] = {}
    for line in (ROOT / playbook).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") and line != "---":
            break
        text = line.removeprefix("#").strip()
        word = text.partition(":")[0]
        if word in {"Purpose", "Inputs", "Effect", "Undo"}:
            part, text = word, text.removeprefix(f"{word}:").strip()
        if part in {"Effect", "Undo"}:
            told.setdefault(part, []).append(text)
    yield from (f"\n**{name}.** {' '.join(texts)}" for name, texts in told.items())
