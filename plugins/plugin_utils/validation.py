# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an environment's inventory, found from its variables alone and told all at once.

Pure functions over the variables of the stacks, the options that roles and the shared schema declare, and the places
where the inventory's files declare names. Nothing here reads AWS, and nothing here needs files: under AWX the variables
arrive without them, and only the places are missing from the messages.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.indivillage.infra.plugins.plugin_utils.cloudwatch_agent import agent_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_account import account_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_alerting import alerting_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_audit import audit_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_capacity import capacity_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_containers import container_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_edge import edge_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_functions import function_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_identity import identity_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_monitoring import monitoring_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_network import network_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import SUGGESTION_CUTOFF, Problem, suggest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_sources import COMMAND_LINE, Declaration
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_storage import storage_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_upkeep import backup_problems, cost_problems, patching_problems

Specification = Mapping[str, Any]
"""One option as meta/argument_specs.yml declares it; the shared schema adds C(pattern) and C(pattern_help)."""

# What only a stack with that role can have wrong. A check gets the stack's variables with the roles' defaults.
CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Problem]]] = {
    "aws_account": account_problems,
    "aws_audit": audit_problems,
    "aws_containers": container_problems,
    "aws_functions": function_problems,
    "aws_identity": identity_problems,
    "aws_storage": storage_problems,
}

UNSET = "CHANGE_ME"
NUMBERS = ("int", "float")
UNSUPPORTED = re.compile(r"(?P<key>\S+)\. Supported parameters include: (?P<keys>.+)\.")
CONNECTION_CUTOFF = 0.9  # a fact or a plugin's own variable may look like a connection variable


@dataclass(frozen=True)
class Catalogue:
    """Every name that an inventory may set.

    shared and hosts: the variables of inventories/_base/schema.yml. roles: role name to its options, over all of its entry
    points. connection: Ansible's own connection variables.
    """

    shared: Mapping[str, Specification]
    roles: Mapping[str, Mapping[str, Specification]]
    hosts: Mapping[str, Specification] = field(default_factory=dict)
    connection: frozenset[str] = frozenset()

    @cached_property
    def _declared(self) -> Mapping[str, Specification]:
        declared: dict[str, Specification] = {}
        for options in reversed((self.shared, self.hosts, *self.roles.values())):
            declared |= options
        return declared

    def find(self, name: str) -> Specification | None:
        """Return the declaration of a variable, or None when nobody declares it."""
        return self._declared.get(name)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every declared name."""
        return frozenset(self._declared)


@dataclass(frozen=True)
class Stack:
    """One stack's variables.

    values: what the inventory sets, evaluated. failures: what cannot be evaluated, and why. defaults: names that the
    stack's roles have defaults for, with the value where it needs no evaluation. groups: from the most general to
    the most special.
    """

    name: str
    groups: Sequence[str] = ()
    layers: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


def find_problems(
    stacks: Sequence[Stack], catalogue: Catalogue, declarations: Sequence[Declaration] = (), networks: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Return every problem of the stacks, each once, with its place and the stacks it concerns; sorted by place.

    networks: the network of every stack of the environment by stack, also of those that are not looked at now.
    """
    found: dict[tuple[str, str], Problem] = {}
    for problem in _all_problems(stacks, catalogue, declarations, networks or {}):
        earlier = found.get((problem.variable, problem.text))
        found[problem.variable, problem.text] = problem if earlier is None else earlier.also_in(problem)
    return sorted(found.values(), key=lambda problem: (problem.places, problem.variable, problem.text))


def plain(value: Any) -> Any:
    """Return a value as it is after the last leaf was evaluated, with text keys; Ansible's validator takes no others."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, str) else value  # without where it comes from, which costs each copy


def _all_problems(
    stacks: Sequence[Stack], catalogue: Catalogue, declarations: Sequence[Declaration], networks: Mapping[str, Any]
) -> Iterator[Problem]:
    yield from _declaration_problems(catalogue, declarations)
    declared = {declaration.name for declaration in declarations}
    types: dict[tuple[str, str], list[Problem]] = {}  # most values are those of all stacks
    for stack in stacks:
        for name in stack.values.keys() | stack.failures.keys():
            if name not in declared:
                yield from _name_problems(name, catalogue, stacks=(stack.name,))
        problems = list(_value_problems(stack, catalogue, types))
        known = {**stack.defaults, **stack.values}
        problems += capacity_problems(known, stack.layers)
        if "aws_network" in stack.layers:
            others = {name: cidr for name, cidr in networks.items() if name != stack.name}
            problems += network_problems(known, others)
        problems += [problem for layer, check in CHECKS.items() if layer in stack.layers for problem in check(known)]
        problems += edge_problems(stack.values, stack.layers)
        # What is looked at together must be of the declared types, which has been told already where it is not.
        sound = {name: value for name, value in stack.values.items() if name not in {problem.variable for problem in problems}}
        if "aws_monitoring" in stack.layers:
            problems += monitoring_problems(sound, catalogue.roles)
        problems += agent_problems(sound)
        problems += alerting_problems(sound)
        if "aws_cost" in stack.layers:
            problems += cost_problems(sound)
        known = {name: value for name, value in stack.defaults.items() if value is not None} | sound
        if "aws_backup" in stack.layers:
            problems += backup_problems(known)
        if "aws_patching" in stack.layers:
            problems += patching_problems(known)
        for problem in problems:
            yield problem.at(_winning_place(problem.variable, stack, declarations), stack.name)


def _declaration_problems(catalogue: Catalogue, declarations: Sequence[Declaration]) -> Iterator[Problem]:
    for declaration in declarations:
        yield from _name_problems(declaration.name, catalogue, places=(declaration.place(),))
        if declaration.earlier_line:
            text = f"is set twice in one file, first in line {declaration.earlier_line}; the first value is lost."
            yield Problem(declaration.name, text, "Keep one of them.", places=(declaration.place(),))


def _name_problems(name: str, catalogue: Catalogue, places: tuple[str, ...] = (), stacks: tuple[str, ...] = ()) -> Iterator[Problem]:
    known = catalogue.names
    if name in known or name in catalogue.connection:
        return
    if name.startswith("ansible_"):
        close = difflib.get_close_matches(name, catalogue.connection, n=1, cutoff=CONNECTION_CUTOFF)
        if not close:
            return
    else:
        close = difflib.get_close_matches(name, known, n=1, cutoff=SUGGESTION_CUTOFF)
    fix = f"Did you mean {close[0]}?" if close else "Remove it, or declare it in its role's argument specification or in the shared schema."
    yield Problem(name, "is no variable of this project; nothing would read it.", fix, places=places, stacks=stacks)


def _value_problems(stack: Stack, catalogue: Catalogue, types: dict[tuple[str, str], list[Problem]]) -> Iterator[Problem]:
    concerned = {**catalogue.shared}
    for layer in stack.layers:
        if layer not in catalogue.roles:
            yield Problem("stack_layers", f"names {layer!r}, which is no role.", suggest(layer, catalogue.roles, "Roles"))
        concerned.update(catalogue.roles.get(layer, {}))
    for name, reason in stack.failures.items():
        if name in concerned:
            yield Problem(name, f"cannot be evaluated: {reason.rstrip('.')}.", "Set what it refers to.")
    for name, specification in concerned.items():
        missing = name not in stack.values and name not in stack.failures and name not in stack.defaults
        if missing and specification.get("required") and specification.get("default") is None:
            yield Problem(name, f"is not set. It is: {_first(specification.get('description'))}", "Set it in the environment's group_vars.")
    for name, value in stack.values.items():
        found = catalogue.find(name)
        if found is not None:
            if (key := (name, repr(value))) not in types:
                types[key] = list(_type_problems(name, value, found))
            yield from types[key]


def _type_problems(name: str, value: Any, specification: Specification) -> Iterator[Problem]:
    unset = list(_unset_paths(name, value))
    if unset:
        wanted = _first(specification.get("description"))
        yield Problem(name, f"still says {UNSET}{'' if unset == [name] else ' in ' + ', '.join(unset)}.", f"Set it. It is: {wanted}")
        return
    description = f"It is: {_first(specification.get('description'))}"
    if value is None:
        yield Problem(name, "has no value.", f"Give it one, or remove the line to get the default. {description}")
        return
    misshapen = list(_shape_problems(name, value, specification))
    for path, wanted in misshapen:
        yield Problem(name, f"is no {wanted}{'' if path == name else f' at {path}'}.", f"Write a YAML {wanted}. {description}")
    if misshapen:
        return
    option = {key: part for key, part in specification.items() if key not in {"pattern", "pattern_help", "required"}}
    result = ArgumentSpecValidator({name: option}).validate({name: plain(value)}, validate_role_argument_spec=True)
    for message in result.error_messages:
        unknown = UNSUPPORTED.fullmatch(message)
        if unknown:
            keys = unknown["keys"].split(", ")
            yield Problem(name, f"has the unknown key {unknown['key']}.", suggest(unknown["key"].rpartition(".")[2], keys, "Keys"))
        else:
            text = "has the wrong type or content." if specification.get("no_log") else f"is not what it should be: {message.rstrip('.')}."
            yield Problem(name, text, f"Give it a value of type {specification.get('type', 'str')}. {description}")
    if not result.error_messages and "pattern" in specification:
        yield from _pattern_problems(name, result.validated_parameters[name], specification)


def _shape_problems(path: str, value: Any, specification: Specification) -> Iterator[tuple[str, str]]:
    """Where a list, dictionary or number is wanted and is of another shape.

    The validator would make a list or dictionary of a text, which roles would not, and breaks at some lists that should be numbers.
    """
    if value is None:
        return
    if specification.get("type") == "list":
        if not isinstance(value, list):
            yield path, "list"
        elif (elements := specification.get("elements")) in {"dict", *NUMBERS}:
            for index, part in enumerate(value):
                yield from _shape_problems(f"{path}[{index}]", part, {**specification, "type": elements})
    elif specification.get("type") in NUMBERS and isinstance(value, list | Mapping):
        yield path, "number"
    elif specification.get("type") == "dict":
        if not isinstance(value, Mapping):
            yield path, "dictionary"
            return
        for key, option in (specification.get("options") or {}).items():
            if key in value:
                yield from _shape_problems(f"{path}.{key}", value[key], option)


def _pattern_problems(name: str, value: Any, specification: Specification) -> Iterator[Problem]:
    for part in value if isinstance(value, list) else [value]:
        if not re.fullmatch(specification["pattern"], str(part)):
            yield Problem(name, f"cannot be {part!r}.", f"It must be {specification['pattern_help']}.")


def _unset_paths(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if UNSET in value:
            yield path
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _unset_paths(f"{path}.{key}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _unset_paths(f"{path}[{index}]", part)


def _first(description: Any) -> str:
    text = description[0] if isinstance(description, list) and description else description
    return re.sub(r"\b[CVO]\(([^)]*)\)", r"\1", str(text or "not described")).strip()


def _winning_place(name: str, stack: Stack, declarations: Sequence[Declaration]) -> tuple[str, ...]:
    """Where the value that this stack sees was declared: the last one of the most special scope."""
    scopes = ["all", *stack.groups, stack.name, COMMAND_LINE]
    concerned = [declaration for declaration in declarations if declaration.name == name and declaration.scope in scopes]
    if not concerned:
        return ()
    return (max(concerned, key=lambda declaration: (scopes.index(declaration.scope), declaration.order)).place(),)
