# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a server of AWX to its declaration: compare field by field, write only what differs, say what that was.

Nothing is remembered between runs: objects are found by their natural keys, so a run that ended half way is completed by the next one.
Only what carries our label is ever removed, and what belongs to it: nodes, schedules, grants of our teams.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.indivillage.infra.plugins.module_utils.awx_api import Api, AwxError
from ansible_collections.indivillage.infra.plugins.module_utils.awx_kinds import (
    BY_NAME,
    EDGES,
    ENCRYPTED,
    KINDS,
    NODES,
    ROLE_OBJECTS,
    ROLES,
    SECRET,
    SURVEY,
    Kind,
)

# What refers to a template finds a job template first, as awx.awx does.
TEMPLATES = ("job_template", "workflow")
APPROVAL = "approval_node"
NODE_FIELDS = ("all_parents_must_converge", "extra_data")
Declared = Mapping[str, Any]
Object = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One object that differs: fields -> (before, after); a whole object that comes or goes has no before, or no after."""

    action: str
    kind: str
    name: str
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass
class State:
    """A server, the declaration it is brought to, and what had to change. writing: false only compares."""

    api: Api
    label: str
    organization: str
    writing: bool = True
    changes: list[Change] = field(default_factory=list)
    _known: dict[str, list[Object]] = field(default_factory=dict)
    # Objects that a plan would make: they have no id, so what refers to them is new as well.
    coming: set[tuple[str, str]] = field(default_factory=set)
    _declared: dict[str, set[Any]] = field(default_factory=dict)

    def apply(self, lists: Mapping[str, list[Declared]]) -> None:
        """Everything that is declared, then the removal of what is ours and is not."""
        self._declared = {kind.name: {one.get("name") for one in lists.get(kind.list, [])} for kind in KINDS}
        for kind in KINDS:
            for declared in lists.get(kind.list, []):
                _Step(self, kind, declared).run()
        self._grant(lists.get(ROLES, []))
        self._prune_schedules(lists.get(BY_NAME["schedule"].list, []))
        for kind in reversed(KINDS):
            if kind.labelled:
                self._prune(kind, lists.get(kind.list, []))

    # ---- What the server has -------------------------------------------------------------------------------------------------------

    def objects(self, kind: Kind) -> list[Object]:
        if kind.name not in self._known:
            self._known[kind.name] = self.api.all(kind.path)
        return self._known[kind.name]

    def find(self, kind_name: str, name: str) -> Object | None:
        """The object of a name, in our organization or in none; None when a plan would make it first. Unknown names are an error."""
        names = TEMPLATES if kind_name == "template" else (kind_name,)
        for kind in (BY_NAME[one] for one in names):
            found = [one for one in self.objects(kind) if one["name"] == name and self.is_here(kind, one)]
            if found:
                return found[0]
            if (kind.name, name) in self.coming:
                return None
        raise AwxError(f"There is no {kind_name.replace('_', ' ')} {name!r}, neither on {self.api.host} nor in the declaration.")

    def is_here(self, kind: Kind, found: Object) -> bool:
        """Whether it lies where this configuration looks: equal names of other organizations are other objects."""
        if "organization" not in kind.references or not found.get("organization"):
            return True
        return bool(found["summary_fields"]["organization"]["name"] == self.organization)

    # ---- Writing -------------------------------------------------------------------------------------------------------------------

    def note(self, action: str, kind: str, name: str, fields: Mapping[str, tuple[Any, Any]] | None = None) -> None:
        self.changes.append(Change(action, kind, name, fields or {}))

    def post(self, path: str, data: Mapping[str, Any]) -> Object:
        return self.api.post(path, data) if self.writing else {}

    def patch(self, path: str, data: Mapping[str, Any]) -> Object:
        return self.api.patch(path, data) if self.writing else {}

    def delete(self, path: str) -> None:
        if self.writing:
            self.api.delete(path)

    # ---- Teams ---------------------------------------------------------------------------------------------------------------------

    def _grant(self, declared: Iterable[Declared]) -> None:
        """Exactly the declared roles of each declared team on job templates and workflows; other roles of a team are left alone."""
        wanted: dict[str, set[tuple[str, str, str]]] = {}
        for entry in declared:
            grants = wanted.setdefault(entry["team"], set())
            for key, kind in ROLE_OBJECTS.items():
                grants |= {(kind, name, entry["role"]) for name in entry.get(key, [])}
        ids = {
            (kind, one["name"], role.removesuffix("_role")): about["id"]
            for kind in ROLE_OBJECTS.values()
            for one in self._managed(kind).values()
            for role, about in one["summary_fields"]["object_roles"].items()
        }
        for team, grants in wanted.items():
            found = self.find("team", team)
            path = f"teams/{found['id']}/roles/" if found else ""
            present = {role["id"] for role in self.api.all(path)} if found else set()
            held = {grant for grant, number in ids.items() if number in present}
            for kind, name, role in sorted(grants - held):
                if self.find(kind, name) and (kind, name, role) not in ids:
                    raise AwxError(f"team {team!r}: a {kind.replace('_', ' ')} has no role {role!r}.")
                self.note("grant", "team", team, {f"{role} on {name}": (None, "granted")})
                self.post(path, {"id": ids[kind, name, role]} if self.writing else {})
            for grant in sorted(held - grants):
                self.note("revoke", "team", team, {f"{grant[2]} on {grant[1]}": ("granted", None)})
                self.post(path, {"id": ids[grant], "disassociate": True})

    # ---- Removal -------------------------------------------------------------------------------------------------------------------

    def _managed(self, kind_name: str) -> dict[int, Object]:
        """The templates of a kind that are ours, by declaration or by label."""
        kind = BY_NAME[kind_name]
        return {
            one["id"]: one
            for one in self.objects(kind)
            if self.is_here(kind, one) and (one["name"] in self._declared[kind_name] or self.carries_label(kind, one))
        }

    def carries_label(self, kind: Kind, found: Object) -> bool:
        labels = found.get("summary_fields", {}).get("labels", {"count": 0, "results": []})
        results = labels["results"]
        if labels["count"] > len(results):  # a summary shows ten at most
            results = self.api.all(f"{kind.path}{found['id']}/labels/")
        return any(one["name"] == self.label for one in results)

    def _prune_schedules(self, declared: Iterable[Declared]) -> None:
        kind = BY_NAME["schedule"]
        names = {(one["name"], one["unified_job_template"]) for one in declared}
        managed = {number: one["name"] for name in TEMPLATES for number, one in self._managed(name).items()}
        for found in self.objects(kind):
            template = managed.get(found["unified_job_template"])
            if template is not None and (found["name"], template) not in names:
                self.note("delete", kind.name, found["name"])
                self.delete(f"{kind.path}{found['id']}/")

    def _prune(self, kind: Kind, declared: Iterable[Declared]) -> None:
        names = {one["name"] for one in declared}
        for found in self.objects(kind):
            if found["name"] not in names and self.is_here(kind, found) and self.carries_label(kind, found):
                self.note("delete", kind.name, found["name"])
                self.delete(f"{kind.path}{found['id']}/")


class _Step:
    """One declared object."""

    def __init__(self, state: State, kind: Kind, declared: Declared) -> None:
        self.state, self.api, self.kind, self.declared = state, state.api, kind, declared
        missing = [key for key in ("name", *kind.key) if not declared.get(key) and key != "organization"]
        if missing:
            raise AwxError(f"an entry of {kind.list} lacks {', '.join(dict.fromkeys(missing))}: {dict(declared)}")
        self.name = str(declared["name"])

    def run(self) -> None:
        try:
            found = self._object()
            for key, kind in self.kind.associations.items():
                if key in self.declared:
                    self._associate(found, key, kind)
            if self.kind.survey and SURVEY in self.declared:
                self._survey(found)
            if self.kind.nodes and NODES in self.declared:
                _Nodes(self.state, found, self.name, self.declared[NODES]).run()
        except AwxError as error:
            raise AwxError(f"{self.kind.name} {self.name!r}: {error}") from error

    # ---- The object itself ---------------------------------------------------------------------------------------------------------

    def _object(self) -> Object | None:
        wanted = self._fields()
        found = self._existing()
        if found is None:
            self.state.note("create", self.kind.name, self.name, {name: (None, value) for name, value in self._shown().items()})
            if not self.state.writing:
                self.state.coming.add((self.kind.name, self.name))
                return None
            found = self.api.post(self.kind.path, wanted)
            self.state.objects(self.kind).append(found)
            return found
        different = {
            name: (before, value) for name, value in wanted.items() if name in found and not self._same(name, before := found[name], value)
        }
        if different:
            self.state.note("update", self.kind.name, self.name, {name: self._told(found, name, pair) for name, pair in different.items()})
            data = {name: _with_secrets(wanted[name], found[name]) for name in different}
            found.update(self.state.patch(f"{self.kind.path}{found['id']}/", data))
        return found

    def _existing(self) -> Object | None:
        """By its natural key."""
        parents: Object = {}
        for key in set(self.kind.key) - {"name", "organization"}:
            parent = self.state.find(self.kind.references[key], self.declared[key])
            if parent is None:
                return None
            parents[key] = parent["id"]
        for one in self.state.objects(self.kind):
            if one["name"] == self.name and self.state.is_here(self.kind, one) and all(one[key] == value for key, value in parents.items()):
                return one
        return None

    def _fields(self) -> Object:
        """What is to be written, in the API's form."""
        known = self.api.fields(self.kind.path)
        fields: Object = {}
        apart = {SURVEY, NODES, *self.kind.associations}
        if self.kind.name == "credential" and "inputs" in self.declared:
            raise AwxError("inputs holds secrets, which are entered in AWX and never declared. Remove it.")
        for name, value in self.declared.items():
            if name in apart:
                continue
            if name not in known:
                if name == "organization":  # that of a job template is its project's
                    continue
                raise AwxError(f"{self.api.host} knows no field {name}. Its fields are {', '.join(sorted(known))}.")
            if name in self.kind.references:
                target = self.state.find(self.kind.references[name], value) if value else {"id": ""}
                fields[name] = target["id"] if target else None
            else:
                fields[name] = json.dumps(value) if name in self.kind.texts else value
        return fields

    def _same(self, name: str, before: Any, after: Any) -> bool:
        if name in self.kind.texts:
            return _parsed(before) == _parsed(after)
        if name in self.kind.references:
            return (before or "") == (after or "")
        return _without_secrets(before, before) == _without_secrets(after, before)

    def _told(self, found: Object, name: str, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """Before and after for people: names instead of ids, data instead of JSON."""
        if name in self.kind.references:
            about = found.get("summary_fields", {}).get(name, {})
            return about.get("name", pair[0]), self.declared[name]
        if name in self.kind.texts:
            return _parsed(pair[0]), self.declared[name]
        return _without_secrets(pair[0], pair[0]), _without_secrets(pair[1], pair[0])

    def _shown(self) -> Object:
        return {name: _without_values_of_secrets(value) for name, value in self.declared.items() if name not in {"name", NODES}}

    # ---- What it is associated with ------------------------------------------------------------------------------------------------

    def _associate(self, found: Object | None, key: str, kind: str) -> None:
        wanted = {name: self.state.find(kind, name) for name in self.declared[key]}
        if found is None:
            return  # told by the object itself, which is new
        path = f"{self.kind.path}{found['id']}/{key}/"
        present = {one["name"]: one["id"] for one in self.api.all(path)}
        if present.keys() == wanted.keys():
            return
        self.state.note("update", self.kind.name, self.name, {key: (sorted(present), sorted(wanted))})
        # What leaves goes first: a template has one credential of a type at a time.
        for name in sorted(present.keys() - wanted.keys()):
            self.state.post(path, {"id": present[name], "disassociate": True})
        for name, target in sorted(wanted.items()):
            if name not in present and target:
                self.state.post(path, {"id": target["id"]})

    def _survey(self, found: Object | None) -> None:
        if found is None:
            return
        path = f"{self.kind.path}{found['id']}/{SURVEY}/"
        before, after = self.api.get(path), self.declared[SURVEY]
        if before == after:
            return
        questions = ({one["variable"]: one for one in survey.get("spec", [])} for survey in (before, after))
        old, new = questions
        fields = {f"survey {name}": (old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)}
        heads = {f"survey's {part}": (before.get(part), after.get(part)) for part in ("name", "description")}
        fields |= {name: pair for name, pair in heads.items() if pair[0] != pair[1]}
        self.state.note("update", self.kind.name, self.name, fields or {"survey": ("in another order", "as declared")})
        if not after:
            self.state.delete(path)
        else:
            self.state.post(path, after)


class _Nodes:
    """The graph of one workflow. A node whose template or kind moved is made anew; edges follow."""

    def __init__(self, state: State, workflow: Object | None, name: str, declared: list[Declared]) -> None:
        self.state, self.api, self.workflow, self.name, self.declared = state, state.api, workflow, name, declared

    def run(self) -> None:
        for node in self.declared:
            if template := node.get("unified_job_template"):
                self.state.find("template", template)
        if self.workflow is None:
            return
        path = f"workflow_job_templates/{self.workflow['id']}/workflow_nodes/"
        present = {one["identifier"]: one for one in self.api.all(path)}
        wanted = {node["identifier"]: node for node in self.declared}
        for identifier in sorted(present.keys() - wanted.keys()):
            self._remove(present.pop(identifier))
        for identifier, node in wanted.items():
            present[identifier] = self._node(path, node, present.get(identifier))
        for identifier, node in wanted.items():
            for edge in EDGES:
                self._edges(present, identifier, edge, set(node.get(edge, [])))

    def _remove(self, node: Object) -> None:
        self.state.note("delete", "workflow node", f"{self.name}: {node['identifier']}")
        self.state.delete(f"workflow_job_template_nodes/{node['id']}/")

    def _node(self, path: str, node: Declared, found: Object | None) -> Object:
        label = f"{self.name}: {node['identifier']}"
        template = self.state.find("template", node["unified_job_template"]) if node.get("unified_job_template") else None
        if found and not self._leads_to(node, template, found):
            self._remove(found)
            found = None
        settings = {name: node[name] for name in NODE_FIELDS if name in node}
        if found is None:
            self.state.note("create", "workflow node", label, {name: (None, value) for name, value in node.items() if name != "identifier"})
            if not self.state.writing:
                return {}
            target = {"unified_job_template": template["id"]} if template else {}
            made = self.api.post(path, {"identifier": node["identifier"], **settings, **target})
            if APPROVAL in node:
                self.api.post(f"workflow_job_template_nodes/{made['id']}/create_approval_template/", node[APPROVAL])
            return made
        different = {name: (found[name], value) for name, value in settings.items() if found[name] != value}
        if different:
            self.state.note("update", "workflow node", label, different)
            data = {name: settings[name] for name in different}
            self.state.patch(f"workflow_job_template_nodes/{found['id']}/", data)
        if APPROVAL in node:
            self._approval(label, node[APPROVAL], found["unified_job_template"])
        return found

    def _leads_to(self, node: Declared, template: Object | None, found: Object) -> bool:
        if APPROVAL in node:
            about = found.get("summary_fields", {}).get("unified_job_template", {})
            return about.get("unified_job_type") == "workflow_approval"
        return bool(template and found["unified_job_template"] == template["id"])

    def _approval(self, label: str, wanted: Declared, template_id: int) -> None:
        path = f"workflow_approval_templates/{template_id}/"
        found = self.api.get(path)
        different = {name: (found[name], value) for name, value in wanted.items() if found[name] != value}
        if different:
            self.state.note("update", "workflow node", label, different)
            self.state.patch(path, {name: wanted[name] for name in different})

    def _edges(self, nodes: Mapping[str, Object], identifier: str, edge: str, wanted: set[str]) -> None:
        node = nodes[identifier]
        names = {one["id"]: name for name, one in nodes.items() if "id" in one}
        present = {names[target] for target in node.get(edge, []) if target in names}
        if present == wanted:
            return
        if "id" in node:
            self.state.note("update", "workflow node", f"{self.name}: {identifier}", {edge: (sorted(present), sorted(wanted))})
        if not self.state.writing:
            return
        path = f"workflow_job_template_nodes/{node['id']}/{edge}/"
        for name in sorted(present - wanted):
            self.api.post(path, {"id": nodes[name]["id"], "disassociate": True})
        for name in sorted(wanted - present):
            self.api.post(path, {"id": nodes[name]["id"]})


def _parsed(text: Any) -> Any:
    """A field that holds JSON or YAML, as data."""
    if not isinstance(text, str):
        return text or {}
    return yaml_load(text) or {} if text.strip() else {}


def _without_secrets(value: Any, shown: Any) -> Any:
    """Data less what the server does not show: whether that is equal nobody can say."""
    if isinstance(value, dict) and isinstance(shown, dict):
        return {name: _without_secrets(part, shown.get(name)) for name, part in value.items() if shown.get(name) != ENCRYPTED}
    return value


def _with_secrets(value: Any, shown: Any) -> Any:
    """Data to write over what the server shows: what it does not show is sent as it shows it, which leaves it as it is."""
    if isinstance(value, dict) and isinstance(shown, dict):
        return {**{name: ENCRYPTED for name, part in shown.items() if part == ENCRYPTED}, **_without_secrets(value, shown)}
    return value


def _without_values_of_secrets(value: Any) -> Any:
    """What is shown of a declaration: a field that is called like a secret keeps its value for itself."""
    if isinstance(value, dict):
        return {
            name: "***" if SECRET.search(name) and isinstance(part, str) else _without_values_of_secrets(part)
            for name, part in value.items()
        }
    return value
