# SPDX-License-Identifier: GPL-3.0-or-later
"""An API that is slow and refuses every fifth call: a run takes longer, and ends where it would have ended."""

from __future__ import annotations

import pytest

from tests.drill.plan.conftest import Clean
from tests.drill.support.runs import Project

pytestmark = pytest.mark.emulator


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_converges(empty: Project, clean: Clean, seed: int) -> None:
    project = empty.copy()
    try:
        project.emulator.misbehave(latency_seconds=0.1, share=0.2, seed=seed)
        run = project.run()
        calls = project.emulator.calls()
        project.emulator.misbehave()
        assert calls.faults > 0.15 * (calls.reads + calls.writes), "a fifth of all calls, retries included, was refused"
        assert run.returncode == 0, "\n".join(run.failures)
        assert clean.snapshot.differences(project.snapshot()) == []
    finally:
        project.emulator.discard()
