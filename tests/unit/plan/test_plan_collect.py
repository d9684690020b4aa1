# SPDX-License-Identifier: GPL-3.0-or-later
"""What the results of tasks become in a plan."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Cost
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_collect import Collector, Place, label_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import HIDDEN, Bill, Change, Entry, Plan

PLACE = Place("stack", "aws_network", "Make the VPC", "amazon.aws.ec2_vpc_net")
SECRET = Place("stack", "aws_database", "Run the database", "amazon.aws.rds_instance", no_log=True)
CALL = {"service": "ec2", "operation": "CreateVpc", "region": "us-east-1", "parameters": {"CidrBlock": "10.0.0.0/16"}}
CREATE: dict[str, Any] = {
    "action": "create",
    "resource": "vpc site",
    "calls": [CALL],
    "changes": [{"field": "CidrBlock", "before": None, "after": "10.0.0.0/16"}],
    "certain": True,
    "reason": None,
    "stateful": None,
    "identities": ["vpc site"],
}


def collected(place: Place, outcome: str = "ok", item: str = "", roots: tuple[str, ...] = ("/checkout",), **result: Any) -> Plan:
    collector = Collector(roots)
    collector.add(place, outcome, result, item)
    return collector.plan("sandbox", "", [])


def only_entry(place: Place, outcome: str = "ok", item: str = "", **result: Any) -> Entry:
    (entry,) = collected(place, outcome, item, **result).entries
    return entry


def test_a_guarded_module_is_believed() -> None:
    plan = collected(PLACE, changed=True, plan=CREATE, item="a")
    (entry,) = plan.entries
    assert entry == Entry(
        "stack", PLACE.role, PLACE.task, "a", PLACE.module, "create", "vpc site", [CALL], [Change("CidrBlock", None, "10.0.0.0/16")]
    )
    assert plan.declared == ["vpc site"]
    assert plan.unchanged == 0


def test_what_only_the_module_knows_is_told_by_its_diff() -> None:
    diff = {"before": {"private_key_file": "missing"}, "after": {"private_key_file": "written"}}
    entry = only_entry(PLACE, changed=True, diff=diff, plan={**CREATE, "action": "change", "changes": []})
    assert entry.changes == [Change("private_key_file", "missing", "written")]
    assert only_entry(PLACE, changed=True, diff=diff, plan=CREATE).changes == [Change("CidrBlock", None, "10.0.0.0/16")]


def test_what_changes_nothing_is_counted_and_declared() -> None:
    plan = collected(PLACE, changed=False, plan={**CREATE, "action": "none", "calls": [], "changes": []})
    assert (plan.entries, plan.unchanged, plan.declared) == ([], 1, ["vpc site"])
    assert collected(PLACE, changed=False, invocation={"module_args": {"a": 1}}).unchanged == 1
    assert collected(Place("stack", "", "Note it", "ansible.builtin.set_fact"), changed=False).unchanged == 0


def test_nothing_that_is_not_certain_is_an_entry() -> None:
    entry = only_entry(PLACE, changed=False, plan={**CREATE, "action": "none", "certain": False, "reason": "no read tells"})
    assert (entry.action, entry.certain, entry.reason) == ("none", False, "no read tells")


def test_changed_when_has_the_last_word() -> None:
    assert only_entry(PLACE, changed=True, plan={**CREATE, "action": "none"}).action == "change"
    assert collected(PLACE, changed=False, plan=CREATE).entries == []


@pytest.mark.parametrize(
    ("diff", "action", "changes"),
    [
        ({"before": {"a": 1, "b": {"c": 2}}, "after": {"a": 1, "b": {"c": 3}}}, "change", [Change("b.c", 2, 3)]),
        ({"before": {}, "after": {"a": 1}}, "create", [Change("a", None, 1)]),
        ({"before": {"a": 1}, "after": {}}, "delete", [Change("a", 1, None)]),
        (
            {"before": {"path": "/x", "state": "absent"}, "after": {"path": "/x", "state": "directory"}},
            "create",
            [Change("state", "absent", "directory")],
        ),
        ([{"before": "", "after": "x\n", "after_header": "/etc/x"}], "create", [Change("/etc/x", "", "x\n")]),
        ([{"before": "y\n", "after": "x\n", "before_header": "/etc/x"}, {}], "change", [Change("/etc/x", "y\n", "x\n")]),
        ({"prepared": "would install nginx"}, "create", [Change("", None, "would install nginx")]),
        ([], "change", []),
    ],
)
def test_a_module_with_a_check_mode_of_its_own_tells_by_its_diff(diff: Any, action: str, changes: list[Change]) -> None:
    entry = only_entry(Place("host", "web_tier", "Write", "indivillage.infra.host_files"), changed=True, diff=diff)
    assert (entry.action, entry.changes, entry.certain) == (action, changes, True)


def test_controller_memory_is_no_change() -> None:
    assert collected(Place("stack", "", "Add it", "ansible.builtin.add_host"), changed=True).entries == []


def test_loops_and_lists_made_like_loops() -> None:
    results = [
        {"ansible_loop_var": "item", "item": {"n": 1}, "_ansible_item_label": "one", "changed": True, "plan": CREATE},
        {"ansible_loop_var": "item", "item": "two", "changed": False, "plan": {**CREATE, "action": "none"}},
        {"ansible_loop_var": "item", "item": "three", "failed": True, "msg": "no"},
        {
            "ansible_loop_var": "item",
            "item": "four",
            "skipped": True,
            "skip_reason": "Conditional result was False",
            "false_condition": "x",
        },
    ]
    plan = collected(PLACE, "failed", changed=True, results=results, msg="One or more items failed")
    assert [entry.item for entry in plan.entries] == ["one"]
    assert plan.unchanged == 1
    assert [(failure.item, failure.message) for failure in plan.failed] == [("three", "no")]
    assert label_of({"ansible_loop_var": "each", "each": {"name": "x"}}) == '{"name":"x"}'


def test_what_cannot_tell_is_named() -> None:
    entry = only_entry(PLACE, "skipped", msg="remote module (x) does not support check mode")
    assert (entry.action, entry.certain, entry.reason) == ("change", False, "remote module (x) does not support check mode")
    assert only_entry(PLACE, "skipped").reason == "amazon.aws.ec2_vpc_net has no check mode"
    command = Place("host", "base", "Trust it", "ansible.builtin.command")
    entry = only_entry(command, "skipped", msg="Command would have run if not in check mode")
    assert (entry.certain, entry.reason) == (True, "a command runs; what it changes is known only then")
    reads = Place("host", "base", "Look", "ansible.builtin.command", never_changes=True)
    assert collected(reads, "skipped", msg="Command would have run if not in check mode").entries == []


def test_a_condition_that_is_false_is_no_entry_and_check_mode_in_it_is_a_note() -> None:
    left_out: dict[str, Any] = {"skip_reason": "Conditional result was False"}
    assert collected(PLACE, "skipped", false_condition="x == 1", **left_out) == Plan("sandbox")
    assert collected(PLACE, "skipped", skip_reason="No items in the list", results=[]) == Plan("sandbox")
    plan = collected(PLACE, "skipped", false_condition="not ansible_check_mode", **left_out)
    assert [note.text for note in plan.notes] == [
        "aws_network : Make the VPC: only when changes are applied (when: not ansible_check_mode)"
    ]
    assert plan.entries == []


def test_playbooks_tell_notes_and_rescued_failures_are_told() -> None:
    plan = collected(PLACE, changed=False, ansible_stats={"data": {"plan_notes": ["Look here"]}, "aggregate": True})
    assert [(note.host, note.text) for note in plan.notes] == [("", "Look here")]
    plan = collected(PLACE, "rescued", msg="no")
    assert plan.failed == []
    assert "it failed, and the run went on by its rescue: no" in plan.notes[0].text


def test_failures_say_why() -> None:
    (failure,) = collected(PLACE, "failed", "a", msg="non-zero return code", stderr="bad\n").failed
    assert (failure.item, failure.message) == ("a", "non-zero return code\nbad")
    assert collected(PLACE, "failed").failed[0].message == "it failed without a message"


def test_of_a_hidden_task_only_what_it_does_is_told() -> None:
    changes = [{"field": "MasterUserPassword", "before": "sha256:0", "after": "sha256:1"}, {"field": "Port", "before": 1, "after": 7654321}]
    guarded = {**CREATE, "resource": "database 7654321", "changes": changes, "reason": "7654321", "stateful": "database"}
    guarded["calls"] = [{**CALL, "parameters": {"Port": 7654321}}]
    plan = collected(SECRET, changed=True, plan=guarded, item="7654321")
    (entry,) = plan.entries
    assert entry.changes == [Change("MasterUserPassword", HIDDEN, HIDDEN), Change("Port", HIDDEN, HIDDEN)]
    assert (entry.action, entry.stateful, [call["operation"] for call in entry.calls]) == ("create", "database", ["CreateVpc"])
    assert "7654321" not in repr(plan)
    assert "7654321" not in repr(collected(SECRET, "failed", "7654321", msg="7654321"))
    assert "7654321" not in repr(collected(SECRET, "skipped", msg="7654321"))
    assert "7654321" not in repr(collected(SECRET, changed=True, diff={"before": "", "after": "7654321"}))


def given(place: Place = PLACE, roots: tuple[str, ...] = ("/checkout",), **arguments: Any) -> str:
    (one,) = collected(place, roots=roots, changed=False, invocation={"module_args": arguments}).inputs
    return one.digest


def removal(kind: str, resource: str) -> Plan:
    plan = {**CREATE, "action": "delete", "resource": resource, "calls": []}
    place = Place("stack", "aws_removal", "Remove it", "indivillage.infra.owned_resource")
    return collected(place, changed=True, plan=plan, invocation={"module_args": {"kind": kind}})


def test_a_bill_is_kept_for_each_role_that_moves_it() -> None:
    key, other = {"kind": "key", "size": "", "count": 1}, {"service": "redshift", "operation": "CreateCluster"}
    abroad = {"service": "kms", "operation": "CreateKey", "region": "eu-west-1"}
    collector = Collector([])
    for calls, costs in (
        ([CALL], [[]]),
        ([CALL | abroad], [[key]]),
        ([CALL, CALL | other], [[key], []]),
        ([CALL], [[{"unpriced": "dust"}]]),
    ):
        collector.add(PLACE, "ok", {"changed": True, "plan": {**CREATE, "calls": calls, "costs": costs}})
    collector.add(Place("stack", "aws_keys", "Look", "x"), "ok", {"changed": False, "plan": {**CREATE, "action": "none", "costs": [[key]]}})
    plan = collector.plan("sandbox", "", [])
    assert plan.bills == [Bill("stack", "aws_network", 1.0, ["kms:CreateKey in eu-west-1", "redshift:CreateCluster", "dust"])]
    assert plan.cost == Cost(1.0, ("kms:CreateKey in eu-west-1", "redshift:CreateCluster", "dust"))
    assert collected(PLACE, changed=True, plan={**CREATE, "calls": [{**CALL, "operation": "CreateNatGateway"}]}).cost == Cost(32.85)


def test_what_is_removed_is_taken_from_the_bill() -> None:
    assert removal("ec2:natgateway", "NAT gateway nat-1").cost == Cost(-32.85)
    assert removal("rds:db", "database x").cost == Cost(0, ("database x, which goes",))
    assert removal("ec2:subnet", "subnet x").bills == []


def test_a_hidden_task_tells_a_sum_and_no_names() -> None:
    costs = [[{"kind": "database", "size": "db.t3.medium", "count": 1}, {"unpriced": "7654321"}]]
    plan = collected(SECRET, changed=True, plan={**CREATE, "calls": [CALL], "costs": costs})
    assert plan.bills == [Bill("stack", "aws_database", 52.56, ["what 'aws_database : Run the database' hides"])]
    without = collected(SECRET, changed=True, plan={**CREATE, "calls": [CALL]})
    assert plan.digest == without.digest, "prices and sizes are no part of what is approved; the calls that make them are"


def test_inputs_move_with_what_is_asked_and_not_with_who_asks_or_where() -> None:
    assert given(a=1) == given(a=1)
    assert given(a=1) != given(a=2)
    assert given(a=1) != given(a=1, b=2)
    assert given(a=1) == given(a=1, b=None)
    assert given(a=1, profile="me", access_key="k", endpoint_url="http://127.0.0.1:1") == given(a=1, profile="you")
    assert given(file="/checkout/roles/x", roots=("/checkout",)) == given(file="/home/me/site/roles/x", roots=("/home/me/site/",))
    assert given(src="/var/lib/awx/.ansible/tmp/ansible-tmp-1-2/source") == given(src="/home/me/.ansible/tmp/ansible-tmp-3-4/source")
    assert given(vpc="vpc-planned-1a2b3c4d") != given(vpc="vpc-planned-00000000")


def test_the_input_of_a_hidden_task_is_its_plan() -> None:
    first, second = (
        collected(SECRET, changed=True, plan={**CREATE, "calls": [{**CALL, "parameters": {"Password": hashed, "ClientToken": hashed}}]})
        for hashed in ("sha256:0", "sha256:1")
    )
    assert first.entries == second.entries
    assert first.digest != second.digest


def test_hosts_come_in_the_given_order_however_they_answered() -> None:
    collector = Collector([])
    for host in ("b", "c", "a"):
        collector.add(Place(host, "", "t", "m"), "ok", {"changed": True})
    assert [entry.host for entry in collector.plan("sandbox", "", ["a", "b"]).entries] == ["a", "b", "c"]
