# SPDX-License-Identifier: GPL-3.0-or-later
"""Least-privilege IAM policies, made of the calls that were recorded and of a reviewed table (iam_actions.yml)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.indivillage.infra.plugins.plugin_utils.iam_actions import UnknownCallError, table
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: characters of a managed policy, white space not counted.
POLICY_CHARACTERS = 6144
# Of the values that are filled in when a policy is rendered, the longest that this project's own validation accepts.
LONGEST = {
    "account": "0" * 12,
    "project": "p" * 21,
    "environment": "e" * 16,
    "prefix": "x" * 38,
    "regions": ["xx-xxxxxxxxx-0"] * 2,
}
WITH, NOTHING = " with ", "nothing"  # behind a call: what it asks for of all that it may imply, since a role gives it some parameters alone
REST = "*"  # among a statement's patterns: all that no other statement names
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_LIST_PLACEHOLDER = "{regions}"


def reads_configuration(call: str) -> bool:
    """Whether a call only reads what is configured: such permissions are given for all resources."""
    service, _colon, operation = call.partition(":")
    stored = {permission.partition(":")[2] for permission in table().permissions(call)} & table().data[table().prefixes[service]]
    return operations.classify(service, operation) != operations.WRITE and not stored


# ---- From calls to statements ----------------------------------------------------------------------------------------------------


@dataclass
class _Grants:
    """Permissions by the statement that gives them."""

    reads: dict[str, set[str]] = field(default_factory=dict)  # prefix -> actions
    others: dict[tuple[str, int], set[str]] = field(default_factory=dict)  # prefix and number of its statement -> actions


def statements(calls: Iterable[str]) -> list[dict[str, Any]]:
    """The statements that allow these calls and nothing else, in a lasting order, with placeholders in braces.

    Raises UnknownCallError for a call that no statement of the table takes.
    """
    grants = _Grants()
    for entry in sorted(set(calls)):
        call, _with, asked = entry.partition(WITH)
        own = table().permissions(call)
        if reads_configuration(call):
            for permission in own:
                prefix, _colon, action = permission.partition(":")
                grants.reads.setdefault(prefix, set()).add(action)
            own = ()
        implied = {wanted for one in table().implied.get(call, ()) for wanted in one.permissions}
        for permission in (*own, *sorted(implied & set(asked.split()) if asked else implied)):
            prefix, _colon, action = permission.partition(":")
            for number in _takers(prefix, action, call):
                grants.others.setdefault((prefix, number), set()).add(action)
    found = [_rendered(f"{_word(prefix)}Read", prefix, actions, ("*",), ()) for prefix, actions in sorted(grants.reads.items())]
    for (prefix, number), actions in sorted(grants.others.items()):
        statement = table().statements[prefix][number]
        found.append(_rendered(f"{_word(prefix)}{statement.name}", prefix, actions, statement.resources, statement.conditions))
    return found


def _takers(prefix: str, action: str, call: str) -> list[int]:
    """Numbers of the statements that take an action: those that name it, else the one that takes the rest."""
    rows = list(enumerate(table().statements.get(prefix, ())))
    named = [number for number, row in rows if any(fnmatchcase(action, pattern) for pattern in row.patterns if pattern != REST)]
    takers = named or [number for number, row in rows if REST in row.patterns]
    if not takers:
        raise UnknownCallError(f"{call}: no statement of {prefix} in plugins/plugin_utils/iam_actions.yml takes the action {action}")
    return takers


def _word(prefix: str) -> str:
    return "".join(part.capitalize() for part in prefix.split("-"))


def _rendered(name: str, prefix: str, actions: Iterable[str], resources: Iterable[str], conditions: Iterable[str]) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Action": [f"{prefix}:{action}" for action in sorted(actions)],
        "Resource": list(resources),
    }
    condition: dict[str, dict[str, Any]] = {}
    for each in conditions:
        for operator, keys in table().conditions[each].items():
            condition.setdefault(operator, {}).update(keys)
    if condition:
        statement["Condition"] = condition
    return statement


# ---- From statements to policies -------------------------------------------------------------------------------------------------


def policies(calls: Iterable[str]) -> list[dict[str, Any]]:
    """The statements of these calls as policy documents, each within AWS's limit however long the names of an environment are."""
    documents: list[dict[str, Any]] = []
    for statement in statements(calls):
        for part in _parts(statement):
            if not documents or _size([*documents[-1]["Statement"], part]) > POLICY_CHARACTERS:
                documents.append({"Version": "2012-10-17", "Statement": []})
            documents[-1]["Statement"].append(part)
    return documents


def _parts(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statement, in halves if it is too large for a policy of its own."""
    if _size([statement]) <= POLICY_CHARACTERS:
        yield statement
        return
    middle = len(statement["Action"]) // 2
    for number, actions in enumerate((statement["Action"][:middle], statement["Action"][middle:]), 1):
        yield from _parts(statement | {"Sid": f"{statement['Sid']}{number}", "Action": actions})


def _size(content: list[dict[str, Any]]) -> int:
    document = fill({"Version": "2012-10-17", "Statement": content}, LONGEST)
    return len(re.sub(r"\s", "", json.dumps(document)))


def fill(document: Any, values: Mapping[str, Any]) -> Any:
    """The document with its placeholders replaced; a list that holds `{regions}` gets the elements of that value."""
    if isinstance(document, dict):
        return {key: fill(value, values) for key, value in document.items()}
    if isinstance(document, list):
        filled: list[Any] = []
        for item in document:
            filled += values["regions"] if item == _LIST_PLACEHOLDER else [fill(item, values)]
        return filled
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), document) if isinstance(document, str) else document


# ---- Files -----------------------------------------------------------------------------------------------------------------------

CALLS_FILE = "calls.yml"
_CALLS_HEAD = """\
---
# The AWS calls that each role makes, as they were recorded (docs/permissions.md). The policies beside this file are made of it.
# "with": of the permissions that a call may ask for beside its own, only these.
"""


def load_calls(directory: Path) -> dict[str, list[str]]:
    """The recorded calls by role; none where nothing was recorded yet."""
    file = directory / CALLS_FILE
    return yaml_load(file.read_text()) if file.exists() else {}


def save_calls(directory: Path, calls: Mapping[str, Iterable[str]]) -> None:
    """Keep the recorded calls, sorted."""
    lines = [line for role in sorted(calls) for line in (f"{role}:", *(f"  - {call}" for call in sorted(set(calls[role]))))]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CALLS_FILE).write_text(_CALLS_HEAD + "\n".join(lines) + "\n")


def recorded(records: Iterable[Path]) -> list[str]:
    """The calls that records name: JSON of the callback api_calls, or of the emulator's /sandbox/calls."""
    calls: set[str] = set()
    for record in records:
        content = json.loads(record.read_text())
        calls |= {f"{call['service']}:{call['operation']}" for call in content["calls"]} if "calls" in content else content.keys()
    return sorted(calls)


def values(account: str, project: str, environment: str, regions: list[str]) -> dict[str, Any]:
    """What the placeholders stand for in one environment."""
    prefix = f"{project}-{environment}"
    return {"account": account, "project": project, "environment": environment, "prefix": prefix, "regions": regions}


def files(calls: Mapping[str, Iterable[str]], filled_with: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Name and text of every policy file; with placeholders, or filled in."""
    return {
        f"{role}-{number}.json": json.dumps(fill(document, filled_with) if filled_with else document, indent=2) + "\n"
        for role, names in calls.items()
        for number, document in enumerate(policies(names), 1)
    }


def write(directory: Path, calls: Mapping[str, Iterable[str]], filled_with: Mapping[str, Any] | None = None) -> list[Path]:
    """Write every policy file into a directory, and remove those of it that there are no more; the files."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = files(calls, filled_with)
    for outdated in set(directory.glob("*-[0-9].json")) - {directory / name for name in wanted}:
        outdated.unlink()
    for name, content in wanted.items():
        (directory / name).write_text(content)
    return [directory / name for name in wanted]


# ---- What to do about a missing permission ---------------------------------------------------------------------------------------

_REFUSED = re.compile(r"is not authorized to perform: ([a-z0-9-]+:\w+)")


def advice(message: str, directory: Path) -> str | None:
    """What to do about the permission that AWS's message of a refusal names; None when it names none."""
    refused = _REFUSED.search(message)
    if not refused:
        return None
    givers = [
        f"{file.name} (statement {statement['Sid']})"
        for file in sorted(directory.glob("*-[0-9].json"))
        for statement in json.loads(file.read_text())["Statement"]
        if refused[1] in statement["Action"]
    ]
    if not givers:
        return f"No policy in policies/ allows {refused[1]}: record the call and make the policies anew, as docs/permissions.md says."
    return (
        f"{refused[1]} is allowed by policies/{', policies/'.join(givers)}, for resources of the environment. "
        "Does the role have the current version, rendered for this environment? docs/permissions.md says how."
    )
