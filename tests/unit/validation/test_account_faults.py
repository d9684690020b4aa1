# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in what protects an account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_account import account_problems
from hypothesis import given
from hypothesis import strategies as st

ROLES = Path(__file__).parents[3] / "roles"
VALUES: dict[str, Any] = {
    "stack_kind": "primary",
    **yaml.safe_load((ROLES / "aws_account/defaults/main.yml").read_text()),
    "aws_keys_keys": yaml.safe_load((ROLES / "aws_keys/defaults/main.yml").read_text())["aws_keys_keys"],
}


def told(**changes: Any) -> list[tuple[str, str]]:
    found = list(account_problems({**VALUES, **changes}))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def policy(**changes: Any) -> dict[str, Any]:
    return {**VALUES["aws_account_password_policy"], **changes}


def test_the_defaults_have_no_problem() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_account_metadata_hop_limit", 0, "cannot be 0."),
        ("aws_account_metadata_hop_limit", 65, "cannot be 65."),
        ("aws_account_password_policy", policy(minimum_length=4), "cannot be 4 at aws_account_password_policy.minimum_length"),
        ("aws_account_password_policy", policy(minimum_length=129), "cannot be 129"),
        ("aws_account_password_policy", policy(maximum_age_days=-1), "cannot be -1"),
        ("aws_account_password_policy", policy(maximum_age_days=1096), "cannot be 1096"),
        ("aws_account_password_policy", policy(reuse_prevention=25), "cannot be 25"),
        ("aws_account_analyzers", [{"name": "a"}, {"name": "a", "type": "ACCOUNT_UNUSED_ACCESS"}], "two analyzers called 'a'"),
        ("aws_account_analyzers", [{"name": "a"}, {"name": "b", "type": "ACCOUNT"}], "two analyzers of the type ACCOUNT"),
        ("aws_account_analyzers", [{"name": "1st"}], "an analyzer called '1st'"),
        ("aws_account_analyzers", [{"name": "a", "unused_days": 90}], "sets unused_days for 'a'"),
        ("aws_account_analyzers", [{"name": "a", "type": "ACCOUNT_UNUSED_ACCESS", "unused_days": 0}], "cannot be 0"),
        ("aws_account_volume_key", "genral", "names 'genral', which is no key"),
        ("aws_account_volume_key", "database", "nothing could be launched"),
    ],
)
def test_a_fault_is_told(variable: str, value: Any, words: str) -> None:
    ((where, text),) = told(**{variable: value})
    assert where == variable
    assert words in text


def test_a_global_stack_has_no_keys() -> None:
    assert told(stack_kind="global", aws_keys_keys=[]) == []


LEAF = st.none() | st.integers(-1, 1) | st.sampled_from(["", "x"])
ANYTHING = LEAF | st.lists(LEAF | st.fixed_dictionaries({"name": LEAF}), max_size=2) | st.fixed_dictionaries({"minimum_length": LEAF})


@given(st.dictionaries(st.sampled_from(sorted(VALUES)), ANYTHING, max_size=3))
def test_values_of_a_wrong_type_are_passed_over(changes: dict[str, Any]) -> None:
    told(**changes)
