# SPDX-License-Identifier: GPL-3.0-or-later
"""One empty account with the sandbox's environment declared, from which every drill takes its copies; and the clean run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.drill.plan.environments import WHOLE
from tests.drill.support.emulator import Calls, running
from tests.drill.support.runs import Project, Run
from tests.drill.support.snapshot import Snapshot


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The sandbox's environment, with a standby, before its first run. Take a copy; nobody writes to this one."""
    with running() as emulator:
        yield Project(emulator, tmp_path_factory.mktemp("sandbox"), variables=dict(WHOLE)).prepare()


@dataclass(frozen=True)
class Clean:
    """The environment after one undisturbed run. Take a copy of the project; nobody writes to this one."""

    project: Project
    run: Run
    calls: Calls
    snapshot: Snapshot


@pytest.fixture(scope="session")
def clean(empty: Project) -> Clean:
    project = empty.copy()
    run = project.apply()
    return Clean(project, run, project.emulator.calls(), project.snapshot())
