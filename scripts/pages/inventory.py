# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories' stacks with every declared variable as Ansible would evaluate it; no AWS is asked."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("development", "staging", "production", "sandbox")
# Options that every role takes over from the environment: they are told once, not once a role.
TAKEN_OVER = ("name_prefix", "account_id", "region", "tags", "zones", "ports")
# Of no stack, and told by the same inventory.
WATCHERS = ("prometheus", "alertmanager", "grafana")


@dataclass(frozen=True)
class Stack:
    """One environment in one region; `layers` are its roles, `options` their variables with the values that apply to it.

    `options` knows the roles of the monitoring host as well.
    """

    environment: str
    name: str
    kind: str
    region: str
    layers: tuple[str, ...]
    shared: dict[str, Any]
    options: dict[str, dict[str, Any]]

    def value(self, name: str) -> Any:
        """A shared variable, or a role's option; None when the stack has no such role."""
        role = next((role for role in self.options if name.startswith(f"{role}_")), "")
        return self.options.get(role, self.shared).get(name)


@dataclass(frozen=True)
class Option:
    """What an argument specification says of a variable."""

    name: str
    description: str


@functools.cache
def shared_options() -> tuple[Option, ...]:
    return _options(_read(ROOT / "inventories/_base/schema.yml")["shared_variables"])


@functools.cache
def role_options(role: str) -> tuple[Option, ...]:
    """The options that are the role's own matter."""
    entries = _read(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"].values()
    found = {name: option for entry in entries for name, option in (entry.get("options") or {}).items()}
    return tuple(option for option in _options(found) if option.name.removeprefix(f"{role}_") not in TAKEN_OVER)


def _options(specification: dict[str, Any]) -> tuple[Option, ...]:
    def text(description: Any) -> str:
        return " ".join(description) if isinstance(description, list) else str(description or "")

    return tuple(Option(name, text(option.get("description"))) for name, option in specification.items())


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def stacks(environment: str) -> tuple[Stack, ...]:
    """The environment's stacks in the order of its inventory."""
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(ROOT / "inventories" / environment / "hosts.yml")])
    variables = VariableManager(loader, inventory)
    return tuple(_stack(environment, host.name, variables.get_vars(host=host), loader) for host in inventory.get_hosts("stacks"))


def _stack(environment: str, name: str, variables: dict[str, Any], loader: DataLoader) -> Stack:
    layers = tuple(Templar(loader, variables).template(variables["stack_layers"]))
    defaults: dict[str, Any] = {}
    for role in (*layers, *WATCHERS):
        defaults |= loader.load_from_file(str(ROOT / "roles" / role / "defaults/main.yml"), trusted_as_template=True) or {}
    templar = Templar(loader, {**defaults, **variables})

    def evaluated(options: tuple[Option, ...]) -> dict[str, Any]:
        values = {}
        for option in options:
            if (value := {**defaults, **variables}.get(option.name)) is not None:
                try:
                    values[option.name] = templar.template(value)
                except AnsibleError:  # made from what only a run knows
                    values[option.name] = "at run time"
        return values

    shared = evaluated(shared_options())
    options = {role: evaluated(role_options(role)) for role in (*layers, *WATCHERS)}
    return Stack(environment, name, str(variables["stack_kind"]), str(shared["stack_region"]), layers, shared, options)
