# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of one task in check mode means for the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Cost
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_costs import cost_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import (
    HIDDEN,
    Bill,
    Change,
    Entry,
    Failure,
    Input,
    Note,
    Plan,
    canonical,
    digest,
    shorten,
    title,
)

Result = Mapping[str, Any]

# Which credentials and connection a module uses says who asks, not what is asked; the rest are names that Ansible invents for each run.
UNDIGESTED_ARGUMENTS = frozenset(
    {
        "access_key",
        "secret_key",
        "session_token",
        "profile",
        "endpoint_url",
        "aws_ca_bundle",
        "aws_config",
        "validate_certs",
        "debug_botocore_endpoint_logs",
        "_original_basename",
    }
)
TEMPORARY = re.compile(r"""[^\s"']*/ansible-(?:tmp|local)-[^\s"']*""")
# They change nothing but Ansible's own memory.
CONTROLLER_ACTIONS = frozenset({"ansible.builtin.add_host", "ansible.builtin.group_by"})
# What command and shell answer in check mode: that they run is certain, and all that anybody knows.
COMMAND_RUNS = "Command would have run if not in check mode"
MODE_WORD = "ansible_check_mode"


@dataclass(frozen=True)
class Place:
    """Where a result comes from."""

    host: str
    role: str
    task: str
    module: str
    no_log: bool = False
    never_changes: bool = False
    """Whether the task declares itself to be a read: changed_when is false."""


@dataclass
class Findings:
    """What was learnt from one or more results, in the order in which they came."""

    entries: list[Entry] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    unchanged: int = 0
    costs: dict[str, Cost] = field(default_factory=dict)
    """By role, what its entries add to a month's bill."""


class Collector:
    """Takes results in, host by host.

    C(roots) are directories whose place differs between machines, such as the checkout: arguments are digested as if they stood nowhere.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self._roots = sorted({root.rstrip("/") for root in roots}, key=len, reverse=True)
        self._findings: dict[str, Findings] = {}

    def of(self, host: str) -> Findings:
        """What was found on one host."""
        return self._findings.setdefault(host, Findings())

    def add(self, place: Place, outcome: str, result: Result, item: str = "") -> None:
        """Take in the result of a task, or of one item of its loop: C(outcome) is ok, skipped, failed, or rescued
        when it failed and the playbook goes on by a rescue.

        A result that is made like a loop's, with C(results) that carry a loop variable, is taken in item by item.
        """
        items = result.get("results")
        if isinstance(items, list) and items and all(isinstance(one, Mapping) and "ansible_loop_var" in one for one in items):
            for one in items:
                self._add_one(place, "failed" if one.get("failed") else "skipped" if one.get("skipped") else "ok", one, label_of(one))
        else:
            self._add_one(place, outcome, result, item)

    def fail(self, place: Place, message: str, item: str = "") -> None:
        """Note that the plan is not whole."""
        self.of(place.host).failed.append(Failure(place.host, place.role, place.task, item, message))

    def note(self, host: str, text: str) -> None:
        """Note once what the reader has to know."""
        note = Note(host, text)
        if note not in self.of(host).notes:
            self.of(host).notes.append(note)

    def plan(self, environment: str, commit: str, order: Iterable[str]) -> Plan:
        """All that was found, with the hosts in the given order; hosts that are not named there come last."""
        hosts = [host for host in dict.fromkeys(["", *order, *self._findings]) if host in self._findings]
        found = [self._findings[host] for host in hosts]
        return Plan(
            environment,
            commit,
            entries=[entry for one in found for entry in one.entries],
            inputs=[given for one in found for given in one.inputs],
            unchanged=sum(one.unchanged for one in found),
            failed=[failure for one in found for failure in one.failed],
            notes=[note for one in found for note in one.notes],
            declared=sorted({identity for one in found for identity in one.declared}),
            bills=[
                Bill(host, role, round(cost.usd, 2), list(cost.unpriced))
                for host, one in zip(hosts, found, strict=True)
                for role, cost in one.costs.items()
                if round(cost.usd, 2) or cost.unpriced
            ],
        )

    def _add_one(self, place: Place, outcome: str, result: Result, item: str) -> None:
        item = HIDDEN if item and place.no_log else item
        message = HIDDEN if place.no_log else message_of(result)
        if outcome == "failed":
            self.fail(place, message, item)
            return
        if outcome == "rescued":
            self.note(place.host, f"{title(place.role, place.task)}: it failed, and the run went on by its rescue: {message}")
            return
        findings, plan = self.of(place.host), result.get("plan") or {}
        self._add_input(place, item, result)
        findings.declared.update(plan.get("identities", ()))
        # How a playbook tells the reader something itself: set_stats with a list called plan_notes.
        for text in result.get("ansible_stats", {}).get("data", {}).get("plan_notes", ()):
            self.note("", text)
        if outcome == "skipped":
            self._add_skipped(place, item, result)
        elif place.module not in CONTROLLER_ACTIONS and (result.get("changed") or not plan.get("certain", True)):
            findings.entries.append(planned(place, item, result) if plan else reported(place, item, result))
            self._add_cost(place, result)
        elif plan or "invocation" in result:
            findings.unchanged += 1

    def _add_cost(self, place: Place, result: Result) -> None:
        cost = cost_of(result.get("plan") or {}, result.get("invocation", {}).get("module_args"))
        if place.no_log and cost.unpriced:
            cost = Cost(cost.usd, (f"what {title(place.role, place.task)!r} hides",))
        costs = self.of(place.host).costs
        costs[place.role] = costs.get(place.role, Cost()) + cost

    def _add_skipped(self, place: Place, item: str, result: Result) -> None:
        condition = result.get("false_condition")
        if condition is None:
            if "skip_reason" not in result and "skipped_reason" not in result:
                self._add_silent(place, item, str(result.get("msg") or f"{place.module} has no check mode"))
        elif MODE_WORD in str(condition):
            self.note(place.host, f"{title(place.role, place.task)}: only when changes are applied (when: {condition})")

    def _add_silent(self, place: Place, item: str, message: str) -> None:
        """Take in that a module does nothing in check mode, not even tell what it would do."""
        if place.never_changes:
            return
        runs = message == COMMAND_RUNS
        reason = "a command runs; what it changes is known only then" if runs else HIDDEN if place.no_log else message
        entry = Entry(place.host, place.role, place.task, item, place.module, "change", certain=runs, reason=reason)
        self.of(place.host).entries.append(entry)

    def _add_input(self, place: Place, item: str, result: Result) -> None:
        if place.no_log:
            # Nothing but the worker's plan of it, in which secrets are hashes.
            given: Any = canonical({name: value for name, value in (result.get("plan") or {}).items() if name != "costs"})
        else:
            given = result.get("invocation", {}).get("module_args")
        if given:
            digested = digest([place.module, self._placeless(given)])
            self.of(place.host).inputs.append(Input(place.host, place.role, place.task, item, digested))

    def _placeless(self, value: Any) -> Any:
        """The value without what differs between two machines or runs that do the same."""
        if isinstance(value, Mapping):
            return {key: self._placeless(item) for key, item in value.items() if item is not None and key not in UNDIGESTED_ARGUMENTS}
        if isinstance(value, (list, tuple)):
            return [self._placeless(item) for item in value]
        if not isinstance(value, str):
            return value
        for root in self._roots:
            value = value.replace(root, ".")
        return TEMPORARY.sub("(temporary)", value)


def label_of(item: Result) -> str:
    """How Ansible would call a loop item."""
    return shorten(item.get("_ansible_item_label", item.get(item.get("ansible_loop_var", "item"))), 120)


def message_of(result: Result) -> str:
    """Why a task failed, in its own words."""
    parts = [result.get("msg"), result.get("stderr") or result.get("module_stderr")]
    return "\n".join(str(part).strip() for part in parts if part) or "it failed without a message"


def planned(place: Place, item: str, result: Result) -> Entry:
    """The entry of a module that ran under the worker's write guard."""
    plan = result["plan"]
    calls = [dict(call) for call in plan.get("calls", ())]
    changes = [Change(change["field"], change.get("before"), change.get("after")) for change in plan.get("changes", ())]
    changes.sort(key=lambda change: change.field)
    # What a module of ours changes besides AWS, such as a file on the control node, only its own diff tells.
    changes = changes or list(reported_changes(result))
    resource, reason = plan.get("resource") or "", plan.get("reason")
    if place.no_log:
        calls = [{**call, "parameters": {}} for call in calls]
        changes = [Change(change.field, HIDDEN, HIDDEN) for change in changes]
        resource, reason = "", reason and HIDDEN
    action = plan.get("action", "none")
    return Entry(
        host=place.host,
        role=place.role,
        task=place.task,
        item=item,
        module=place.module,
        # The task's own changed_when may call a change what its module does not.
        action="change" if action == "none" and result.get("changed") else action,
        resource=resource,
        calls=calls,
        changes=changes,
        certain=plan.get("certain", True),
        reason=reason,
        stateful=plan.get("stateful"),
    )


def reported(place: Place, item: str, result: Result) -> Entry:
    """The entry of a module that has its own check mode, from the differences that it reports."""
    changes = [] if place.no_log else list(reported_changes(result))
    return Entry(place.host, place.role, place.task, item, place.module, action_of(changes), changes=changes)


def reported_changes(result: Result) -> Iterator[Change]:
    """The differences that a module reports by itself."""
    diffs = result.get("diff") or []
    return differences(diffs if isinstance(diffs, list) else [diffs])


def differences(diffs: Iterable[Result]) -> Iterator[Change]:
    """The fields, or whole texts, that differ; a text's field is its header, mostly a path."""
    for diff in diffs:
        before, after = diff.get("before"), diff.get("after")
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _fields(before, after, "")
        elif before != after:
            yield Change(str(diff.get("after_header") or diff.get("before_header") or ""), before, after)
        if diff.get("prepared"):
            yield Change(str(diff.get("after_header") or ""), None, diff["prepared"])


def _fields(before: Result, after: Result, prefix: str) -> Iterator[Change]:
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _fields(old, new, f"{prefix}{key}.")
        elif old != new:
            yield Change(f"{prefix}{key}", old, new)


def action_of(changes: list[Change]) -> str:
    """Whether something comes, goes or changes, as far as the differences tell."""
    states = [change for change in changes if change.field == "state"]
    comes = [change.before in (None, "", {}, "absent") for change in states or changes]
    goes = [change.after in (None, "", {}, "absent") for change in states or changes]
    if comes and all(comes):
        return "create"
    return "delete" if goes and all(goes) else "change"
