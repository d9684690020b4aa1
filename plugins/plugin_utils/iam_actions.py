# SPDX-License-Identifier: GPL-3.0-or-later
"""How calls of the AWS API become permissions: the reviewed table of iam_actions.yml, read.

A call is written `service:Operation` by botocore's names, a permission `prefix:Action` by IAM's. Imports nothing of Ansible: the sandbox's
emulator, which enforces policies, reads the table too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load


class UnknownCallError(Exception):
    """A call that the table does not know; the text says what to add."""


@dataclass(frozen=True)
class Implied:
    """Permissions that AWS asks for beside a call's own; only with the parameter at that path, or always when it is empty."""

    permissions: tuple[str, ...]
    parameter: str


@dataclass(frozen=True)
class Statement:
    """One statement of a service; `patterns` says which of the service's actions it takes."""

    name: str
    patterns: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """The reviewed table."""

    prefixes: Mapping[str, str]  # botocore's name of a service -> its prefix in permissions
    statements: Mapping[str, tuple[Statement, ...]]  # prefix -> its statements, in order
    data: Mapping[str, frozenset[str]]  # prefix -> actions that read what is stored, not what is configured
    actions: Mapping[str, tuple[str, ...]]
    implied: Mapping[str, tuple[Implied, ...]]
    conditions: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def permissions(self, call: str) -> tuple[str, ...]:
        """The permissions of a call itself. Raises UnknownCallError for a service that the table does not have."""
        service, _colon, operation = call.partition(":")
        if service not in self.prefixes:
            raise UnknownCallError(f"{call}: the service {service} is not in plugins/plugin_utils/iam_actions.yml (services)")
        return self.actions.get(call, (f"{self.prefixes[service]}:{operation}",))


@cache
def table() -> Table:
    """The table of this collection."""
    content = yaml_load(Path(__file__).with_name("iam_actions.yml").read_text())
    prefixes = {service: settings.get("prefix", service) for service, settings in content["services"].items()}
    implied: dict[str, tuple[Implied, ...]] = {}
    for entry in content["implied"]:
        for call, parameter in entry["calls"].items():
            implied[call] = (*implied.get(call, ()), Implied(tuple(entry["permissions"]), parameter))
    # Two services may share a prefix, as those of buckets and of whole accounts do.
    statements: dict[str, tuple[Statement, ...]] = {}
    data: dict[str, frozenset[str]] = {}
    for service, settings in content["services"].items():
        prefix = prefixes[service]
        own = (
            Statement(item["name"], tuple(item["actions"]), tuple(item["resources"]), tuple(item.get("conditions", ())))
            for item in settings["statements"]
        )
        statements[prefix] = (*statements.get(prefix, ()), *own)
        data[prefix] = data.get(prefix, frozenset()) | frozenset(settings.get("data", ()))
    return Table(
        prefixes=prefixes,
        statements=statements,
        data=data,
        actions={call: tuple(permissions) for call, permissions in content["actions"].items()},
        implied=implied,
        conditions=content["conditions"],
    )
