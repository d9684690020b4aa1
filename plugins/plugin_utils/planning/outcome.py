# SPDX-License-Identifier: GPL-3.0-or-later
"""What a planned task reports: the module's own result, and under `plan` what an apply would do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..removal_identities import declared_identities
from . import births, operations, relations, requests, sizes
from .guard import Guard
from .placeholders import digest, holds
from .returns import facts, snake
from .shapes import bare, identifies, normal, strings
from .state import Trace, Write

# What is part of something greater: to create one is to change that.
PARTS = {
    *("tag", "route", "networkaclentry", "listener", "rule", "launchtemplateversion", "policyversion", "alias", "grant", "flowlogs"),
    *("accountassignment", "backupselection", "notification", "patchbaselineforpatchgroup", "restoretestingselection"),
    *("targetwithmaintenancewindow", "targetfrommaintenancewindow", "taskwithmaintenancewindow", "taskfrommaintenancewindow"),
    *("rolepolicy", "routetableassociation", "defaultroute", "scalingpolicyattachment", "vpccidrblock"),
    *("bucketcor", "bucketencryption", "bucketlifecycle", "bucketlifecycleconfiguration", "bucketlogging", "bucketownershipcontrol"),
    *("bucketpolicy", "bucketreplication", "buckettagging", "bucketversioning", "publicaccessblock"),
}
SECRET = re.compile(r"(password|secret(?!s?arn|id|name)|private_?key|auth_?token|credential(?!s?arn))", re.IGNORECASE)
ROLLOUT = "indivillage.infra.asg_rollout"
SHORTEST_SECRET = 8  # a shorter one is looked for as a whole value only, since it may be part of any text
SECRET_NAMES = {"secretstring", "secretbinary", "authtoken", "privatekey", "masteruserpassword"}


def fingerprint(value: Any) -> str:
    """What stands for a secret: the same for the same secret, on every machine; a placeholder stands for itself."""
    return value if isinstance(value, str) and holds(value) else f"sha256:{digest('secret', value)}"


def is_secret(name: str) -> bool:
    return bare(name) in SECRET_NAMES or SECRET.search(name) is not None


def hidden(value: Any, name: str = "", secrets: frozenset[str] = frozenset()) -> Any:
    """A value without secrets, whether their names tell them or the module was given them as such."""
    if isinstance(value, Mapping):
        return {key: hidden(item, str(key), secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(item, name, secrets) for item in value]
    if isinstance(value, str) and value:
        longer = (secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
        if is_secret(name) or value in secrets or any(secret in value for secret in longer):
            return fingerprint(value)
    return fingerprint(value) if isinstance(value, (int, float)) and str(value) in secrets else value


class Outcome:
    """Turns what a guard has recorded into the report of one task."""

    def __init__(self, guard: Guard, module: str, parameters: Mapping[str, Any]) -> None:
        self.guard = guard
        self.module = module
        self.parameters = parameters
        self.secrets: frozenset[str] = frozenset()

    @property
    def is_question(self) -> bool:
        """Whether the module only ever reads."""
        return self.module.endswith(("_info", "_facts"))

    @property
    def effective(self) -> list[tuple[Write, Trace]]:
        """The recorded writes but those that would write what is there already."""
        return [(write, trace) for write, trace in self.guard.recorded if not without_effect(write, trace)]

    def interrupted(self) -> bool:
        """Whether a failure of the module is the plan's: it has met something that is only planned."""
        if self.guard.invalid:
            return False
        return bool(self.guard.recorded) or self.guard.met_planned or self.depends()

    def depends(self) -> bool:
        """Whether the task was given something that is only planned."""
        return holds({name: value for name, value in self.parameters.items() if not name.startswith("_ansible_")})

    def finish(self, result: dict[str, Any]) -> None:
        """Complete the result of a module that ran to its end."""
        if not self.guard.recorded and isinstance(result.get("plan"), dict):
            return  # a module that removes things says itself what would go
        says = bool(result.get("changed"))
        effective = self.effective
        overruled = any(trace.changes and not write.creates for write, trace in effective)
        changed = (says or overruled) and not self.is_question
        entry = self.entry(effective if changed else [], changed, None)
        if changed and not entry["changes"] and isinstance(result.get("diff"), dict):
            entry["changes"] = self._own_changes(result["diff"])
        if changed and self.module == ROLLOUT:
            entry["costs"] = [sizes.of_rollouts(self.guard, result["groups"])]
        entry["identities"] = declared_identities(self.module, {**self.parameters, **result})
        self._report(result, entry)

    def stop(self, reason: str) -> dict[str, Any]:
        """The plan's part of the result of a module that was ended."""
        result: dict[str, Any] = {}
        effective = self.effective
        # Ours that only wait or look after what others make say themselves what they would change, before they do.
        unclear = self.depends() or (self.guard.met_planned and not self.module.startswith("indivillage."))
        changed = not self.is_question and (bool(effective) or unclear)
        self._report(result, self.entry(effective, changed, reason))
        return result

    def _report(self, result: dict[str, Any], entry: dict[str, Any]) -> None:
        result["changed"] = entry["action"] != "none"
        result["plan"] = entry
        changes = entry["changes"]
        if changes and not (self.module.startswith("indivillage.") and "diff" in result):
            sides = ("before", "after")
            result["diff"] = {side: {change["field"]: change[side] for change in changes if change[side] is not None} for side in sides}

    def entry(self, effective: list[tuple[Write, Trace]], changed: bool, reason: str | None) -> dict[str, Any]:
        action = self._action([write for write, _trace in effective]) if changed else "none"
        created = {name for write, _trace in effective if action == "create" and write.creates for name in write.identifiers}
        existing = set() if action == "create" else {text for read, _answer in self.guard.reads for text in read.asked}
        return {
            "action": action,
            "resource": self._resource([write for write, _trace in effective]),
            "calls": [self._call(write) for write, _trace in effective],
            "costs": [sizes.of_write(write, self.guard) for write, _trace in effective],
            "changes": list(self._changes(effective, created, existing)) if changed else [],
            "certain": reason is None,
            "reason": reason,
            "stateful": next((loss for write, _trace in effective if (loss := _loss(write))), None) if changed else None,
        }

    def _call(self, write: Write) -> dict[str, Any]:
        parameters = hidden(requests.without_tokens(write.parameters), secrets=self.secrets)
        return {"service": write.service, "operation": write.operation, "region": write.region, "parameters": parameters}

    def _changes(self, effective: list[tuple[Write, Trace]], created: set[str], existing: set[str]) -> Iterator[dict[str, Any]]:
        """The fields that change; of what is created there is nothing before, and its own names are not fields of it."""
        seen = set()
        for write, trace in effective:
            found = [(change.field, None if created else change.before, change.after) for change in trace.changes]
            if not found:
                told = births.known(write.service, "", requests.without_tokens(write.given))
                told = {name: value for name, value in told.items() if name not in ("TagList", "TagSet")}
                found = [
                    field
                    for name, value in told.items()
                    if not set(strings(value)) & (created | existing) and not (identifies(name, write.noun) and not write.creates)
                    for field in requests.differences(name, None, value)
                ]
            for name, before, after in found:
                part = next((part for part in name.split(".") if is_secret(part)), name)
                sides = [hidden(side, part, self.secrets) for side in (before, after)]
                key = (name, str(sides))
                if key not in seen:
                    seen.add(key)
                    yield {"field": name, "before": sides[0], "after": sides[1]}

    def _own_changes(self, diff: Mapping[str, Any]) -> list[dict[str, Any]]:
        before, after = (side if isinstance(side := diff.get(name), dict) else {} for name in ("before", "after"))
        return [
            {"field": name, "before": hidden(old, name, self.secrets), "after": hidden(new, name, self.secrets)}
            for member in dict.fromkeys([*before, *after])
            for name, old, new in requests.differences(member, before.get(member), after.get(member))
        ]

    def _action(self, writes: list[Write]) -> str:
        if not writes:
            return "create" if self.depends() else "delete" if self.parameters.get("state") == "absent" else "change"
        created = {normal(write.noun) for write in writes if write.creates}
        deleted = {normal(write.noun) for write in writes if write.deletes}
        if (created & deleted) - PARTS:
            return "replace"
        if self.parameters.get("state") in ("absent", "deleted", "terminated"):
            return "delete"
        first = writes[0]
        if first.verb == "Import" or (first.verb in ("Put", "Register") and bare(first.noun) in CREATED_BY_PUT):
            return "create" if not self._was_there(first) else "change"
        made = first.operation in relations.ELSEWHERE or (first.creates and first.verb != "Put")
        if made and normal(first.noun) not in PARTS:
            return "create"
        return "delete" if first.deletes and normal(first.noun) not in PARTS and not created else "change"

    def _was_there(self, write: Write) -> bool:
        return any(trace.found for other, trace in self.guard.recorded if other is write)

    def _resource(self, writes: list[Write]) -> str:
        main = next((write for write in writes if write.creates), writes[0] if writes else None)
        short = self.module.rpartition(".")[2].removesuffix("_info")
        kind = snake(main.noun).replace("_", " ") if main and main.creates and normal(main.noun) not in PARTS else short.replace("_", " ")
        return f"{kind} {self._name(main)}".strip()

    def _name(self, main: Write | None) -> str:
        given = facts([{name: value for name, value in self.parameters.items() if not name.startswith("_ansible_")}])
        tags = given.get("tags")
        for name in ("name", "id", "alias", "name_tag", "db_instance_identifier", "template_name", "iam_name", "resource_id"):
            if isinstance(given.get(name), str) and given[name]:
                return str(given[name])
        if isinstance(tags, dict) and isinstance(tags.get("name", tags.get("Name")), str):
            return str(tags.get("name", tags.get("Name")))
        texts = [value for name, value in given.items() if isinstance(value, str) and value and name.endswith(("_id", "_name", "_arn"))]
        return texts[0] if texts else next((text for text in sorted(main.identifiers)), "") if main else ""


CREATED_BY_PUT = {
    *("compositealarm", "metricalarm", "parameter", "scalingpolicy", "rolepolicy", "userpolicy", "grouppolicy", "rule", "dashboard"),
    "taskdefinition",  # by being registered, each time as a new revision
    *("configrule", "configurationrecorder", "conformancepack", "deliverychannel", "deliverydestination", "deliverysource"),
    "querydefinition",
}


def without_effect(write: Write, trace: Trace) -> bool:
    """Whether a write was seen to write only what is there already."""
    if (write.creates and write.verb != "Put") or write.deletes or write.verb == "Detach" or trace.changes:
        return False
    return set(requests.without_tokens(write.given)) <= trace.compared


def _loss(write: Write) -> str | None:
    found = operations.stateful(write.service, write.operation, write.parameters)
    return found[0].kind if found else None
