# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan sees, by the mutations that prove it: `python -m tests.drill.support.coverage > docs/plan-coverage.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.drill.support.declared import Declared, declared
from tests.drill.support.mutations.catalogue import mutations
from tests.drill.support.mutations.model import Mutation
from tests.drill.support.properties import FIXED, IDENTITY, STEERING, UNTRIED_ROLES

HEAD = """\
# What a plan sees

Made by `python -m tests.drill.support.coverage`; do not edit. Every task of a provisioning role that changes AWS, and every
argument that it gives to its module:

- **seen**: the property was changed behind the project's back; the plan named that and nothing else, by the API call given here;
  a run put it right, and the next plan was empty. The names are those of the mutations in `tests/drill/support/mutations/`;
  `make drill-plan` tries them all.
- **not seen**: tried too, and the plan is empty. Such a change stays until somebody looks for it.
- **fixed**: AWS lets nobody change it after creation, or the project leaves it to AWS from then on.
- **not tried**: nobody has proved what a plan says of it.

What only finds a resource (its name) or steers a module (waiting, purging) is no property and is left out.
"""


def main() -> None:
    sys.stdout.write(table())


def table() -> str:
    """The whole page."""
    lines = [HEAD]
    unseen = [mutation for mutation in mutations() if mutation.reason]
    counts = {"seen": 0, "not seen": 0, "fixed": 0, "not tried": 0}
    role = ""
    for task in declared():
        if task.role in UNTRIED_ROLES:
            continue
        if task.role != role:
            role = task.role
            lines += ["", f"## {role}", "", "| task | property | a plan | how, or why not |", "|---|---|---|---|"]
        for argument, state, why in rows(task):
            counts[state] += 1
            lines.append(f"| {task.task}<br>`{task.module}` | {argument} | {state} | {why} |")
    lines += ["", "## What a plan does not see", "", "| resource | change | why |", "|---|---|---|"]
    lines += [f"| {mutation.resource} | {mutation.what} | {mutation.reason} |" for mutation in unseen]
    lines += ["", "Roles that are not in this table: " + "; ".join(f"`{name}` ({why})" for name, why in UNTRIED_ROLES.items()) + "."]
    summary = ", ".join(f"{number} {state}" for state, number in counts.items())
    lines.insert(1, f"{len(mutations())} mutations; of the declared properties: {summary}.")
    return "\n".join(lines) + "\n"


def rows(task: Declared) -> Iterator[tuple[str, str, str]]:
    """(property, state, explanation) of each of a task's arguments, and of properties that no argument declares."""
    tried = [mutation for mutation in mutations() if mutation.task == task.task]
    for argument in task.arguments:
        proofs = [mutation for mutation in tried if argument in mutation.arguments]
        if argument in STEERING or (task.module, argument) in IDENTITY:
            continue
        if proofs:
            yield argument, *_told(proofs)
        elif reason := FIXED.get((task.module, argument)):
            yield argument, "fixed", reason
        else:
            yield argument, "not tried", ""
    for mutation in tried:
        if not set(mutation.arguments) & set(task.arguments):
            yield mutation.what, *_told([mutation])


def _told(proofs: list[Mutation]) -> tuple[str, str]:
    seen = [mutation for mutation in proofs if not mutation.reason]
    if seen:
        return "seen", "; ".join(f"{mutation.what}: `{mutation.plan[mutation.place]}` ({mutation.id})" for mutation in seen)
    return "not seen", "; ".join(f"{mutation.what}: {mutation.reason} ({mutation.id})" for mutation in proofs)


if __name__ == "__main__":
    main()
