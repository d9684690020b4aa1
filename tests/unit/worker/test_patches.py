# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task changes in its process is taken back."""

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import patches


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    yield
    patches.undo()


def test_attributes_are_as_before_in_whatever_order_they_were_set() -> None:
    class Base:
        @property
        def held(self) -> int:
            return 1

    owner = types.ModuleType("owner")
    owner.known = 1  # type: ignore[attr-defined]
    before = vars(owner).copy(), vars(Base)["held"]
    for value in (2, 3):
        patches.patch(owner, "known", value)
        patches.patch(owner, "new", value)
        patches.patch(Base, "held", value)
    assert (owner.known, owner.new, Base().held) == (3, 3, 3)
    patches.undo()
    assert (vars(owner), vars(Base)["held"]) == before


def test_an_attribute_that_a_class_has_inherited_is_inherited_again() -> None:
    class Base:
        name = "base"

    class Derived(Base):
        pass

    patches.patch(Derived, "name", "derived")
    patches.undo()
    assert "name" not in vars(Derived)


def test_events_are_looked_at_until_then_and_a_look_can_refuse() -> None:
    seen: list[str] = []

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "tests.patches":
            seen.append(arguments[0])
            raise PermissionError

    for name in ("first", "second"):
        patches.watch_events(look)
        with pytest.raises(PermissionError):
            sys.audit("tests.patches", name)
        patches.undo()
        sys.audit("tests.patches", "nobody looks")
    assert seen == ["first", "second"]
