# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says about an environment that nobody is changing: how far it has drifted, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Plan, compare
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_sections import verdict

SHOWN = 20  # as much as a message that people read on a telephone should hold


def summary(plan: Plan, before: Plan | None, last_run: Mapping[str, Any]) -> str:
    """A short text for people: what differs, what of it is new since the plan that was made before, and what the last run tells of it."""
    if not plan.entries:
        return f"{plan.environment} is as it is declared."
    lines = [f"{plan.environment} is not as it is declared. {verdict(plan)}", since(plan, last_run)]
    entries = [f"- {entry.host}: {entry.action} {entry.resource or entry.item or entry.task}" for entry in plan.entries]
    lines += [*entries[:SHOWN], *([f"- and {len(entries) - SHOWN} more"] if len(entries) > SHOWN else [])]
    if before is not None:
        moved = [f"- {sentence}" for sentence in compare(before, plan)][:SHOWN]
        lines += ["Since the last detection:", *moved] if moved else ["All of it was there at the last detection."]
    return "\n".join(lines)


def since(plan: Plan, last_run: Mapping[str, Any]) -> str:
    """What the record of the last run says about the origin of differences."""
    if not last_run:
        return "No run is recorded, so nobody can say since when."
    run = f"the last run, {last_run['run_id']} of {last_run['who']}"
    if last_run["result"] != "succeeded":
        return f"Some of it may be what {run}, has left undone: it {last_run['result']}."
    if last_run.get("commit") and last_run["commit"] != plan.commit.rstrip("+"):
        commits = f"of commit {last_run['commit'][:12]}, and this is {plan.commit[:12]}"
        return f"Some of it may be new in the declaration: {run}, was {commits}."
    return f"All of it was changed since {run}, which ended at {last_run.get('ended') or 'an unknown time'} with this very declaration."
