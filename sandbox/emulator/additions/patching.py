# SPDX-License-Identifier: GPL-3.0-or-later
"""How an addition changes moto: both ways fail loudly when another moto release has moved or gained the method."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any


def wrap(owner: type | ModuleType, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: replace function `name` of a class or module; the function gets the original as its first argument."""
    original = getattr(owner, name)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        setattr(owner, name, replacement)
        return function

    return decorate


def add(owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: add method `name` to `owner`, which must not have it yet."""
    if hasattr(owner, name):
        raise AttributeError(f"{owner.__module__}.{owner.__name__} has {name} already: this addition is no longer needed")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(owner, name, function)
        return function

    return decorate


def replace_property(owner: type, name: str, getter: Callable[[Any], Any]) -> None:
    """Make `getter` the property `name` of `owner`, which must have one."""
    if not isinstance(getattr(owner, name), property):
        raise TypeError(f"{owner.__module__}.{owner.__name__}.{name} is no property any more")
    setattr(owner, name, property(getter))
