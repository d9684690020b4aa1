# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody changes the account behind the project's back: the plan names that and nothing else, and a run puts it right.

Mutations that do not meet are tried together; `pytest tests/drill/plan -k "test_alone and <id>"` tries one alone.
"""

from __future__ import annotations

import pytest

from tests.drill.plan.conftest import Clean
from tests.drill.support.judgement import judge
from tests.drill.support.mutations.catalogue import batches, mutations
from tests.drill.support.mutations.model import Mutation
from tests.drill.support.runs import Project

pytestmark = pytest.mark.emulator

SEEN = [mutation for mutation in mutations() if not mutation.reason]
UNSEEN = [mutation for mutation in mutations() if mutation.reason]


def names(batch: list[Mutation]) -> str:
    return batch[0].id if len(batch) == 1 else f"{batch[0].id}-and-{len(batch) - 1}-more"


@pytest.mark.parametrize("batch", batches(), ids=names)
def test_a_plan_names_what_was_changed_and_a_run_puts_it_right(clean: Clean, batch: list[Mutation]) -> None:
    project = clean.project.copy()
    try:
        complaints = try_out(project, batch)
        differences = clean.snapshot.differences(project.snapshot())
    finally:
        project.emulator.discard()
    assert complaints == []
    assert differences == []


def test_what_a_plan_does_not_see_is_what_the_documentation_says(clean: Clean) -> None:
    project = clean.project.copy()
    try:
        for mutation in UNSEEN:
            mutation.do(project.emulator)
        run = project.plan()
    finally:
        project.emulator.discard()
    assert run.planned == set()


@pytest.mark.parametrize("mutation", SEEN, ids=lambda mutation: mutation.id)
def test_alone(request: pytest.FixtureRequest, mutation: Mutation) -> None:
    if "test_alone" not in request.config.getoption("keyword"):
        pytest.skip("tried together with others; -k test_alone tries each by itself")
    clean: Clean = request.getfixturevalue("clean")
    project = clean.project.copy()
    try:
        assert try_out(project, [mutation]) == []
    finally:
        project.emulator.discard()


def try_out(project: Project, batch: list[Mutation]) -> list[str]:
    """Change, plan, apply, plan again; what was not as it has to be."""
    for mutation in batch:
        mutation.do(project.emulator)
    project.emulator.reset_calls()
    run = project.plan()
    complaints = [f"the plan wrote: {call}" for call in project.emulator.calls().log]
    complaints += judge(run, batch)
    applied = project.run()
    complaints += [f"apply: {failure}" for failure in applied.failures]
    again = project.plan()
    return complaints + [f"planned again after the run: {place}" for place in sorted(again.planned)]
