# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a task's loop items go into a record, and under which name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.callback.run_record import changed_items


def items(result: dict[str, Any], *, no_log: bool = False) -> list[str]:
    changed = bool(result.get("changed"))
    task_result: Any = SimpleNamespace(task=SimpleNamespace(no_log=no_log), result=result, is_changed=lambda: changed)
    return changed_items(task_result)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"changed": False}, []),
        ({"changed": True}, [""]),
        ({"changed": True, "results": ["a package", "another"]}, [""]),  # what a module returns under that name
        (
            {"changed": True, "results": [{"changed": True, "item": "a"}, {"changed": False, "item": "b"}, {"changed": True, "item": 3}]},
            ["a", "3"],
        ),
        ({"changed": True, "results": [{"changed": True, "item": {"a": 1}, "_ansible_item_label": "the label"}]}, ["the label"]),
        ({"changed": True, "results": [{"changed": True, "item": {"name": "n", "password": "hidden"}}]}, ["n"]),
        ({"changed": True, "results": [{"changed": True, "item": {"password": "hidden"}}]}, [""]),
        ({"changed": True, "results": [{"changed": True, "item": ["hidden"]}]}, [""]),
        ({"changed": True, "results": [{"changed": True, "item": "hidden", "_ansible_no_log": True}]}, [""]),
    ],
)
def test_changed_items(result: dict[str, Any], expected: list[str]) -> None:
    assert items(result) == expected


def test_nothing_of_a_hidden_task_is_told() -> None:
    assert items({"changed": True, "results": [{"changed": True, "item": "hidden"}]}, no_log=True) == [""]
