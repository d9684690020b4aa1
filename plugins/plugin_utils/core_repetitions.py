# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core 2.21 does again and again with the same outcome, done once; a run with thousands of templates is made of it.

Nothing here knows of AWS or of this project, and nothing changes what a template, a task or a playbook comes to.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import is_
from types import SimpleNamespace
from typing import Any

from ansible._internal._templating import _jinja_bits, _jinja_plugins
from ansible._internal._templating._lazy_containers import _AnsibleLazyTemplateDict, _LazyValue, _LazyValueSource
from ansible._internal._templating._utils import LazyOptions, TemplateContext
from ansible.executor import module_common
from ansible.module_utils._internal._datatag import (
    _EMPTY_INTERNAL_TAGS_MAPPING,
    _AnsibleTaggedDict,
    _AnsibleTaggedFloat,
    _AnsibleTaggedInt,
    _AnsibleTaggedList,
    _AnsibleTaggedStr,
)
from ansible.module_utils.common import arg_spec
from ansible.parsing import dataloader
from ansible.utils import vars as values
from ansible.vars import manager

FEW = 30  # variables, which are not worth remembering
PLAIN = {type(None), bool, int, float, str}
TAGGED = {_AnsibleTaggedInt: int, _AnsibleTaggedFloat: float, _AnsibleTaggedStr: str}
SCALARS = {*PLAIN, *TAGGED}
REMEMBERED = 8  # a run has few stacks, and each of them one task at a time


@cache
def hand_over() -> None:
    """Have this process, and all that it forks, do these things once."""
    share_filters_and_tests()
    prepare_variables_once()
    tag_vars_as_a_whole()
    copy_containers_alone()
    find_fields_once()
    find_imports_once()
    tell_results_in_plain_types()


# ---- Filters and tests: each template of a task looks them up anew ----


def share_filters_and_tests() -> None:
    """Have all templates share what the plugins' names stand for, as long as no role brings plugins along."""
    begin = _jinja_plugins.JinjaPluginIntercept.__init__
    found: defaultdict[tuple[str, int], dict[str, Callable[..., Any]]] = defaultdict(dict)

    def begin_with_what_was_found(self: Any, jinja_builtins: Any, plugin_loader: Any) -> None:
        begin(self, jinja_builtins, plugin_loader)
        self._wrapped_funcs = found[plugin_loader.type, len(plugin_loader._extra_dirs)]

    _jinja_plugins.JinjaPluginIntercept.__init__ = begin_with_what_was_found


# ---- Variables: each template wraps every one of them, whether it names it or not ----


class PreparedVariables:
    """Variables as the container takes them that evaluates what a template names; remembered for those that were used last."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[dict[str, Any], list[str], list[Any], dict[str, _LazyValue]]] = {}

    def of(self, variables: dict[str, Any]) -> dict[str, _LazyValue]:
        """The very variables that these are now; whoever has them may have changed some since the last template."""
        if id(variables) in self._known:
            known, names, values, prepared = self._known[id(variables)]
            if len(known) == len(names) and all(map(is_, known, names)) and all(map(is_, known.values(), values)):
                return prepared
        elif len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        prepared = {name: _LazyValue(value) for name, value in variables.items()}
        self._known[id(variables)] = variables, list(variables), list(variables.values()), prepared
        return prepared


def prepare_variables_once() -> None:
    """Have templates with the same variables share the wrapping of them; what a template has evaluated stays its own."""
    flatten, remembered = _jinja_bits._flatten_and_lazify_vars, PreparedVariables()

    def flatten_or_recall(mapping: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        if type(mapping) is ChainMap:
            for layer in mapping.maps:
                yield from flatten_or_recall(layer)
        elif type(mapping) is dict and len(mapping) > FEW:
            templar, prepared = TemplateContext.current().templar, remembered.of(mapping)
            source = _LazyValueSource(source=prepared, templar=templar, lazy_options=LazyOptions.DEFAULT)
            yield _AnsibleLazyTemplateDict._instance_factory(source, _EMPTY_INTERNAL_TAGS_MAPPING)
        else:
            yield from flatten(mapping)

    _jinja_bits._flatten_and_lazify_vars = flatten_or_recall


def tag_vars_as_a_whole() -> None:
    """Have the variable C(vars) say by itself that it is deprecated, instead of by a copy of every variable of every task."""
    deprecated = manager._DEPRECATE_VARS

    def tag(value: Any) -> Any:
        return deprecated.tag(value) if type(value) is dict and not value else value

    manager._DEPRECATE_VARS = SimpleNamespace(tag=tag)


# ---- Copies: each place that uses a file gets one of what was parsed, and each check of arguments one of these ----


def copy_containers_alone() -> None:
    """Have only containers copied, since nobody can change the rest."""
    dataloader.copy = SimpleNamespace(deepcopy=copied)
    arg_spec.deepcopy = copied


def copied(value: Any) -> Any:
    """A copy of values with their tags, as those that tell where each stood in a file; parts that are one part stay one."""
    return _copied(value, {})


def _copied(value: Any, known: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in SCALARS:
        return value
    if id(value) in known:
        return known[id(value)]
    parts: Any
    if kind in (dict, _AnsibleTaggedDict):
        parts = {name: _copied(part, known) for name, part in value.items()}
    elif kind in (list, _AnsibleTaggedList):
        parts = [_copied(part, known) for part in value]
    else:
        return copy.deepcopy(value, known)
    known[id(value)] = made = parts if kind in (dict, list) else kind._instance_factory(parts, value._ansible_tags_mapping)
    return made


# ---- Pickles: each tag that is written or read has the fields of its class worked out ----


def find_fields_once() -> None:
    """Have the fields of a dataclass found once; a class keeps those that it was made with."""
    module: Any = dataclasses
    find = module.fields
    known: Any = cache(find)

    def fields(value: Any) -> Any:
        return known(type(value)) if hasattr(type(value), "__dataclass_fields__") else find(value)

    module.fields = fields


# ---- Packing: the code that modules share is parsed again for each of them ----


def find_imports_once() -> None:
    """Have what a file of module_utils imports found once for all modules; a module itself is looked at once anyway."""
    find = module_common.ModuleDepFinder.__init__

    @cache
    def imports(name: str, code: bytes, is_pkg_init: bool) -> dict[str, Any]:
        finder: Any = object.__new__(module_common.ModuleDepFinder)
        find(finder, name, code, is_pkg_init)
        del finder.tree  # large, and nobody's concern
        return vars(finder)

    def find_or_recall(self: Any, name: str, code: bytes, is_pkg_init: bool | None = None) -> None:
        if is_pkg_init is None:
            find(self, name, code)
        else:
            vars(self).update(imports(name, code, is_pkg_init))  # sets that ansible-core only reads

    module_common.ModuleDepFinder.__init__ = find_or_recall


# ---- Results: each callback has every one of them converted anew ----


def tell_results_in_plain_types() -> None:
    """Have what is made of plain and tagged values converted directly; what else there is in a result, by ansible-core."""
    transform = values.transform_to_native_types

    def convert(value: Any, redact: bool = True) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind in TAGGED:
            return TAGGED[kind](value)
        if kind in (dict, _AnsibleTaggedDict):
            return {convert(name, redact): convert(part, redact) for name, part in value.items()}
        if kind in (list, _AnsibleTaggedList):
            return [convert(part, redact) for part in value]
        return transform(value, redact)

    values.transform_to_native_types = convert
