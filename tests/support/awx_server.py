# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of AWX's REST API that configures it, on loopback: as AWX 24 documents it and was seen to behave.

Objects live in memory. Kept from the original: OPTIONS with the fields that POST takes, pages, natural keys that may exist once, ids as
references, summary_fields (ten labels at most), associations by {"id": n, "disassociate": true} that answer 204, survey_spec and nodes as
resources of their own, an approval made by create_approval_template, one credential of a kind at a time, extra_vars as text, secrets that
are answered as $encrypted$, and the texts of refusals.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlparse

TOKEN = "a-token-of-the-test"
ENCRYPTED = "$encrypted$"
DEFAULT_PAGE = 25
LARGEST_PAGE = 200
Object = dict[str, Any]


class RefusedError(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(body)
        self.status, self.body = status, body


@dataclass(frozen=True)
class Kind:
    """fields: name -> default, ... when it is required. references: field -> kinds that its id is of. unique: the natural key."""

    fields: Mapping[str, Any]
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unique: tuple[str, ...] = ("name", "organization")
    associations: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    deletable: bool = True


NOTIFIED = {f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error")}
ORGANIZATION = {"organization": ("organizations",)}
JOB_FIELDS = {
    **{"name": ..., "description": "", "job_type": "run", "inventory": None, "project": None, "playbook": "", "scm_branch": "", "forks": 0},
    **{"limit": "", "verbosity": 0, "extra_vars": "", "job_tags": "", "skip_tags": "", "timeout": 0, "use_fact_cache": False},
    **{"execution_environment": None, "ask_limit_on_launch": False, "ask_variables_on_launch": False, "survey_enabled": False},
    **{"become_enabled": False, "diff_mode": False, "allow_simultaneous": False, "job_slice_count": 1},
}
KINDS: dict[str, Kind] = {
    "organizations": Kind({"name": ..., "description": "", "max_hosts": 0}, unique=("name",)),
    "teams": Kind({"name": ..., "description": "", "organization": ...}, ORGANIZATION),
    "labels": Kind({"name": ..., "organization": ...}, ORGANIZATION, deletable=False),
    "credential_types": Kind({"name": ..., "description": "", "kind": ..., "inputs": {}, "injectors": {}}, unique=("name", "kind")),
    "credentials": Kind(
        {"name": ..., "description": "", "organization": None, "credential_type": ..., "inputs": {}},
        {**ORGANIZATION, "credential_type": ("credential_types",)},
        unique=("name", "organization", "credential_type"),
    ),
    "execution_environments": Kind(
        {"name": ..., "description": "", "organization": None, "image": ..., "credential": None, "pull": ""},
        {**ORGANIZATION, "credential": ("credentials",)},
        unique=("name",),
    ),
    "notification_templates": Kind(
        {"name": ..., "description": "", "organization": ..., "notification_type": ..., "notification_configuration": {}}, ORGANIZATION
    ),
    "projects": Kind(
        {
            **{"name": ..., "description": "", "organization": None, "scm_type": "", "scm_url": "", "scm_branch": "", "scm_clean": False},
            **{"scm_update_on_launch": False, "scm_update_cache_timeout": 0, "allow_override": False, "credential": None, "timeout": 0},
            "default_environment": None,
        },
        {**ORGANIZATION, "credential": ("credentials",), "default_environment": ("execution_environments",)},
    ),
    "inventories": Kind({"name": ..., "description": "", "organization": ..., "variables": ""}, ORGANIZATION),
    "inventory_sources": Kind(
        {
            **{"name": ..., "description": "", "source": "scm", "source_path": "", "source_vars": "", "credential": None, "timeout": 0},
            **{"execution_environment": None, "overwrite": False, "overwrite_vars": False, "inventory": ..., "update_on_launch": False},
            **{"update_cache_timeout": 0, "source_project": None, "verbosity": 1},
        },
        {
            **{"inventory": ("inventories",), "source_project": ("projects",), "credential": ("credentials",)},
            "execution_environment": ("execution_environments",),
        },
        unique=("name", "inventory"),
    ),
    "job_templates": Kind(
        JOB_FIELDS,
        {"inventory": ("inventories",), "project": ("projects",), "execution_environment": ("execution_environments",)},
        associations={"credentials": "credentials", "labels": "labels", **NOTIFIED},
        roles=("admin_role", "execute_role", "read_role"),
    ),
    "workflow_job_templates": Kind(
        {
            **{"name": ..., "description": "", "organization": None, "extra_vars": "", "survey_enabled": False},
            **{"allow_simultaneous": False, "ask_variables_on_launch": False, "limit": ""},
        },
        ORGANIZATION,
        associations={"labels": "labels", **NOTIFIED, "notification_templates_approvals": "notification_templates"},
        roles=("admin_role", "execute_role", "read_role", "approval_role"),
    ),
    "workflow_job_template_nodes": Kind(
        {
            **{"identifier": "", "workflow_job_template": ..., "unified_job_template": None, "extra_data": {}},
            "all_parents_must_converge": False,
        },
        {"unified_job_template": ("job_templates", "workflow_job_templates", "workflow_approval_templates")},
        unique=("identifier", "workflow_job_template"),
        associations=dict.fromkeys(("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes"),
    ),
    "workflow_approval_templates": Kind({"name": ..., "description": "", "timeout": 0}, unique=()),
    "schedules": Kind(
        {"name": ..., "description": "", "rrule": ..., "enabled": True, "unified_job_template": ..., "extra_data": {}},
        {"unified_job_template": ("job_templates", "workflow_job_templates")},
        unique=("name", "unified_job_template"),
    ),
}
BUILT_IN = {"Amazon Web Services": "cloud", "Machine": "ssh", "Source Control": "scm"}
ROLE_NAMES = {"admin_role": "Admin", "execute_role": "Execute", "read_role": "Read", "approval_role": "Approve"}
MAIL = ("host", "port", "username", "password", "use_tls", "use_ssl", "sender", "recipients")
SECRETS = {"password", "secret_key", "token"}
SURVEY_TYPES = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}
UNIFIED = {"job_templates": "job", "workflow_job_templates": "workflow_job", "workflow_approval_templates": "workflow_approval"}


@dataclass(frozen=True)
class Request:
    """What was asked. words: the path below /api/v2/."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    data: Object

    @property
    def words(self) -> list[str]:
        return self.path.removeprefix("/api/v2/").strip("/").split("/")


@dataclass
class Awx:
    """One server. writes: what was asked of it beside reading. fail_at: the number of the write that it refuses, with status and body."""

    objects: dict[str, dict[int, Object]] = field(default_factory=lambda: {name: {} for name in KINDS})
    links: dict[tuple[str, int, str], set[int]] = field(default_factory=dict)
    surveys: dict[tuple[str, int], Object] = field(default_factory=dict)
    grants: dict[int, set[int]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    fail_at: tuple[int, int, Any] | None = None
    last_id: int = 0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name, kind in BUILT_IN.items():
            self.create("credential_types", {"name": name, "kind": kind})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ---- For tests -----------------------------------------------------------------------------------------------------------------

    def named(self, kind: str, name: str) -> Object:
        (found,) = [one for one in self.objects[kind].values() if name in (one.get("name"), one.get("identifier"))]
        return found

    def linked(self, kind: str, name: str, association: str) -> set[str]:
        found = self.named(kind, name)
        target = KINDS[kind].associations[association]
        return {self.objects[target][number]["name"] for number in self.links.get((kind, found["id"], association), set())}

    def snapshot(self) -> str:
        links = {"/".join(map(str, key)): sorted(value) for key, value in self.links.items() if value}
        surveys = {"/".join(map(str, key)): value for key, value in self.surveys.items()}
        grants = {str(team): sorted(roles) for team, roles in self.grants.items() if roles}
        return json.dumps([self.objects, links, surveys, grants], sort_keys=True)

    # ---- Objects -------------------------------------------------------------------------------------------------------------------

    def create(self, kind: str, data: Object, within: Object | None = None) -> Object:
        found = {"id": 0, **self._checked(kind, {**data, **(within or {})}, creating=True)}
        self.last_id += 1
        found["id"] = self.last_id
        self.objects[kind][found["id"]] = found
        return found

    def update(self, kind: str, found: Object, data: Object) -> Object:
        changed = {**found, **self._checked(kind, {**found, **data}, creating=False, own=found["id"])}
        found.update(changed)
        return found

    def delete(self, kind: str, found: Object) -> None:
        if not KINDS[kind].deletable:
            raise RefusedError(405, {"detail": 'Method "DELETE" not allowed.'})
        del self.objects[kind][found["id"]]
        number = found["id"]
        for key in [key for key in self.links if key[:2] == (kind, number)]:
            del self.links[key]
        for (_kind, _number, association), targets in self.links.items():
            if KINDS[_kind].associations[association] == kind:
                targets.discard(number)
        self.surveys.pop((kind, number), None)
        for team in self.grants.values():
            team -= {number * 10 + place for place in range(len(KINDS[kind].roles))}
        below = {"schedules": "unified_job_template", "workflow_job_template_nodes": "workflow_job_template"}
        for other, reference in below.items():
            if kind in {"job_templates", "workflow_job_templates"}:
                for one in [one for one in self.objects[other].values() if one.get(reference) == number]:
                    self.delete(other, one)

    def _checked(self, name: str, data: Object, *, creating: bool, own: int = 0) -> Object:
        kind = KINDS[name]
        values = {key: data.get(key, default) for key, default in kind.fields.items() if key in data or default is not ...}
        errors = {key: [text] for key, default in kind.fields.items() if (text := self._field_error(name, key, default, data))}
        for key in kind.references:
            values[key] = values.get(key) or None
        if name == "job_templates":
            project = self.objects["projects"].get(values["project"] or 0)
            if project is None:
                errors.setdefault("project", ["This field is required."])
            else:
                values["organization"] = project["organization"]
            if values["inventory"] is None:
                errors["inventory"] = ["You must either set a default value or ask to prompt on launch."]
        if values.get("notification_type") == "email":
            settings = values["notification_configuration"]
            if missing := [key for key in MAIL if key not in settings]:
                errors["notification_configuration"] = [f"Missing required fields for Notification Configuration: {', '.join(missing)}."]
            stored = self.objects[name].get(own, {}).get("notification_configuration", {})
            kept = {key: stored.get(key, "") for key, value in settings.items() if value == ENCRYPTED}
            values["notification_configuration"] = {**settings, **kept}
        if name == "schedules" and not errors:
            errors |= self._schedule_errors(values)
        if errors:
            raise RefusedError(400, errors)
        natural = tuple(values.get(key) for key in kind.unique)
        for one in self.objects[name].values():
            if kind.unique and one["id"] != own and tuple(one.get(key) for key in kind.unique) == natural:
                told = " and ".join(key.replace("_", " ").capitalize() for key in kind.unique)
                raise RefusedError(400, {"__all__": [f"{name[:-1].replace('_', ' ').capitalize()} with this {told} already exists."]})
        return values

    def _field_error(self, name: str, key: str, default: Any, data: Object) -> str:
        value, targets = data.get(key, default), KINDS[name].references.get(key, ())
        if default is ... and value in (..., None, ""):
            return "This field may not be blank." if key in data else "This field is required."
        if targets:
            known = value in (None, "") or any(value in self.objects[target] for target in targets)
            return "" if known else f'Invalid pk "{value}" - object does not exist.'
        wanted = {bool: "Must be a valid boolean.", int: "A valid integer is required.", str: "Not a valid string."}
        return "" if type(value) is type(default) else wanted.get(type(default), "")

    def _schedule_errors(self, values: Object) -> dict[str, list[str]]:
        rule = values["rrule"]
        if not re.search(r"DTSTART(;TZID=[^:]+)?:\d{8}T\d{6}Z?", rule):
            return {"rrule": ["Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"]}
        if "INTERVAL" not in rule:
            return {"rrule": ["INTERVAL required in rrule."]}
        number = values["unified_job_template"]
        for kind in ("job_templates", "workflow_job_templates"):
            questions = self.surveys.get((kind, number), {}).get("spec", [])
            missing = [one["variable"] for one in questions if one["required"] and one["variable"] not in values["extra_data"]]
            if missing:
                return {"variables_needed_to_start": [f"'{name}' value missing" for name in missing]}
            unknown = values["extra_data"].keys() - {one["variable"] for one in questions}
            if unknown and number in self.objects[kind]:
                return {"extra_data": [f"Variables {', '.join(sorted(unknown))} are not allowed on launch."]}
        return {}

    def shown(self, kind: str, found: Object) -> Object:
        """As the API answers it."""
        answer = json.loads(json.dumps(found))
        summary: Object = {}
        references = {**KINDS[kind].references, **(ORGANIZATION if kind == "job_templates" else {})}
        for key, targets in references.items():
            for target in targets:
                if other := self.objects[target].get(found.get(key) or 0):
                    summary[key] = {
                        "id": other["id"],
                        "name": other.get("name", ""),
                        **({"unified_job_type": UNIFIED[target]} if target in UNIFIED else {}),
                    }
        if "labels" in KINDS[kind].associations:
            labels = [self.objects["labels"][number] for number in sorted(self.links.get((kind, found["id"], "labels"), set()))]
            summary["labels"] = {"count": len(labels), "results": [{"id": one["id"], "name": one["name"]} for one in labels[:10]]}
        if roles := KINDS[kind].roles:
            summary["object_roles"] = {role: {"id": found["id"] * 10 + place, "name": ROLE_NAMES[role]} for place, role in enumerate(roles)}
        if kind == "workflow_job_template_nodes":
            answer |= {edge: sorted(self.links.get((kind, found["id"], edge), set())) for edge in KINDS[kind].associations}
        for key in ("inputs", "notification_configuration"):
            if kind in {"credentials", "notification_templates"} and key in answer:
                answer[key] = {name: ENCRYPTED if name in SECRETS and value else value for name, value in answer[key].items()}
        return {**answer, "type": kind[:-1], "url": f"/api/v2/{kind}/{found['id']}/", "summary_fields": summary}

    def authenticate(self, header: str) -> None:
        if header != f"Bearer {TOKEN}":
            raise RefusedError(
                401, {"detail": "Authentication credentials were not provided. To establish a login session, visit /api/login/."}
            )

    # ---- Requests ------------------------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> tuple[int, Any]:
        if request.method not in {"GET", "OPTIONS"}:
            self.writes.append(f"{request.method} {request.path}")
            if self.fail_at and len(self.writes) == self.fail_at[0]:
                raise RefusedError(self.fail_at[1], self.fail_at[2])
        words = request.words
        if not request.path.startswith("/api/v2/") or words[0] not in KINDS:
            raise RefusedError(404, {"detail": "The requested resource could not be found."})
        kind, *rest = words
        if not rest:
            return self._list(kind, request)
        found = self.objects[kind].get(int(rest[0]) if rest[0].isdigit() else 0)
        if found is None:
            raise RefusedError(404, {"detail": "Not found."})
        if len(rest) == 1:
            return self._detail(kind, found, request)
        return self._below(kind, found, rest[1], request)

    def _list(self, kind: str, request: Request) -> tuple[int, Any]:
        if request.method == "OPTIONS":
            fields = {
                key: {"required": default is ..., **({} if default is ... else {"default": default})}
                for key, default in KINDS[kind].fields.items()
            }
            return 200, {"name": kind, "actions": {"GET": {}, "POST": fields}}
        if request.method == "POST":
            if kind == "workflow_approval_templates":
                raise RefusedError(405, {"detail": 'Method "POST" not allowed.'})
            return 201, self.shown(kind, self.create(kind, request.data))
        return 200, self._page([self.shown(kind, one) for one in self.objects[kind].values()], request)

    def _page(self, found: list[Object], request: Request) -> Object:
        size = min(int(request.query.get("page_size", [str(DEFAULT_PAGE)])[0]), LARGEST_PAGE)
        page = int(request.query.get("page", ["1"])[0])
        last = max(1, -(-len(found) // size))
        if page > last:
            raise RefusedError(404, {"detail": "Invalid page."})
        following = f"{request.path}?page={page + 1}&page_size={size}" if page < last else None
        return {"count": len(found), "next": following, "previous": None, "results": found[(page - 1) * size : page * size]}

    def _detail(self, kind: str, found: Object, request: Request) -> tuple[int, Any]:
        if request.method == "PATCH":
            self.update(kind, found, request.data)
        elif request.method == "DELETE":
            self.delete(kind, found)
            return 204, None
        return 200, self.shown(kind, found)

    def _below(self, kind: str, found: Object, what: str, request: Request) -> tuple[int, Any]:
        special: dict[tuple[str, str], Callable[[], tuple[int, Any]]] = {
            ("workflow_job_templates", "workflow_nodes"): lambda: self._nodes(found, request),
            ("workflow_job_template_nodes", "create_approval_template"): lambda: self._approval(found, request.data),
            ("job_templates", "survey_spec"): lambda: self._survey(kind, found, request),
            ("workflow_job_templates", "survey_spec"): lambda: self._survey(kind, found, request),
            ("teams", "roles"): lambda: self._roles(found, request),
        }
        if (kind, what) in special:
            return special[kind, what]()
        if what not in KINDS[kind].associations:
            raise RefusedError(404, {"detail": "The requested resource could not be found."})
        target = KINDS[kind].associations[what]
        linked = self.links.setdefault((kind, found["id"], what), set())
        if request.method == "GET":
            return 200, self._page([self.shown(target, self.objects[target][number]) for number in sorted(linked)], request)
        other = self.objects[target].get(request.data.get("id", 0))
        if other is None:
            raise RefusedError(
                400, {"msg": f"{target[:-1].replace('_', ' ').capitalize()} with id {request.data.get('id')} does not exist."}
            )
        if request.data.get("disassociate"):
            linked.discard(other["id"])
            return 204, None
        self._may_link(kind, found, what, other, linked)
        linked.add(other["id"])
        return 204, None

    def _may_link(self, kind: str, found: Object, what: str, other: Object, linked: set[int]) -> None:
        if what == "credentials" and any(
            self.objects["credentials"][number]["credential_type"] == other["credential_type"] for number in linked - {other["id"]}
        ):
            name = self.objects["credential_types"][other["credential_type"]]["name"]
            raise RefusedError(400, {"error": f"Cannot assign multiple {name} credentials."})
        if kind == "workflow_job_template_nodes":
            others = {
                number for edge in KINDS[kind].associations if edge != what for number in self.links.get((kind, found["id"], edge), set())
            }
            if other["id"] in others:
                raise RefusedError(400, {"Error": "Relationship not allowed."})
            if self._reaches(other["id"], found["id"]):
                raise RefusedError(400, {"Error": "Cycle detected."})

    def _reaches(self, start: int, goal: int) -> bool:
        edges = KINDS["workflow_job_template_nodes"].associations
        return start == goal or any(
            self._reaches(number, goal) for edge in edges for number in self.links.get(("workflow_job_template_nodes", start, edge), set())
        )

    def _nodes(self, found: Object, request: Request) -> tuple[int, Any]:
        kind = "workflow_job_template_nodes"
        if request.method == "POST":
            return 201, self.shown(kind, self.create(kind, request.data, {"workflow_job_template": found["id"]}))
        nodes = [one for one in self.objects[kind].values() if one["workflow_job_template"] == found["id"]]
        return 200, self._page([self.shown(kind, one) for one in nodes], request)

    def _approval(self, node: Object, data: Object) -> tuple[int, Any]:
        if node["unified_job_template"]:
            raise RefusedError(400, {"detail": "Cannot create an approval template on a node that has a template."})
        made = self.create("workflow_approval_templates", data)
        node["unified_job_template"] = made["id"]
        return 201, self.shown("workflow_approval_templates", made)

    def _survey(self, kind: str, found: Object, request: Request) -> tuple[int, Any]:
        key = (kind, found["id"])
        if request.method == "GET":
            return 200, self.surveys.get(key, {})
        if request.method == "DELETE":
            self.surveys.pop(key, None)
            return 200, {}
        for part in ("name", "description", "spec"):
            if part not in request.data:
                raise RefusedError(400, {"error": f"'{part}' missing from survey spec."})
        if not request.data["spec"]:
            raise RefusedError(400, {"error": "'spec' doesn't contain any items."})
        seen = set()
        for number, question in enumerate(request.data["spec"]):
            for part in ("type", "question_name", "variable", "required"):
                if part not in question:
                    raise RefusedError(400, {"error": f"'{part}' missing from survey question {number}."})
            if question["type"] not in SURVEY_TYPES:
                raise RefusedError(
                    400, {"error": f"'{question['type']}' in survey question {number} is not one of the allowed question types."}
                )
            if question["variable"] in seen:
                raise RefusedError(400, {"error": f"'variable' '{question['variable']}' duplicated in survey question {number}."})
            seen.add(question["variable"])
        self.surveys[key] = request.data
        return 200, {}

    def _roles(self, team: Object, request: Request) -> tuple[int, Any]:
        held = self.grants.setdefault(team["id"], set())
        if request.method == "GET":
            return 200, self._page([self._role(number) for number in sorted(held)], request)
        self._role(request.data.get("id", 0))
        if request.data.get("disassociate"):
            held.discard(request.data["id"])
        else:
            held.add(request.data["id"])
        return 204, None

    def _role(self, number: int) -> Object:
        for kind, description in KINDS.items():
            found = self.objects[kind].get(number // 10)
            if found and number % 10 < len(description.roles):
                about = {"resource_name": found["name"], "resource_type": kind[:-1], "resource_id": found["id"]}
                return {"id": number, "type": "role", "name": ROLE_NAMES[description.roles[number % 10]], "summary_fields": about}
        raise RefusedError(400, {"msg": f"Role with id {number} does not exist."})


@contextmanager
def running() -> Iterator[Awx]:
    """A server without objects but those that a new one has."""
    awx = Awx()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            address = urlparse(self.path)
            request = Request(self.command, address.path, parse_qs(address.query), json.loads(body) if body else {})
            try:
                with awx.lock:
                    awx.authenticate(self.headers.get("Authorization", ""))
                    status, answer = awx.answer(request)
            except RefusedError as refusal:
                status, answer = refusal.status, refusal.body
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = do_OPTIONS = handle_one  # noqa: N815  # the names that the server calls

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: writes are remembered instead."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    awx.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield awx
    finally:
        server.shutdown()
        server.server_close()
