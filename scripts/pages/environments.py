# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/environments.md: what differs between the environments, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from scripts.pages.inventory import Stack, role_options, shared_options, stacks

REAL = ("development", "staging", "production")
# Told by the table's head, or no property of the environment.
LEFT_OUT = frozenset(
    {"environment_name", "aws_account_id", "stack_kind", "stack_layers", "stack_region", "aws_environment", "resource_tags"}
)
NO_ROLE, UNSET = "-", "not set"

HEAD = """\
# The environments side by side

Made from the inventories by `python -m scripts.pages`; do not edit. A variable that is not here has the same value in every environment:
the roles' READMEs tell it. `<prefix>` stands for a name that differs only in the name of the environment, `-` for a stack without that
role.
"""


def page() -> str:
    """The whole page."""
    columns = [stack for environment in REAL for stack in stacks(environment) if stack.kind != "global"]
    globals_ = {stack.environment: stack for environment in REAL for stack in stacks(environment) if stack.kind == "global"}
    lines = [HEAD, *_heading(columns, "")]
    lines.append(_row("region", [stack.region for stack in columns]))
    lines.append(f"| map | {' | '.join(f'[map](topology/{stack.environment}.svg)' for stack in columns)} |")
    lines += [
        "\n## Shared variables\n",
        *_table(columns, ((option.name, option.description, columns) for option in shared_options() if option.name not in LEFT_OUT)),
    ]
    roles = dict.fromkeys(role for stack in [*columns, *globals_.values()] for role in stack.layers)
    lines += ["\n## Roles\n", *_heading(columns, "role")]
    for role in roles:
        lines.append(f"| [{role}](../roles/{role}/README.md) | " + " | ".join(_where(role, stack, globals_) for stack in columns) + " |")
    for role in roles:
        holders = [stack if role in stack.layers else globals_[stack.environment] for stack in columns]
        if table := list(_table(columns, ((option.name, option.description, holders) for option in role_options(role)), bare=True)):
            lines += [f"\n### {role}\n", *_heading(columns, "variable"), *table]
    return "\n".join(lines) + "\n"


def _title(stack: Stack) -> str:
    return stack.environment if stack.kind == "primary" else f"{stack.environment}, standby"


def _where(role: str, stack: Stack, globals_: dict[str, Stack]) -> str:
    if role in stack.layers:
        return "yes"
    return "once per account" if role in globals_[stack.environment].layers else NO_ROLE


def _heading(columns: list[Stack], first: str) -> list[str]:
    return [f"| {first} | " + " | ".join(_title(stack) for stack in columns) + " |", "|---|" + "---|" * len(columns)]


def _table(columns: list[Stack], options: Iterable[tuple[str, str, list[Stack]]], *, bare: bool = False) -> Iterator[str]:
    """The rows of the options whose values differ, below a heading unless it is to be bare."""
    if not bare:
        yield from _heading(columns, "variable")
    told: list[list[Any]] = []  # lists that a role takes over from a shared variable are the same list
    for name, description, holders in options:
        values = [_masked(stack.value(name), stack) if _holds(name, stack) else NO_ROLE for stack in holders]
        for path, cells in _differing(name, values):
            if isinstance(cells[0], list) and cells in told:
                continue
            told.append(cells)
            yield _row(f"`{path}`<br>{description}" if path == name else f"`{path}`", cells)


def _holds(name: str, stack: Stack) -> bool:
    return name in stack.shared or any(name in options for options in stack.options.values()) or stack.value(name) is not None


def _differing(path: str, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The parts of a value, or the whole of it, that are not the same in every column that has one."""
    values = [_by_name(value) for value in values]
    present = [value for value in values if value != NO_ROLE]
    if all(value == present[0] for value in present[1:]):
        return
    if all(isinstance(value, dict) for value in present):
        for key in dict.fromkeys(key for value in present for key in value):
            yield from _differing(f"{path}.{key}", [value.get(key, UNSET) if isinstance(value, dict) else value for value in values])
    else:
        yield path, values


def _by_name(value: Any) -> Any:
    """A list of things that have names, titles, ids or labels, as a dict of what each is besides; of one name, they are numbered."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return value
    named: dict[str, Any] = {}
    for item in value:
        naming = next((key for key in ("name", "title", "id", "label") if isinstance(item.get(key), str)), None)
        if naming is None:
            return value
        name, count = item[naming], 1
        while name in named:
            count += 1
            name = f"{item[naming]} ({count})"
        named[name] = {key: part for key, part in item.items() if key != naming}
    return named


def _masked(value: Any, stack: Stack) -> Any:
    """Without the environment's own name, which would make every name a difference."""
    plain = json.loads(json.dumps(value, default=str))
    prefix = str(stack.shared.get("name_prefix"))
    path = str(stack.shared.get("secret_prefix")).lstrip("/")  # of secrets, and of the metrics' namespace

    def mask(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: mask(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [mask(inner) for inner in part]
        return part.replace(prefix, "<prefix>").replace(path, "<prefix>") if isinstance(part, str) else part

    return mask(plain)


def _row(first: str, cells: Iterable[Any]) -> str:
    return f"| {first} | {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "<br>".join(_inline(item) for item in value) or "none"
    return _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        text = ", ".join(f"{key}: {_inline(inner)}" for key, inner in value.items()) or "yes"
    elif isinstance(value, list):
        text = "[" + ", ".join(_inline(inner) for inner in value) + "]"
    else:
        text = str(value)
    return text.replace("|", "\\|").replace("<prefix>", "&lt;prefix&gt;")
