# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables the items of a list share, and that each is evaluated once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString
from ansible.template import Templar
from ansible_collections.indivillage.infra.plugins.plugin_utils.shared_variables import SharedVariables


def trusted(value: Any) -> Any:
    if isinstance(value, str):
        return TrustedAsTemplate().tag(value)
    if isinstance(value, dict):
        return {name: trusted(part) for name, part in value.items()}
    return [trusted(part) for part in value] if isinstance(value, list) else value


def evaluated(variables: dict[str, Any], template: Any, items: list[Any] | None = None) -> tuple[list[Any], int]:
    """The template's value for each item, and how often the variables have counted in `count()`."""
    counted: list[int] = []

    def count() -> int:
        counted.append(1)
        return len(counted)

    values = {**trusted(variables), "count": count}
    shared = SharedVariables(Templar(DataLoader(), values)._engine, values, trusted(template), own=["item"])
    return [shared.engine({"item": item}).template(trusted(template)) for item in items or [1, 2, 3]], len(counted)


@pytest.mark.parametrize(
    ("variables", "values", "times"),
    [
        ({"x": "{{ count() }}"}, [1, 1, 1], 1),
        ({"x": "{{ y + y }}", "y": "{{ count() }}"}, [2, 2, 2], 1),
        ({"x": "{{ count() + item }}"}, [2, 4, 6], 3),
        ({"x": "{{ y.z[0] }}", "y": {"z": ["{{ count() + item }}"]}}, [2, 4, 6], 3),
        ({"x": "{{ y + item }}", "y": "{{ count() }}"}, [2, 3, 4], 1),
        ({"x": "{{ count() + 0 * (5 | random) }}"}, [1, 2, 3], 3),
        ({"x": "{{ count() if true else lookup('vars', 'y' ~ 'z') }}"}, [1, 2, 3], 3),
        ({"x": "{% set other = y %}{{ count() + other }}", "y": "{{ item }}"}, [2, 4, 6], 3),
        ({"x": "{{ other['ab'] }}", "other": "{{ {'ab': count() + item} }}"}, [2, 4, 6], 3),
    ],
)
def test_what_does_not_depend_on_the_item_is_evaluated_once(variables: dict[str, Any], values: list[Any], times: int) -> None:
    found, counted = evaluated(variables, "{{ x }}")
    assert [int(value) for value in found] == values
    assert counted == times


def test_what_an_item_does_to_a_value_is_not_seen_by_the_next() -> None:
    found, _counted = evaluated({"x": {"a": []}}, "{{ x.a + [item] }}")
    assert found == [[1], [2], [3]]
    merged, _counted = evaluated({"x": {"a": {"b": 1}}}, "{{ x | combine({'a': {'c': item}}, recursive=true) }}")
    assert merged == [{"a": {"b": 1, "c": item}} for item in (1, 2, 3)]


def test_nothing_is_shared_where_a_vault_hides_what_is_needed() -> None:
    variables = {"x": EncryptedString(ciphertext="$ANSIBLE_VAULT;1.1;AES256\n00"), "y": "{{ count() }}"}
    assert evaluated({**variables, "z": "{{ x }}"}, "{{ y }}{{ z | default('', true) if false }}") == (["1", "2", "3"], 3)


def test_an_undefined_variable_is_an_error_of_each_item() -> None:
    values = {"x": trusted("{{ nowhere }}")}
    shared = SharedVariables(Templar(DataLoader(), values)._engine, values, trusted("{{ x }}"), own=["item"])
    for item in (1, 2):
        with pytest.raises(AnsibleUndefinedVariable, match="nowhere"):
            shared.engine({"item": item}).template(trusted("{{ x }}"))
