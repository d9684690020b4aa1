# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task of the worker changes in its own process, and what takes that back before the process runs another one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

Look = Callable[[str, tuple[Any, ...]], None]

_MISSING: Any = object()
_former: list[tuple[Any, str, Any]] = []
_looks: list[Look] = []


def patch(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a module or a class until `undo`."""
    _former.append((owner, name, vars(owner).get(name, _MISSING)))
    setattr(owner, name, value)


def watch_events(look: Look) -> None:
    """Have Python tell of its audit events until `undo`; what the look raises ends what the event tells of."""
    _looks.append(look)
    _hook()


@cache  # Python never gives a hook up
def _hook() -> None:
    sys.addaudithook(_tell)


def _tell(event: str, arguments: tuple[Any, ...]) -> None:
    for look in _looks:
        look(event, arguments)


def undo() -> None:
    """Take everything back."""
    _looks.clear()
    while _former:
        owner, name, value = _former.pop()
        if value is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
