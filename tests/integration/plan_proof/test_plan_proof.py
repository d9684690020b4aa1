# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form of the plan drills (tests/drill/plan): the network of one region, planned, made, damaged, planned, and a run cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.drill.support.emulator import running
from tests.drill.support.judgement import judge, told
from tests.drill.support.mutations.catalogue import batches
from tests.drill.support.mutations.model import DR
from tests.drill.support.runs import Project, Run
from tests.drill.support.snapshot import Snapshot

pytestmark = pytest.mark.emulator

PART = ("--limit", DR, "--tags", "aws_keys,aws_network,aws_security_groups")
TASKS = (
    "Make the VPC",
    "Give each tier",
    "Make the network ACLs",
    "Reach ",
    "Record all",
    "Let each",
    "Close the default",
    "Make the SSH key",
)
CUT_OFF_AT = 60  # writes, of about 150


@dataclass(frozen=True)
class Proof:
    project: Project
    planned: Run
    applied: Run
    again: Run
    snapshot: Snapshot
    cut_off: Project


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    with running() as emulator:
        project = Project(emulator, tmp_path_factory.mktemp("sandbox")).prepare()
        emulator.reset_calls()
        planned = project.plan(*PART)
        assert emulator.calls().log == []
        emulator.copy_after([CUT_OFF_AT], project.state_dir)
        applied = project.apply(*PART)
        ((number, (copy, _write)),) = emulator.copies().items()
        emulator.reset_calls()
        again = project.plan(*PART)
        assert emulator.calls().log == []
        cut_off = project.at(copy, project.state_dir.with_name(f"{project.state_dir.name}-{number}"))
        yield Proof(project, planned, applied, again, project.snapshot(), cut_off)


def test_the_plan_of_an_empty_account_is_what_is_then_done(proof: Proof) -> None:
    assert proof.planned.returncode == 2, "\n".join(proof.planned.failures)
    assert told(proof.planned.planned, proof.applied.changes) == []


def test_there_is_nothing_to_plan_afterwards(proof: Proof) -> None:
    assert proof.again.planned == set()
    assert proof.again.returncode == 0, "\n".join(proof.again.failures)


def test_a_plan_names_what_was_changed_and_nothing_else(proof: Proof) -> None:
    batch = [mutation for mutation in batches()[0] if mutation.host == DR and mutation.task.startswith(TASKS)]
    assert len(batch) >= 10
    project = proof.project.copy()
    for mutation in batch:
        mutation.do(project.emulator)
    assert judge(project.plan(*PART), batch) == []


def test_the_next_run_completes_one_that_was_cut_off(proof: Proof) -> None:
    proof.cut_off.release_lease()
    run = proof.cut_off.run(*PART)
    assert run.returncode == 0, "\n".join(run.failures)
    assert proof.snapshot.differences(proof.cut_off.snapshot()) == []
