# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan of an empty account lists what a run then changes, task by task and item by item; afterwards there is nothing to plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.drill.plan.conftest import Clean
from tests.drill.plan.environments import CHANGED, Declaration, declarations
from tests.drill.support.emulator import running
from tests.drill.support.judgement import told
from tests.drill.support.runs import Project, Run

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module", params=declarations(), ids=lambda declaration: declaration.name)
def rounds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Run, Run, Run]]:
    """A plan of the empty account, a run, and a plan of what it made."""
    declaration: Declaration = request.param
    with running() as emulator:
        project = declaration.prepare(emulator, tmp_path_factory.mktemp(declaration.name))
        emulator.reset_calls()
        planned = project.plan()
        assert emulator.calls().log == [], "a plan writes nothing"
        applied = project.apply(*declaration.approval(planned))
        emulator.reset_calls()
        again = project.plan()
        assert emulator.calls().log == [], "a plan writes nothing"
        yield project, planned, applied, again


def test_the_plan_of_an_empty_account_is_what_is_then_done(rounds: tuple[Project, Run, Run, Run]) -> None:
    _project, planned, applied, _again = rounds
    assert planned.returncode == 2, "\n".join(planned.failures) + planned.output[-3000:]
    assert told(planned.changes, applied.changes) == []
    assert told(planned.planned, applied.changes) == []


def test_there_is_nothing_to_plan_afterwards(rounds: tuple[Project, Run, Run, Run]) -> None:
    _project, _planned, _applied, again = rounds
    assert again.plan is not None
    assert [f"{entry.host} {entry.task} {entry.item}: {entry.action} {entry.changes or entry.calls}" for entry in again.plan.entries] == []
    assert again.changes == set()
    assert again.returncode == 0, "\n".join(again.failures)


def test_the_plan_of_another_declaration_is_what_is_then_done(clean: Clean) -> None:
    project = replace(clean.project.copy(), variables=CHANGED)
    planned = project.plan()
    assert planned.returncode == 2, "\n".join(planned.failures)
    assert "Replace their instances" in {task for _host, _role, task, _item in planned.planned}
    applied = project.apply()
    assert told(planned.planned, applied.changes) == []
    assert project.plan().planned == set()
    project.emulator.discard()


def test_without_the_worker_the_account_is_the_same(empty: Project, clean: Clean) -> None:
    project = empty.copy()
    project.apply("-e", "stack_connection=local")
    assert clean.snapshot.differences(project.snapshot()) == []
    project.emulator.discard()
