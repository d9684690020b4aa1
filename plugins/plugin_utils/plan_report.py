# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a run: what it would change, in a form that can be kept, compared and approved.

A plan is made by the callback `indivillage.infra.plan` in check mode and lies in `<plan_directory>/<environment>/plan.json`. Whoever needs
a plan (approval, drift, prune) runs the playbook with `--check` and reads that file with `load`; nothing else computes plans.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Cost, table

FORMAT = 1
FILE_NAME = "plan.json"
ACTIONS = ("create", "change", "replace", "delete")
NOTHING_TO_DO, FAILED, CHANGES = 0, 1, 2
# Stands where no_log keeps a value out of the plan.
HIDDEN = "(hidden)"

# Tokens that an SDK or a module invents anew for each call: two plans of the same world differ in them alone.
VOLATILE_PARAMETERS = frozenset({"ClientToken", "ClientRequestToken", "CallerReference", "CreationToken", "IdempotencyToken"})

# A run makes its own tables and bucket before it can ask for an approval: the approved plan may have them where the repeated one has not.
UNDIGESTED_ROLES = frozenset({"aws_operations"})


class PlanError(Exception):
    """A plan cannot be read; the text says which file, why, and what to do."""


@dataclass(frozen=True)
class Change:
    """One field that would change. Secrets are given as `sha256:<8 hex>`; None means that there is no value on that side."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Entry:
    """One thing that the run would do, or of which it cannot say for certain that it would not."""

    host: str
    role: str
    """Empty for a task outside of roles."""
    task: str
    item: str
    """The label of the loop item; empty without a loop."""
    module: str
    action: str
    """One of ACTIONS, or `none`, which is kept only when it is not certain."""
    resource: str = ""
    """Kind and name or id, such as `vpc indivillage-sandbox-vpc`; empty where only the task's name tells."""
    calls: list[dict[str, Any]] = field(default_factory=list)
    """The API calls that would be made: service, operation, region, parameters."""
    changes: list[Change] = field(default_factory=list)
    certain: bool = True
    reason: str | None = None
    """Why it is not certain, or what else is to be known."""
    stateful: str | None = None
    """The kind of data holder (database, bucket, key ...) that the action deletes or replaces."""

    @cached_property
    def canonical_text(self) -> str:
        """What digests and comparisons know it by."""
        return _text(canonical(self))


@dataclass(frozen=True)
class Input:
    """What one task was given, as a digest: it moves when a declaration or something that was read moves, changed or not."""

    host: str
    role: str
    task: str
    item: str
    digest: str


@dataclass(frozen=True)
class Failure:
    """A task that failed in check mode: the plan is not whole."""

    host: str
    role: str
    task: str
    item: str
    message: str


@dataclass(frozen=True)
class Note:
    """What a reader has to know about what this plan does not cover; `host` is empty when it holds for the run."""

    host: str
    text: str


@dataclass(frozen=True)
class Bill:
    """What a role's entries add to the month's bill of one host; no part of the digest, since prices move by themselves."""

    host: str
    role: str
    usd: float
    unpriced: list[str] = field(default_factory=list)
    """What costs, and nobody can say how much."""


@dataclass
class Plan:
    """A whole plan. Entries, failures and notes are in reading order: by host as the inventory lists them, then as the tasks ran."""

    environment: str
    commit: str = ""
    entries: list[Entry] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    unchanged: int = 0
    """Tasks and loop items that were looked at and would change nothing."""
    failed: list[Failure] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    """Identities (ARNs, ids, names) of all that the tasks manage, changed or not."""
    bills: list[Bill] = field(default_factory=list)
    """Only of roles that move a bill."""

    @property
    def cost(self) -> Cost:
        """What the plan adds to a month's bill."""
        return sum((Cost(bill.usd, tuple(bill.unpriced)) for bill in self.bills), Cost())

    @property
    def totals(self) -> dict[str, int]:
        """How many entries there are of each action."""
        counts = Counter(entry.action for entry in self.entries)
        return {action: counts[action] for action in ACTIONS}

    @property
    def stateful(self) -> list[Entry]:
        """The entries that delete or replace something that holds data."""
        return [entry for entry in self.entries if entry.stateful]

    @property
    def uncertain(self) -> list[Entry]:
        """The entries that the run may or may not do."""
        return [entry for entry in self.entries if not entry.certain]

    @property
    def exit_code(self) -> int:
        """0 when there is nothing to do for certain, 2 when there is, 1 when the check itself failed."""
        if self.failed:
            return FAILED
        return CHANGES if self.entries else NOTHING_TO_DO

    @property
    def digest(self) -> str:
        """SHA-256 of what was declared and observed and what would be done.

        The same on every machine and at every time as long as neither moves; commit, user, time, checkout path and the order in which
        hosts answered have no part in it.
        """
        entries, inputs = (entry.canonical_text for entry in _digested(self.entries)), map(_text, _digested(self.inputs))
        return digest([self.environment, sorted(entries), sorted(inputs), sorted(map(_text, self.failed))])


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal digits, of any JSON value; the order of mappings' keys does not count."""
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    return _shallow(value) if is_dataclass(value) else str(value)


def _shallow(value: Any) -> dict[str, Any]:
    """The fields of a dataclass as they are; asdict would copy all that they hold."""
    return {part.name: getattr(value, part.name) for part in fields(value)}


def _digested[Part: (Entry, Input)](parts: Iterable[Part]) -> Iterator[Part]:
    return (part for part in parts if part.role not in UNDIGESTED_ROLES)


def canonical(value: Any) -> Any:
    """What a module would do, without what differs from run to run: tokens made for each call, and the order of lists.

    Modules go through sets, whose order is another in each process.
    """
    if is_dataclass(value):
        value = _shallow(value)
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in value.items() if key not in VOLATILE_PARAMETERS}
    return sorted(map(canonical, value), key=_text) if isinstance(value, (list, tuple)) else value


# ---- Keeping ---------------------------------------------------------------------------------------------------------------------


def save(plan: Plan, path: Path) -> None:
    """Write the plan as JSON, readable by its owner alone: it names the whole estate."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(to_json(plan), indent=2, ensure_ascii=False, default=_plain) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole by one that its owner alone may read."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as the JSON document that `load` reads."""
    return {
        "format": FORMAT,
        "environment": plan.environment,
        "digest": plan.digest,
        "commit": plan.commit,
        "totals": plan.totals,
        "unchanged": plan.unchanged,
        **{name: [_shallow(part) for part in getattr(plan, name)] for name in ("failed", "notes")},
        "entries": [{**_shallow(entry), "changes": [_shallow(change) for change in entry.changes]} for entry in plan.entries],
        "inputs": [_shallow(given) for given in plan.inputs],
        "declared": plan.declared,
        "monthly_cost": {"usd": round(plan.cost.usd, 2), "unpriced": plan.cost.unpriced, "prices_of": table().date.isoformat()},
        "bills": [_shallow(bill) for bill in plan.bills],
    }


def load(path: Path) -> Plan:
    """Read a plan that `save` has written; PlanError when it is missing, of another format, or not what its digest says."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise PlanError(f"{path} is of format {document['format']}, and this version reads {FORMAT}: plan again.")
        plan = Plan(
            environment=document["environment"],
            commit=document["commit"],
            entries=[Entry(**{**entry, "changes": [Change(**change) for change in entry["changes"]]}) for entry in document["entries"]],
            inputs=[Input(**given) for given in document["inputs"]],
            unchanged=document["unchanged"],
            failed=[Failure(**failure) for failure in document["failed"]],
            notes=[Note(**note) for note in document["notes"]],
            declared=document["declared"],
            bills=[Bill(**bill) for bill in document.get("bills", ())],
        )
    except OSError as error:
        raise PlanError(f"There is no plan to be read at {path}: {error.strerror}. Make one: ansible-playbook site.yml --check.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{path} is no plan that this version can read ({error!r}): plan again.") from error
    if plan.digest != document["digest"]:
        raise PlanError(f"{path} was changed after it was made: its digest is {plan.digest} and not {document['digest']}. Plan again.")
    return plan


# ---- Comparing -------------------------------------------------------------------------------------------------------------------


def compare(old: Plan, new: Plan) -> list[str]:
    """What moved from one plan to the other, in sentences for people; empty exactly when the digests are equal."""
    if old.digest == new.digest:
        return []
    if old.environment != new.environment:
        return [f"The plans are of two environments: {old.environment} and {new.environment}"]
    before, after = Counter(old.failed), Counter(new.failed)
    failures = [f"{_place(failure)} fails now: {failure.message}" for failure in after - before]
    failures += [f"{_place(failure)} failed before and does not now: {failure.message}" for failure in before - after]
    entries, explained = _moved_entries(_by_place(old.entries), _by_place(new.entries))
    return failures + entries + _moved_inputs(old.inputs, new.inputs, explained)


def _moved_entries(old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]) -> tuple[list[str], set[str]]:
    """The sentences, and the places that they speak of."""
    sentences, explained = [], set()
    for place in _both(old, new):
        before, after = (sorted(entry.canonical_text for entry in plan.get(place, [])) for plan in (old, new))
        if before == after:
            continue
        explained.add(place)
        if not before:
            sentences += [f"{place} is new: {_outline(entry)}" for entry in new[place]]
        elif not after:
            sentences += [f"{place} is planned no more: {_outline(entry)}" for entry in old[place]]
        elif len(before) == len(after) == 1:
            sentences.append(f"{place} is another: {_difference(old[place][0], new[place][0])}")
        else:
            sentences.append(f"{place} was {_outlines(old[place])} and is {_outlines(new[place])}")
    return sentences, explained


def _moved_inputs(old: Iterable[Input], new: Iterable[Input], explained: set[str]) -> list[str]:
    before, after = _by_place(old), _by_place(new)
    sentences = []
    for place in _both(before, after):
        if place in explained or Counter(before.get(place)) == Counter(after.get(place)):
            continue
        if place in before and place in after:
            sentences.append(f"{place} is given other arguments")
        else:
            sentences.append(f"{place} {'is looked at no more' if place in before else 'was not looked at before'}")
    return sentences


def _by_place[Part: (Entry, Input)](parts: Iterable[Part]) -> dict[str, list[Part]]:
    places: dict[str, list[Part]] = {}
    for part in _digested(parts):
        places.setdefault(_place(part), []).append(part)
    return places


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from old
    yield from (place for place in new if place not in old)


def _place(part: Entry | Input | Failure) -> str:
    item = f" ({part.item})" if part.item else ""
    return f"{part.host}: {title(part.role, part.task)}{item}"


def title(role: str, task: str) -> str:
    """A task as Ansible itself calls it."""
    return f"{role} : {task}" if role else task


def _outlines(entries: list[Entry]) -> str:
    return "; ".join(map(_outline, entries))


def _outline(entry: Entry) -> str:
    """An entry in a few words: its action, its resource, and its fields with their values, or else its calls."""
    details = [f"{name}: {told}" for name, told in _fields(entry).items()] or sorted(_operations(entry))
    return _head(entry) + (f" [{_some(details)}]" if details else "")


def _difference(old: Entry, new: Entry) -> str:
    """What moved between two entries of the same place."""
    told = [f"was {_head(old)} and is {_head(new)}"] if _head(old) != _head(new) else []
    before, after = _fields(old), _fields(new)
    moved = [name for name in _both(before, after) if before.get(name) != after.get(name)]
    told += [f"{name} was {before.get(name, 'left alone')} and is {after.get(name, 'left alone')}" for name in moved]
    was, now = _operations(old), _operations(new)
    if not told and was != now:
        told = [f"called {_some(sorted(was))} and calls {_some(sorted(now))}"]
    return _some(told or [f"calls {_some(sorted(was))} with other parameters"], "; ")


def _head(entry: Entry) -> str:
    stateful = f"(holds data: {entry.stateful})" if entry.stateful else ""
    uncertain = "" if entry.certain else "(not certain)"
    reason = f"({entry.reason})" if entry.reason else ""
    return " ".join(word for word in (entry.action, entry.resource, stateful, uncertain, reason) if word)


def _fields(entry: Entry) -> dict[str, str]:
    fields: dict[str, str] = {}
    for change in sorted(entry.changes, key=_text):
        told = f"{shorten(change.before)} -> {shorten(change.after)}"
        fields[change.field] = f"{fields[change.field]}, {told}" if change.field in fields else told
    return fields


def _operations(entry: Entry) -> set[str]:
    return {f"{call['service']}:{call['operation']}" for call in entry.calls}


def _some(parts: list[str], separator: str = ", ", most: int = 4) -> str:
    more = [f"and {len(parts) - most} more"] if len(parts) > most else []
    return separator.join(parts[:most] + more) or "nothing"


def shorten(value: Any, length: int = 60) -> str:
    """A value on one line, as people write it: text bare, nothing as `(none)`, all else as JSON; cut in its middle when it is long."""
    text = "(none)" if value is None else value if isinstance(value, str) else _text(value)
    text = re.sub(r"\s+", " ", text).strip() or '""'
    if len(text) <= length:
        return text
    end = length // 3
    return f"{text[: length - end - 3]}...{text[-end:]}"
