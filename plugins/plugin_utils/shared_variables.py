# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a list's items: what does not depend on the item is evaluated once, and not again for each of them.

ansible-core evaluates a variable each time a template names it, with everything that it is made of, and prepares all variables of a host
for each template. For a list of items that is most of what the list costs. Which variables do not depend on the item is told by their
text: neither it nor that of any variable whose name stands in it names the item, or something that is another value each time.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ansible._internal._templating._engine import TemplateEngine
from ansible._internal._templating._lazy_containers import _AnsibleLazyTemplateDict, _LazyValue, _LazyValueSource
from ansible._internal._templating._utils import LazyOptions
from ansible.parsing.vault import EncryptedString

WORD = re.compile(r"[A-Za-z_]\w*")
TEMPLATE = re.compile(r"\{[{%]|^#jinja2:")
# Another value each time.
UNSTEADY = {"now", "password_hash", "random", "random_mac", "shuffle"}
# These can see any variable, whatever its name.
SEE_ALL = {"lookup", "q", "query", "vars"}
HIDDEN = "{{ vars }}"


class SharedVariables:
    """A task's variables for templates that are evaluated once for each item.

    C(templates) are all of these, C(own) the names of the variables that are other ones for each item.
    """

    def __init__(self, engine: TemplateEngine, variables: dict[str, Any], templates: Any, own: Iterable[str]) -> None:
        self._engine = engine
        dependent = _dependent(variables, templates, {*own, *UNSTEADY})
        self._each = variables if dependent is None else {name: variables[name] for name in dependent}
        self._shared: dict[str, Any] = {}
        if dependent is not None:
            evaluating = engine.extend()
            values = ((name, _LazyValue(value)) for name, value in variables.items() if name not in dependent)
            source = _LazyValueSource(source=values, templar=evaluating, lazy_options=LazyOptions.DEFAULT)
            self._shared = evaluating.available_variables = _AnsibleLazyTemplateDict(source)

    def engine(self, own: dict[str, Any]) -> TemplateEngine:
        """What evaluates the templates of one item, which has these variables of its own."""
        mine = {**self._each, **own}
        return self._engine.extend(variables=ChainMap(mine, self._shared) if self._shared else mine)


def _dependent(variables: Mapping[str, Any], templates: Any, unlike: set[str]) -> set[str] | None:
    """The variables, of those that the templates need, that need one of C(unlike); None when that cannot be told."""
    needs: dict[str, set[str]] = {}
    wanted = _words(templates)
    while wanted:
        if wanted & SEE_ALL:
            return None
        found = {name: _words(variables[name]) for name in wanted if name in variables and name not in needs}
        needs |= found
        wanted = set().union(*found.values())
    dependent: set[str] = set()
    while more := {name for name, words in needs.items() if name not in dependent and words & (unlike | dependent)}:
        dependent |= more
    return dependent


def _words(value: Any) -> set[str]:
    """The words in all templates of a value."""
    return set().union(*(_words_of(text) for text in _texts(value)))


@lru_cache(4096)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text)) if TEMPLATE.search(text) else frozenset()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, EncryptedString):  # whatever is in it
        yield HIDDEN
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
