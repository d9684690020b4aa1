# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a plan is the truth: compared with what was done, or with what was changed behind the project's back."""

from __future__ import annotations

from tests.drill.support.mutations.model import Mutation
from tests.drill.support.runs import Change, Run


def told(planned: set[Change], done: set[Change]) -> list[str]:
    """The differences between what was planned and what was done, in words."""
    return [f"planned, not done: {' / '.join(change)}" for change in sorted(planned - done)] + [
        f"done, not planned: {' / '.join(change)}" for change in sorted(done - planned)
    ]


def judge(run: Run, batch: list[Mutation]) -> list[str]:
    """How a plan differs from what the mutations call for."""
    assert run.plan is not None, run.output[-3000:]
    entries = {(entry.host, entry.task, entry.item): entry for entry in run.plan.entries}
    expected = [(mutation, (mutation.host, *place), operation) for mutation in batch for place, operation in mutation.plan.items()]
    caused = {place for _mutation, place, _operation in expected}
    complaints = [f"the plan failed: {failure}" for failure in run.failures]
    complaints += [
        f"planned without a cause: {place}: {entry.action} {entry.changes or [call['operation'] for call in entry.calls]} {entry.reason}"
        for place, entry in entries.items()
        if place not in caused
    ]
    for mutation, place, operation in expected:
        entry = entries.get(place)
        if entry is None:
            complaints.append(f"not planned: {mutation.id}: {place}")
            continue
        operations = [call["operation"] for call in entry.calls]
        fields = [change.field for change in entry.changes]
        if operation and operation not in operations:
            complaints.append(f"planned by other calls: {mutation.id}: {operations}, not {operation}")
        if mutation.field and place[1:] == mutation.place and mutation.field not in fields:
            complaints.append(f"another field: {mutation.id}: {fields}, not {mutation.field}")
        if not entry.certain:
            complaints.append(f"not certain: {mutation.id}: {entry.reason}")
    return complaints
