# SPDX-License-Identifier: GPL-3.0-or-later
"""A run may end at any moment: whatever it has left behind, the next run completes it, and nothing is there twice."""

from __future__ import annotations

import pytest

from tests.drill.plan.conftest import Clean
from tests.drill.support.runs import Project

pytestmark = pytest.mark.emulator

POINTS = 64  # spread evenly over all writes of a run
KILLS = 12


@pytest.fixture(scope="module")
def interrupted(empty: Project, clean: Clean) -> dict[int, tuple[Project, str]]:
    """The account as it was at each point of one run: number of the point -> project, and the write just made."""
    project = empty.copy()
    writes = {1 + (clean.calls.writes - 2) * point // (POINTS - 1): point for point in range(POINTS)}
    project.emulator.copy_after(writes, project.state_dir)
    project.apply()
    return {
        writes[number]: (project.at(copy, project.state_dir.with_name(f"{project.state_dir.name}-{number}")), f"{number}: {write}")
        for number, (copy, write) in project.emulator.copies().items()
    }


@pytest.mark.parametrize("point", range(POINTS))
def test_the_next_run_completes_a_run_that_ended_after_a_write(
    interrupted: dict[int, tuple[Project, str]], clean: Clean, point: int
) -> None:
    project, write = interrupted[point]
    try:
        project.release_lease()
        run = project.run()
        assert run.returncode == 0, f"after write {write}\n" + "\n".join(run.failures)
        found = project.snapshot()
        assert found.counts == clean.snapshot.counts, f"after write {write}"
        assert clean.snapshot.differences(found) == [], f"after write {write}"
    finally:
        project.emulator.discard()


@pytest.mark.parametrize("kill", range(KILLS))
def test_the_next_run_completes_a_run_that_was_killed(empty: Project, clean: Clean, kill: int) -> None:
    """The process group gets SIGKILL while the write is unanswered; calls of the other stacks are on their way."""
    project = empty.copy()
    try:
        number = 5 + (clean.calls.writes - 10) * kill // (KILLS - 1)
        killed = project.run(kill_after_writes=number)
        assert killed.returncode == -9
        assert number <= project.emulator.calls().writes < number + 10
        run = project.run()
        assert run.returncode == 0, f"killed at write {number}\n" + "\n".join(run.failures)
        assert clean.snapshot.differences(project.snapshot()) == [], f"killed at write {number}"
    finally:
        project.emulator.discard()
