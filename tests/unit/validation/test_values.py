# SPDX-License-Identifier: GPL-3.0-or-later
"""What the validation says about names and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation import Catalogue, Stack, find_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem, report
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_sources import COMMAND_LINE, Declaration
from hypothesis import given
from hypothesis import strategies as st

CATALOGUE = Catalogue(
    shared={
        "environment_name": {
            "type": "str",
            "required": True,
            "pattern": "[a-z]+",
            "pattern_help": "lower-case letters",
            "description": "Who.",
        },
        "aws_account_id": {"type": "str", "pattern": "[0-9]{12}", "pattern_help": "12 digits", "description": "The account."},
        "security_zones": {"type": "list", "elements": "str", "pattern": "[a-z]", "pattern_help": "one letter"},
    },
    roles={
        "aws_archive": {
            "aws_archive_days": {"type": "int", "required": True, "description": ["Days.", "More."]},
            "aws_archive_mode": {"type": "str", "choices": ["one", "all"]},
            "aws_archive_token": {"type": "int", "no_log": True},
            "aws_archive_buckets": {
                "type": "list",
                "elements": "dict",
                "options": {"name": {"type": "str", "required": True}, "expire_days": {"type": "int"}, "rules": {"type": "list"}},
            },
            "aws_archive_limits": {"type": "dict", "options": {"low": {"type": "int"}, "high": {"type": "int"}}},
        },
        "web_tier": {"web_tier_port": {"type": "int", "required": True}},
    },
    hosts={"host_stack": {"type": "str"}},
    connection=frozenset({"ansible_connection", "ansible_host"}),
)
GOOD = {"environment_name": "production", "aws_archive_days": 3}


def problems(values: dict[str, Any], declarations: tuple[Declaration, ...] = (), **attributes: Any) -> list[Problem]:
    stack = Stack("production-us-east-1", ("stacks", "primary"), ("aws_archive",), {**GOOD, **values}, **attributes)
    return find_problems([stack], CATALOGUE, declarations)


def only(values: dict[str, Any], **attributes: Any) -> Problem:
    found = problems(values, **attributes)
    assert len(found) == 1, found
    return found[0]


def test_a_good_inventory_has_no_problem() -> None:
    assert (
        problems({"aws_archive_buckets": [{"name": "logs", "expire_days": 3}], "host_stack": "x", "aws_account_id": "123456789012"}) == []
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("aws_archive_dasy", "aws_archive_days"),
        ("aws_archive_bucket", "aws_archive_buckets"),
        ("enviroment_name", "environment_name"),
        ("web_teir_port", "web_tier_port"),
        ("host_stck", "host_stack"),
    ],
)
def test_a_misspelt_name_is_told_with_what_was_meant(name: str, meant: str) -> None:
    problem = only({name: None})

    assert problem.variable == name
    assert problem.fix == f"Did you mean {meant}?"


def test_a_name_far_from_all_others_is_told_without_a_guess() -> None:
    assert "Did you mean" not in only({"zzz": None}).fix


def test_connection_variables_are_ansibles_but_their_misspellings_are_not() -> None:
    assert problems({"ansible_host": "x", "ansible_mitogen_mode": "y"}) == []
    assert "ansible_connection" in only({"ansible_conection": "local"}).fix


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("aws_archive_days", None, "has no value"),
        ("aws_archive_days", "many", "unable to convert to int"),
        ("aws_archive_days", [1], "is no number"),
        ("aws_archive_mode", "two", "one of: one, all"),
        ("aws_archive_days", [2**63, None], "is no number"),
        ("aws_archive_limits", {"low": [2**63, None]}, "is no number at aws_archive_limits.low"),
        ("aws_archive_buckets", "logs,uploads", "is no list"),
        ("aws_archive_buckets", {"name": "logs"}, "is no list"),
        ("aws_archive_buckets", ["logs"], "is no dictionary at aws_archive_buckets[0]"),
        ("aws_archive_buckets", [{"name": "logs", "rules": "a"}], "is no list at aws_archive_buckets[0].rules"),
        ("aws_archive_buckets", [{"expire_days": 3}], "missing required arguments: name"),
        ("aws_archive_buckets", [{"name": "logs", "expire_days": "x"}], "'expire_days' is of type str"),
        ("aws_archive_limits", ["low"], "is no dictionary"),
        ("aws_account_id", "12345", "cannot be '12345'"),
        ("aws_account_id", 12345678901, "cannot be '12345678901'"),
        ("environment_name", "Production", "cannot be 'Production'"),
        ("security_zones", ["a", "bb"], "cannot be 'bb'"),
    ],
)
def test_a_wrong_value_is_told(name: str, value: Any, words: str) -> None:
    problem = only({name: value})

    assert problem.variable == name
    assert words in problem.text
    assert problem.fix


def test_an_unknown_key_inside_is_told_with_what_was_meant() -> None:
    problem = only({"aws_archive_buckets": [{"name": "logs", "exprie_days": 3}]})

    assert "exprie_days" in problem.text
    assert problem.fix == "Did you mean expire_days?"


def test_the_value_of_a_secret_option_is_not_told() -> None:
    assert "hunter2" not in str(only({"aws_archive_token": "hunter2"}))


def test_a_value_that_nobody_set_yet_is_told_with_its_path_and_meaning() -> None:
    assert "The account." in only({"aws_account_id": "CHANGE_ME"}).fix
    assert "aws_archive_buckets[0].name" in only({"aws_archive_buckets": [{"name": "CHANGE_ME"}]}).text


def test_a_missing_variable_of_a_layer_is_told_unless_the_role_has_a_default() -> None:
    stack = Stack("s", layers=("aws_archive",), values={"environment_name": "x"})
    (problem,) = find_problems([stack], CATALOGUE)
    assert (problem.variable, "is not set" in problem.text, "Days." in problem.text) == ("aws_archive_days", True, True)

    with_default = Stack("s", layers=("aws_archive",), values={"environment_name": "x"}, defaults={"aws_archive_days": None})
    assert find_problems([with_default], CATALOGUE) == []


def test_a_layer_that_is_no_role_is_told() -> None:
    stack = Stack("s", layers=("aws_archve",), values={"environment_name": "x"})
    (problem,) = find_problems([stack], CATALOGUE)
    assert problem.fix == "Did you mean aws_archive?"


def test_what_cannot_be_evaluated_counts_only_where_it_is_used() -> None:
    assert "'nope' is undefined" in only({}, failures={"aws_archive_mode": "'nope' is undefined"}).text
    assert problems({}, failures={"web_tier_port": "instances know this", "host_stack": "so do they"}) == []


def test_equal_problems_of_several_stacks_are_told_once() -> None:
    stacks = [Stack(name, layers=("aws_archive",), values={**GOOD, "aws_archive_days": "x"}) for name in ("one", "two")]

    (problem,) = find_problems(stacks, CATALOGUE)

    assert problem.stacks == ("one", "two")


def test_the_place_is_the_declaration_that_wins() -> None:
    base, special, command = Path("/inventory/base.yml"), Path("/inventory/primary.yml"), Declaration("aws_archive_days", COMMAND_LINE)
    declarations = (Declaration("aws_archive_days", "primary", special, 7), Declaration("aws_archive_days", "all", base, 3, order=9))
    foreign = Declaration("aws_archive_days", "dr", Path("/inventory/dr.yml"), 1)

    assert problems({"aws_archive_days": "x"}, (*declarations, foreign))[0].places == (f"{special}:7",)
    assert problems({"aws_archive_days": "x"}, (*declarations, command))[0].places == ("extra variables (-e)",)
    assert problems({"aws_archive_days": "x"})[0].places == ()


def test_a_name_set_twice_in_one_file_is_told() -> None:
    declarations = (Declaration("aws_archive_days", "all", Path("/x.yml"), 9, earlier_line=2),)
    assert "first in line 2" in problems({}, declarations)[0].text


def test_the_report_counts_and_numbers() -> None:
    found = [Problem("a", "is wrong.", "Mend it.", ("x.yml:1",), ("one",)), Problem("b", "is wrong.", "Mend it.")]

    assert report(found, "production").splitlines() == [
        "2 problems in the declaration of production; nothing was changed.",
        "1. x.yml:1: a is wrong. Mend it. (one)",
        "2. the inventory's variables: b is wrong. Mend it.",
    ]
    assert report(found[:1], "production").startswith("One problem")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(value=ANYTHING, name=st.sampled_from(sorted(CATALOGUE.names)))
def test_no_value_breaks_the_validation(value: Any, name: str) -> None:
    for problem in problems({name: value}):
        assert problem.text
        assert problem.fix
