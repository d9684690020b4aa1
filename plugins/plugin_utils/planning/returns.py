# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a module that could not run to its end: the values of its RETURN documentation, from what is known, else placeholders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from .placeholders import digest, placeholder

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TYPES: Mapping[str, Any] = {"int": 0, "float": 0.0, "bool": True, "dict": {}, "list": []}


def snake(name: str) -> str:
    """A member's name as modules write it: DBInstanceIdentifier -> db_instance_identifier."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def documented(source: str) -> dict[str, Any]:
    """The RETURN documentation in a module's source; empty when it has none that can be read."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "RETURN" for target in statement.targets
        ):
            value = ast.literal_eval(statement.value) if isinstance(statement.value, ast.Constant) else ""
            read = yaml.load(value, Loader)  # noqa: S506  # a safe loader
            return read if isinstance(read, dict) else {}
    return {}


def facts(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is known, by the names that modules use; the first source that knows a name counts."""
    known: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            known.setdefault(snake(name), snaked(value))
    return known


def snaked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {snake(str(name)): snaked(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        pairs = [item for item in value if isinstance(item, Mapping) and set(item) >= {"Key", "Value"}]
        if value and len(pairs) == len(value):
            return {str(item["Key"]): item["Value"] for item in pairs}
        return [snaked(item) for item in value]
    return value


def result(documentation: Mapping[str, Any], known: Mapping[str, Any], service: str, region: str, seed: str) -> dict[str, Any]:
    """The documented values: what is known of them, else placeholders that come from the seed."""

    def value(name: str, about: Mapping[str, Any], above: str, within: Mapping[str, Any]) -> Any:
        kind = str(about.get("type", "str"))
        inner = about.get("contains")
        if isinstance(inner, Mapping):
            nearer = _within(within, name)
            one = {key: value(key, part if isinstance(part, Mapping) else {}, name, nearer) for key, part in inner.items()}
            return [one] if kind == "list" else one
        for candidate in _names(name, above):
            if candidate in within and _is(within[candidate], kind):
                return within[candidate]
        if kind in TYPES:
            return TYPES[kind]
        return placeholder(service, region, _member(name, above), digest(seed, _owner(name)))

    return {name: value(name, about if isinstance(about, Mapping) else {}, "", known) for name, about in documentation.items()}


def _within(known: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    nested = known.get(name)
    return {**known, **nested} if isinstance(nested, Mapping) else known


def _names(name: str, above: str) -> Iterator[str]:
    yield name
    if above:
        yield f"{above.rstrip('s')}_{name}"
    if "_" in name:
        yield name.rpartition("_")[2]


def _member(name: str, above: str) -> str:
    return (f"{above}{name}" if name == "id" else name).replace("_", "")


def _owner(name: str) -> str:
    # The id, the ARN and the name of one thing share their digits.
    return "" if re.search(r"(^|_)(id|arn|name|url)$", name) else name


def _is(value: Any, kind: str) -> bool:
    expected: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "bool": bool, "dict": dict, "list": list}
    return isinstance(value, expected.get(kind, (str, int)))
