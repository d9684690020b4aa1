# SPDX-License-Identifier: GPL-3.0-or-later
"""How an addition changes moto: both ways fail loudly when another moto release has moved or gained the method."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from moto import backend_index
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.responses import BaseResponse


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


def add(owner: type, name: str) -> Callable[[Any], Any]:
    """Decorator: add method or property `name` to `owner`, which must not have it yet."""
    if hasattr(owner, name):
        raise AttributeError(f"{owner.__module__}.{owner.__name__} has {name} already: this addition is no longer needed")

    def decorate(function: Any) -> Any:
        setattr(owner, name, function)
        return function

    return decorate


def replace_property(owner: type, name: str, getter: Callable[[Any], Any]) -> None:
    """Make `getter` the property `name` of `owner`, which must have one."""
    if not isinstance(getattr(owner, name), property):
        raise TypeError(f"{owner.__module__}.{owner.__name__}.{name} is no property any more")
    setattr(owner, name, property(getter))


def add_paths(urls: ModuleType, response: type[BaseResponse], *paths: str) -> None:
    """Have a REST service of moto's answer calls to these paths too, given as regular expressions."""
    for path in paths:
        if f"{{0}}{path}" in urls.url_paths:
            raise AttributeError(f"{urls.__name__} has {path} already: this addition is no longer needed")
        urls.url_paths[f"{{0}}{path}"] = response.dispatch


def add_service(name: str, host: str, backend: type[BaseBackend], response: type[BaseResponse], paths: tuple[str, ...]) -> Any:
    """Add a service that moto does not have at all, by botocore's name and what its host is called; its backends by account and region.

    `paths` are the paths of its calls as regular expressions.
    """
    if any(known == name for known, _pattern in backend_index.backend_url_patterns):
        raise AttributeError(f"moto has the service {name} already: this addition is no longer needed")
    base = rf"https?://{host}\.(.+)\.amazonaws\.com"
    urls = SimpleNamespace(url_bases=[base], url_paths={f"{{0}}{path}": response.dispatch for path in paths})
    backend_index.backend_url_patterns.append((name, re.compile(base)))
    setattr(backend, "_url_module", urls)  # noqa: B010  # mypy knows no such attribute, and moto asks for it
    backends: Any = BackendDict(backend, name)
    package = ModuleType(f"moto.{name}")
    vars(package)[f"{name}_backends"] = backends
    sys.modules[package.__name__] = package
    return backends
