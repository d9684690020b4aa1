# SPDX-License-Identifier: GPL-3.0-or-later
"""The control matrix names tasks and tests that exist, and knows every framework it speaks of."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scripts.pages import controls
from scripts.pages.inventory import ROOT

MEASURES = controls.measures()
IDS = [measure.text[:50] for measure in MEASURES]


def names(tasks: list[dict[str, Any]]) -> Iterator[str]:
    for task in tasks:
        yield str(task.get("name"))
        for part in ("block", "rescue", "always"):
            yield from names(task.get(part, []))


@functools.cache
def tasks_of(role: str) -> frozenset[str]:
    files = (ROOT / "roles" / role / "tasks").glob("*.yml")
    return frozenset(name for file in files for name in names(yaml.safe_load(file.read_text()) or []))


@functools.cache
def proofs_in(path: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("measure", MEASURES, ids=IDS)
def test_a_measure_is_done_by_tasks_and_proved_by_tests_that_exist(measure: controls.Measure) -> None:
    missing = [f"{role}: {task}" for role, tasks in measure.tasks.items() for task in tasks if task not in tasks_of(role)]
    missing += [proof for proof in measure.proofs if proof.partition("::")[2] not in proofs_in(proof.partition("::")[0])]
    assert missing == []
    assert measure.proofs


@pytest.mark.parametrize("measure", MEASURES, ids=IDS)
def test_a_measure_is_at_work_in_production_and_meets_a_known_framework(measure: controls.Measure) -> None:
    assert "production" in measure.environments
    assert measure.controls
    assert measure.controls.keys() <= controls._data()["frameworks"].keys()


def test_measures_are_told_once() -> None:
    assert len({measure.text for measure in MEASURES}) == len(MEASURES)


def test_every_role_that_protects_or_watches_is_named() -> None:
    named = {role for measure in MEASURES for role in measure.tasks}
    assert {
        "aws_account",
        "aws_audit",
        "aws_backup",
        "aws_edge",
        "aws_identity",
        "aws_keys",
        "aws_monitoring",
        "aws_security_groups",
    } <= named


def test_every_control_of_hosts_is_listed_once_and_belongs_to_a_measure() -> None:
    found = [control.number for control in controls.host_controls()]
    written = "".join(file.read_text() for file in (controls.ROLE / "vars/main").glob("*.yml"))
    assert sorted(found) == sorted(set(re.findall(r"^  - id: (.+)$", written, re.MULTILINE)))
    told = [f"CIS {number}." for measure in MEASURES for number in measure.controls.get("CIS Debian", ())]
    assert [number for number in found if number.startswith("CIS") and not f"{number}.".startswith(tuple(told))] == []
