# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the declaration of AWX in awx/, found without a server: one problem for each fault, with its file and key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.indivillage.infra.plugins.module_utils.awx_kinds import (
    EDGES,
    KINDS,
    LISTS,
    NODES,
    ROLE_OBJECTS,
    ROLES,
    SECRET,
    SURVEY,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.awx_rrule import rule_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import APPROVED_PLAN, Runbook
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

FOLDER = "awx"
SETTINGS = "access.yml"  # what the made files are made with; no list of AWX
PLAN = "playbooks/plan_runbook.yml"
BUILT_IN = {"credential_type": {"Amazon Web Services", "Machine", "Source Control", "Vault", "Container Registry"}}
QUESTIONS = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}
# What AWX takes for a playbook: a line of it begins so (and a vaulted file).
PLAYBOOK = re.compile(r"^\s*(- )?((ansible\.builtin\.)?import_playbook|hosts|include):", re.MULTILINE)
MANY = {"job_template": "templates", "workflow": "workflows"}
Entry = Mapping[str, Any]


@dataclass
class Declaration:
    """The lists of awx/, and which file each comes from."""

    lists: dict[str, list[Entry]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def names(self, kind: str) -> set[str]:
        if kind == "template":
            return self.names("job_template") | self.names("workflow")
        variable = next(one.list for one in KINDS if one.name == kind)
        return {str(entry.get("name")) for entry in self.lists.get(variable, [])}

    def fault(self, variable: str, entry: Entry | None, key: str, text: str, fix: str) -> Problem:
        place = self.files.get(variable, FOLDER)
        name = f"{variable}[{entry.get('name') or entry.get('team')!r}]" if entry is not None else variable
        return Problem(f"{name}{'.' if key else ''}{key}", text, fix, (place,))


def read(root: Path) -> Declaration:
    """Every list below awx/."""
    declaration = Declaration()
    for path in sorted((root / FOLDER).rglob("*.yml")):
        if path.name == SETTINGS:
            continue
        place = str(path.relative_to(root))
        for variable, entries in (yaml_load(path.read_text(encoding="utf-8")) or {}).items():
            if variable not in LISTS:
                problem = Problem(variable, "is no list of AWX.", f"Lists are {', '.join(LISTS)}.", (place,))
                declaration.problems.append(problem)
            elif variable in declaration.lists:
                problem = Problem(variable, f"is in {declaration.files[variable]} too.", "Keep a list in one file.", (place,))
                declaration.problems.append(problem)
            else:
                declaration.lists[variable], declaration.files[variable] = entries, place
    return declaration


def find_problems(declaration: Declaration, runbooks: Mapping[str, Runbook], root: Path, label: str) -> list[Problem]:
    """Every fault."""
    check = _Check(declaration, runbooks, root, label)
    return [*declaration.problems, *check.problems()]


class _Check:
    def __init__(self, declaration: Declaration, runbooks: Mapping[str, Runbook], root: Path, label: str) -> None:
        self.declaration, self.root, self.label = declaration, root, label
        self.fault = declaration.fault
        self.templates = {str(entry["name"]): entry for entry in declaration.lists.get("controller_templates", []) if "name" in entry}
        self.workflows = {str(entry["name"]): entry for entry in declaration.lists.get("controller_workflows", []) if "name" in entry}
        self.by_playbook = {runbook.playbook: runbook for runbook in runbooks.values()}
        self.runbooks = runbooks

    def problems(self) -> Iterator[Problem]:
        for kind in KINDS:
            seen: set[tuple[str, ...]] = set()
            for entry in self.declaration.lists.get(kind.list, []):
                natural = tuple(str(entry.get(key, "")) for key in kind.key)
                if not entry.get("name"):
                    yield self.fault(kind.list, entry, "name", "is missing.", "Objects are found by their names.")
                if natural in seen:
                    yield self.fault(kind.list, entry, "", "is there twice.", f"Its {' and '.join(kind.key)} have to be its own.")
                seen.add(natural)
                yield from self._references(kind.list, entry, {**kind.references, **kind.associations})
                yield from self._secrets(kind.list, entry)
                if kind.survey:
                    yield from self._survey(kind.list, entry)
                if kind.labelled and self.label not in entry.get("labels", []):
                    yield self.fault(
                        kind.list, entry, "labels", f"lacks {self.label}.", "Without it, it stays when it is declared no more."
                    )
        for entry in self.templates.values():
            yield from self._template(entry)
        for entry in self.workflows.values():
            yield from self._workflow(entry)
        for entry in self.declaration.lists.get("controller_schedules", []):
            yield from self._schedule(entry)
        for entry in self.declaration.lists.get(ROLES, []):
            yield from self._role(entry)

    # ---- What all kinds have in common ---------------------------------------------------------------------------------------------

    def _references(self, variable: str, entry: Entry, references: Mapping[str, str]) -> Iterator[Problem]:
        for key, kind in references.items():
            named = entry.get(key) or []
            known = self.declaration.names(kind) | BUILT_IN.get(kind, set())
            for name in named if isinstance(named, list) else [named]:
                if name not in known:
                    yield self.fault(
                        variable, entry, key, f"names {name!r}, which is no {kind.replace('_', ' ')}.", "Declare it, or correct the name."
                    )

    def _secrets(self, variable: str, value: Any, entry: Entry | None = None, path: str = "") -> Iterator[Problem]:
        entry = value if entry is None else entry
        if variable == "controller_credentials" and value is entry and "inputs" in entry:
            yield self.fault(
                variable, entry, "inputs", "holds secrets.", "Remove it; they are typed into AWX, or come from its secret store."
            )
            return
        for name, part in value.items() if isinstance(value, dict) else ():
            if variable == "controller_credential_types" or name == SURVEY:
                continue  # these name fields for secrets, and hold none
            key = f"{path}.{name}".lstrip(".")
            if isinstance(part, dict):
                yield from self._secrets(variable, part, entry, key)
            elif SECRET.search(name) and part and isinstance(part, str):
                yield self.fault(variable, entry, key, "is a secret in a file.", "Remove it; secrets are typed into AWX.")

    def _survey(self, variable: str, entry: Entry) -> Iterator[Problem]:
        questions = entry.get(SURVEY, {}).get("spec", [])
        if bool(questions) != bool(entry.get("survey_enabled")):
            yield self.fault(
                variable, entry, "survey_enabled", "and survey_spec do not agree.", "A survey is enabled when it has questions."
            )
        seen = set()
        for question in questions:
            name = question.get("variable", "")
            key = f"{SURVEY}.{name}"
            if name in seen:
                yield self.fault(variable, entry, key, "is asked twice.", "Ask once.")
            seen.add(name)
            if question.get("type") not in QUESTIONS:
                yield self.fault(
                    variable, entry, key, f"has the type {question.get('type')!r}.", f"Types are {', '.join(sorted(QUESTIONS))}."
                )
            elif question["type"].startswith("multi") and not question.get("choices"):
                yield self.fault(variable, entry, key, "offers no choice.", "List choices.")
            elif question.get("min") is not None and question.get("max") is not None and question["min"] > question["max"]:
                yield self.fault(variable, entry, key, "has a min above its max.", "Swap them.")
            elif question.get("choices") and question.get("default") and question["default"] not in question["choices"]:
                yield self.fault(variable, entry, key, f"has the default {question['default']!r}, which is no choice.", "Choose one.")

    # ---- Job templates -------------------------------------------------------------------------------------------------------------

    def _runbook(self, template: Entry) -> Runbook | None:
        """What a template runs, or plans."""
        if template.get("playbook") == PLAN:
            return self.runbooks.get(template.get("extra_vars", {}).get("planned_runbook", ""))
        return self.by_playbook.get(template.get("playbook", ""))

    def _applies(self, name: str) -> Runbook | None:
        """The runbook that a template carries out after a plan; None for any other template."""
        template = self.templates.get(name)
        runbook = self._runbook(template) if template and template.get("playbook") != PLAN else None
        return runbook if runbook and runbook.plan else None

    def _wants_approval(self, name: str) -> bool:
        runbook = self._applies(name)
        return bool(runbook and self.templates[name].get("inventory") in runbook.approval)

    def _template(self, entry: Entry) -> Iterator[Problem]:
        variable, playbook = "controller_templates", entry.get("playbook", "")
        path = self.root / playbook
        if not path.is_file():
            yield self.fault(
                variable, entry, "playbook", f"names {playbook!r}, which is no file.", "Name it from the top of the repository."
            )
            return
        if not PLAYBOOK.search(path.read_text(encoding="utf-8")) or {"roles", "tasks", "group_vars"} & set(Path(playbook).parts):
            yield self.fault(
                variable, entry, "playbook", f"names {playbook}, which AWX would not list as one.", "It needs a line with hosts:."
            )
        runbook = self._runbook(entry)
        if runbook is None:
            yield self.fault(variable, entry, "playbook", "is that of no runbook.", "Write its manifest in runbooks/.")
            return
        if entry.get("inventory") not in runbook.environments:
            text = f"is {entry.get('inventory')!r}, where {runbook.name} may not run."
            yield self.fault(variable, entry, "inventory", text, f"It may in {', '.join(runbook.environments)}.")
        planning = playbook == PLAN
        if not entry.get("timeout"):
            yield self.fault(variable, entry, "timeout", "is missing.", "A job without one is never given up.")
        if runbook.writes and not planning and entry.get("allow_simultaneous") is not False:
            yield self.fault(variable, entry, "allow_simultaneous", "lets two jobs write at a time.", "Say false.")
        if entry.get("ask_variables_on_launch"):
            yield self.fault(variable, entry, "ask_variables_on_launch", "lets anything be given.", "Ask by the survey, which checks it.")
        yield from self._asked(variable, entry, runbook, planning)
        if runbook.plan and not planning and not any(self._plans(other, runbook, entry) for other in self.templates.values()):
            yield self.fault(variable, entry, "", f"applies {runbook.name}, and nothing plans it.", f"Declare its twin with {PLAN}.")

    def _plans(self, other: Entry, runbook: Runbook, entry: Entry) -> bool:
        return other.get("playbook") == PLAN and self._runbook(other) is runbook and other.get("inventory") == entry.get("inventory")

    def _asked(self, variable: str, entry: Entry, runbook: Runbook, planning: bool) -> Iterator[Problem]:
        asked = {question.get("variable"): question for question in entry.get(SURVEY, {}).get("spec", [])}
        for name in asked.keys() - runbook.inputs.keys():
            yield self.fault(
                variable, entry, f"{SURVEY}.{name}", f"is no input of {runbook.name}.", f"Its inputs are {', '.join(runbook.inputs)}."
            )
        for name, given in runbook.inputs.items():
            if given.required and not planning and not asked.get(name, {}).get("required"):
                yield self.fault(variable, entry, f"{SURVEY}.{name}", "has to be asked for.", f"{runbook.name} does not run without it.")

    # ---- Workflows -----------------------------------------------------------------------------------------------------------------

    def _workflow(self, entry: Entry) -> Iterator[Problem]:
        variable, nodes = "controller_workflows", {str(node.get("identifier")): node for node in entry.get(NODES, [])}
        if len(nodes) != len(entry.get(NODES, [])):
            yield self.fault(variable, entry, NODES, "has two nodes of one identifier.", "Nodes are found by it.")
        for identifier, node in nodes.items():
            key = f"{NODES}.{identifier}"
            approval, template = node.get("approval_node"), node.get("unified_job_template")
            if bool(approval) == bool(template):
                yield self.fault(variable, entry, key, "runs no template, or also waits for somebody.", "Give it one of the two.")
            if template and template not in self.declaration.names("template"):
                yield self.fault(variable, entry, key, f"names {template!r}, which is no template.", "Declare it, or correct the name.")
            if approval and not approval.get("timeout"):
                yield self.fault(variable, entry, key, "waits for ever.", "Give the approval a timeout, in seconds.")
            for edge in EDGES:
                for target in node.get(edge, []):
                    if target not in nodes:
                        yield self.fault(variable, entry, f"{key}.{edge}", f"leads to {target!r}, which is no node.", "Correct the name.")
        if circle := _circle(nodes):
            yield self.fault(variable, entry, NODES, f"goes in a circle: {' -> '.join(circle)}.", "A workflow has an end.")
            return
        for identifier in _reached_without_approval(nodes):
            template = nodes[identifier].get("unified_job_template", "")
            if self._wants_approval(template):
                text = f"reaches {template!r} without an approval."
                yield self.fault(variable, entry, f"{NODES}.{identifier}", text, "Put a node with approval_node on every way to it.")
        yield from self._answered(entry, nodes)

    def _answered(self, entry: Entry, nodes: Mapping[str, Entry]) -> Iterator[Problem]:
        """What a workflow's survey asks reaches its templates by name; what they require, it has to ask, or a plan has to hand on."""
        asked = {question.get("variable") for question in entry.get(SURVEY, {}).get("spec", []) if question.get("required")}
        handed = (
            {APPROVED_PLAN}
            if any(self.templates.get(node.get("unified_job_template", ""), {}).get("playbook") == PLAN for node in nodes.values())
            else set()
        )
        for identifier, node in nodes.items():
            template = self.templates.get(node.get("unified_job_template", ""), {})
            for name in _required(template) - asked - handed - node.get("extra_data", {}).keys():
                text = f"runs {template['name']!r}, which requires {name}; nobody answers that."
                yield self.fault("controller_workflows", entry, f"{NODES}.{identifier}", text, "Ask for it in the workflow's survey.")

    # ---- Schedules and grants ------------------------------------------------------------------------------------------------------

    def _schedule(self, entry: Entry) -> Iterator[Problem]:
        variable, name = "controller_schedules", str(entry.get("unified_job_template"))
        for text in rule_problems(str(entry.get("rrule", ""))):
            yield self.fault(variable, entry, "rrule", f"{text}.", "Otherwise AWX refuses it.")
        template = self.templates.get(name) or self.workflows.get(name) or {}
        answers = entry.get("extra_data", {})
        questions = {question["variable"] for question in template.get(SURVEY, {}).get("spec", [])}
        for missing in sorted(_required(template) - answers.keys()):
            yield self.fault(variable, entry, f"extra_data.{missing}", "is missing.", f"{name} requires it, and nobody is there to answer.")
        for unknown in sorted(answers.keys() - questions):
            yield self.fault(variable, entry, f"extra_data.{unknown}", f"is nothing that {name} asks for.", "AWX would refuse it.")
        if self._wants_approval(name):
            yield self.fault(variable, entry, "unified_job_template", f"starts {name!r} without an approval.", "Schedule its workflow.")
        if "enabled" not in entry:
            yield self.fault(variable, entry, "enabled", "is missing.", "Say whether it is on; it would be.")

    def _role(self, entry: Entry) -> Iterator[Problem]:
        if entry.get("team") not in self.declaration.names("team"):
            yield self.fault(ROLES, entry, "team", f"names {entry.get('team')!r}, which is no team.", "Declare it, or correct the name.")
        for key, kind in ROLE_OBJECTS.items():
            for name in entry.get(key, []):
                if name not in self.declaration.names(kind):
                    yield self.fault(
                        ROLES, entry, key, f"names {name!r}, which is none of the {MANY[kind]}.", "Declare it, or correct the name."
                    )
                if self._wants_approval(name) and entry.get("role") in {"execute", "admin"}:
                    text = f"lets {entry.get('team')} start {name!r} without an approval."
                    yield self.fault(ROLES, entry, key, text, "Grant its workflow instead.")


def _required(template: Entry) -> set[str]:
    return {str(question["variable"]) for question in template.get(SURVEY, {}).get("spec", []) if question.get("required")}


def _followers(node: Entry) -> list[str]:
    return [target for edge in EDGES for target in node.get(edge, [])]


def _circle(nodes: Mapping[str, Entry]) -> list[str]:
    """The first circle, if any."""

    def walk(identifier: str, way: list[str]) -> list[str]:
        if identifier in way:
            return [*way[way.index(identifier) :], identifier]
        for target in _followers(nodes.get(identifier, {})):
            if found := walk(target, [*way, identifier]):
                return found
        return []

    return next((found for identifier in nodes if (found := walk(identifier, []))), [])


def _reached_without_approval(nodes: Mapping[str, Entry]) -> list[str]:
    """The nodes that some way from a beginning reaches without passing an approval that was given."""
    targets = {target for node in nodes.values() for target in _followers(node)}
    open_ends, reached = [identifier for identifier in nodes if identifier not in targets], []
    while open_ends:
        identifier = open_ends.pop()
        if identifier in reached or identifier not in nodes:
            continue
        reached.append(identifier)
        node = nodes[identifier]
        # Whatever follows a refusal is reached without an approval, too.
        edges = ("failure_nodes", "always_nodes") if node.get("approval_node") else EDGES
        open_ends += [target for edge in edges for target in node.get(edge, [])]
    return reached
