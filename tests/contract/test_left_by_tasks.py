# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules may leave behind in the code that all of them share, as that code tells it.

A child of the worker runs one task after another. Whatever a function of `module_utils` changes outside of itself would be met by the next
one, unless the worker takes it back: an upgrade that brings such a thing fails here, and has to be looked at.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_task import LEFT_BY_TASKS

CHANGING = re.compile(r"append|appendleft|update|add|setdefault|pop|popitem|popleft|extend|insert|clear|discard|remove|sort|__setitem__")
ROOTS = (
    "ansible.module_utils",
    *(f"ansible_collections.{name}.plugins.module_utils" for name in ("amazon.aws", "community.aws", "indivillage.infra")),
)
# What is changed there and is of no matter, and why.
LEFT_ALONE = {
    "ansible.module_utils._internal._ambient_context": "when a class is made",
    "ansible.module_utils._internal._ansiballz._extensions._coverage": "an extension for tests of Ansible itself, of payloads that say so",
    "ansible.module_utils._internal._ansiballz._extensions._debugpy": "the same, for a debugger",
    "ansible.module_utils._internal._ansiballz._extensions._pydevd": "the same",
    "ansible.module_utils._internal._ansiballz._loader": "the arguments in basic, which are taken back",
    "ansible.module_utils._internal._dataclass_validation": "a folder of this process",
    "ansible.module_utils._internal._datatag": "when a class is made",
    "ansible.module_utils._internal._json._profiles": "when a class is made; whether an environment variable was set at the start",
    "ansible.module_utils._internal._json._profiles._fallback_to_str": "when a class is made",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m": "when a class is made",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c": "when a class is made",
    "ansible.module_utils._internal._json._profiles._module_modern_c2m": "when a class is made",
    "ansible.module_utils._internal._json._profiles._module_modern_m2c": "when a class is made",
    "ansible.module_utils._internal._json._profiles._tagless": "when a class is made",
    "ansible.module_utils._internal._patches": "when it is loaded",
    "ansible.module_utils.distro._distro": "what this machine is",
    "ansible.module_utils.facts.collector": "of ansible.builtin.setup, whose child runs no other task",
    "ansible.module_utils.six": "when it is loaded",
    "ansible.module_utils.urls": "the environment and the folder for temporary files, which each task has anew",
    "ansible_collections.indivillage.infra.plugins.module_utils.host_demands": "of hosts, not of stacks",
}


def changed_from_within(source: str) -> set[str]:
    """The names of a module's own that its functions change: assigned as global, changed in place, or kept by a cache."""
    tree = ast.parse(source)
    own = set(_bound(tree.body))
    return {name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for name in _changed(node, own)}


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """The names that the statements of a module bind, but for those within functions and classes."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                yield inner.id
            elif isinstance(inner, ast.alias):
                yield (inner.asname or inner.name).partition(".")[0]


def _changed(function: ast.FunctionDef | ast.AsyncFunctionDef, own: set[str]) -> Iterator[str]:
    inner = [node for statement in function.body for node in ast.walk(statement)]
    declared = {name for node in inner if isinstance(node, ast.Global) for name in node.names}
    local = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    local |= {node.id for node in inner if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del))}
    local |= {(node.asname or node.name).partition(".")[0] for node in inner if isinstance(node, ast.alias)}
    yield from declared
    yield from (f"cache of {function.name}" for decorator in function.decorator_list if "cache" in ast.unparse(decorator))
    yield from (f"default of {function.name}" for default in _defaults(function) if isinstance(default, (ast.Dict, ast.List, ast.Set)))
    for node in inner:
        target = None
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            target = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and CHANGING.fullmatch(node.func.attr):
            target = node.func.value
        while isinstance(target, (ast.Attribute, ast.Subscript)):
            target = target.value
        if isinstance(target, ast.Name) and (target.id in own - (local - declared) or target.id == "cls"):
            yield target.id


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    yield from function.args.defaults
    yield from filter(None, function.args.kw_defaults)


def sources() -> Iterator[tuple[str, str]]:
    """The name and the text of each file of code that modules share."""
    for root in ROOTS:
        directory = next(iter(importlib.import_module(root).__path__))
        for path in sorted(Path(directory).rglob("*.py")):
            parts = [part for part in path.relative_to(directory).with_suffix("").parts if part != "__init__"]
            yield ".".join([root, *parts]), path.read_text()


def test_all_that_tasks_change_in_shared_code_is_taken_back_or_of_no_matter() -> None:
    found = {name: changed for name, source in sources() if (changed := changed_from_within(source))}
    known = {name: set(names) for name, names in LEFT_BY_TASKS.items()}
    environment = {"os"}  # which each task has anew
    unknown = {name: changed - known.get(name, set()) - environment for name, changed in found.items() if name not in LEFT_ALONE}
    assert {name: changed for name, changed in unknown.items() if changed} == {}, "is taken back by nobody"
    gone = {name for name in {*LEFT_ALONE, *(name for name in known if name.startswith("ansible"))} if name not in found}
    assert gone == set(), "is there no more"


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x = None\ndef f():\n    global x\n    x = 1", {"x"}),
        ("x = {}\ndef f():\n    x['a'] = 1", {"x"}),
        ("x = {}\ndef f():\n    del x['a']['b']", {"x"}),
        ("x = {}\ndef f(x):\n    x['a'] = 1", set()),
        ("x = {}\ndef f():\n    x = {}\n    x['a'] = 1", set()),
        ("x = []\nclass A:\n    def f(self):\n        x.append(1)", {"x"}),
        ("class A:\n    known = []\ndef f():\n    A.known.append(1)", {"A"}),
        ("class A:\n    @classmethod\n    def f(cls):\n        cls.known = 1", {"cls"}),
        ("import other\ndef f():\n    other.name = 1", {"other"}),
        ("import functools\n@functools.cache\ndef f(): ...", {"cache of f"}),
        ("def f(x=[]): ...", {"default of f"}),
        ("x = {}\nx['a'] = 1\ndef f():\n    return x['a']", set()),
    ],
)
def test_what_a_function_changes_outside_of_itself_is_seen(source: str, changed: set[str]) -> None:
    assert changed_from_within(source) == changed
