# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in a stack's buckets, and in what is copied out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_storage import storage_problems
from hypothesis import given
from hypothesis import strategies as st

DEFAULTS = yaml.safe_load((Path(__file__).parents[3] / "roles/aws_storage/defaults/main.yml").read_text())
VALUES: dict[str, Any] = {**DEFAULTS, "stack_region": "us-east-1", "aws_storage_replica_region": "us-west-2"}
LOGS = {"name": "logs", "receives_logs": True}


def told(**changes: Any) -> list[tuple[str, str]]:
    found = list(storage_problems({**VALUES, **changes}))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


@pytest.mark.parametrize("region", ["", "us-west-2"])
def test_the_defaults_have_no_problem(region: str) -> None:
    assert told(aws_storage_replica_region=region) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_storage_replica_region", "us-east-1", "where the originals are"),
        (
            "aws_storage_buckets",
            [LOGS, {"name": "a", "replica": {"bucket": "a"}}],
            "copies a into 'a', which is a bucket of the same region",
        ),
        (
            "aws_storage_buckets",
            [LOGS, {"name": "a", "replica": {"bucket": "c"}}, {"name": "b", "replica": {"bucket": "c"}}],
            "copies a, b all into 'c'",
        ),
        ("aws_storage_buckets", [LOGS, LOGS | {"name": "more", "replica": {"bucket": "c"}}], "receives logs, and has logs, more"),
        ("aws_storage_buckets", [{"name": "a", "replica": {"bucket": "c"}}], "receives logs, and has none"),
        ("aws_storage_buckets", [LOGS, {"name": "a", "replica": {"bucket": "c"}}, {"name": "a"}], "two buckets called 'a'"),
    ],
)
def test_a_fault_is_told(variable: str, value: Any, words: str) -> None:
    ((where, text),) = told(**{variable: value})
    assert where == variable
    assert words in text


def test_a_region_for_copies_that_nobody_makes_is_told() -> None:
    ((where, text),) = told(aws_storage_buckets=[LOGS])
    assert where == "aws_storage_replica_region"
    assert "no bucket is copied" in text


LEAF = st.none() | st.integers(-1, 1) | st.sampled_from(["", "x"])
COPY = LEAF | st.fixed_dictionaries({"bucket": LEAF})
ANYTHING = LEAF | st.lists(LEAF | st.fixed_dictionaries({"name": LEAF, "replica": COPY, "receives_logs": LEAF}), max_size=3)


@given(st.fixed_dictionaries({}, optional={"aws_storage_buckets": ANYTHING, "aws_storage_replica_region": LEAF, "stack_region": LEAF}))
def test_no_nonsense_breaks_the_checks(values: dict[str, Any]) -> None:
    assert all(problem.text and problem.fix for problem in storage_problems(values))
