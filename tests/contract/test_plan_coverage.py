# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/plan-coverage.md says what the mutations prove, no more and no less."""

from __future__ import annotations

from tests.drill.support.coverage import table
from tests.drill.support.declared import ROOT, declared
from tests.drill.support.mutations.catalogue import mutations


def test_the_table_is_current() -> None:
    told = (ROOT / "docs/plan-coverage.md").read_text()
    assert told == table(), "run: .venv/bin/python -m tests.drill.support.coverage > docs/plan-coverage.md"


def test_every_mutation_is_of_a_task_that_exists() -> None:
    tasks = {task.task for task in declared()}
    assert {mutation.task for mutation in mutations()} <= tasks


def test_there_are_mutations_of_every_kind() -> None:
    assert len(mutations()) >= 60
    assert len({mutation.id for mutation in mutations()}) == len(mutations())
