# SPDX-License-Identifier: GPL-3.0-or-later
"""A network ACL through its whole life, its entries one by one, subnets that go from one to another, and what others do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ec2_network_acl
from moto.ec2.models import ec2_backends

from sandbox.emulator.additions import network_acls
from tests.support.module_runs import EC2_THROTTLES, Calls, Plans, Run, fields, operations

WORLD = "0.0.0.0/0"
HTTPS = {"number": 100, "cidr": WORLD, "from_port": 443}
ANSWERS = {"number": 110, "cidr": WORLD, "from_port": 1024, "to_port": 65535}


@pytest.fixture(autouse=True, scope="module")
def acls_are_as_on_aws() -> None:
    network_acls.install()


@pytest.fixture
def ec2() -> Any:
    return boto3.client("ec2")


@pytest.fixture
def subnets(ec2: Any, vpc_id: str) -> list[str]:
    return [ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in range(3)]


@pytest.fixture
def manage(run: Run, vpc_id: str) -> Run:
    """manage(name="x", check=False, **options) -> the result, which must not be a failure."""

    def call(**options: Any) -> dict[str, Any]:
        result = run(ec2_network_acl, **{"vpc_id": vpc_id, "name": "x", **options})
        assert not result.get("failed"), result["msg"]
        return result

    return call


@pytest.fixture
def plans(manage: Run, monkeypatch: pytest.MonkeyPatch) -> Plans:
    return Plans("indivillage.infra.ec2_network_acl", manage, monkeypatch)


def acl(name: str = "x") -> dict[str, Any]:
    (found,) = boto3.client("ec2").describe_network_acls(Filters=[{"Name": "tag:Name", "Values": [name]}])["NetworkAcls"]
    return dict(found)


def default_acl(vpc_id: str) -> dict[str, Any]:
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "default", "Values": ["true"]}]
    (found,) = boto3.client("ec2").describe_network_acls(Filters=filters)["NetworkAcls"]
    return dict(found)


def subnets_of(found: dict[str, Any]) -> list[str]:
    return sorted(link["SubnetId"] for link in found["Associations"])


def entries_of(name: str = "x") -> set[tuple[bool, int]]:
    return {(entry["Egress"], entry["RuleNumber"]) for entry in acl(name)["Entries"] if entry["RuleNumber"] < 32767}


def move(subnet: str, to: str) -> None:
    """What somebody does by hand, or the run of another ACL."""
    ec2 = boto3.client("ec2")
    links = [link for found in ec2.describe_network_acls()["NetworkAcls"] for link in found["Associations"]]
    (association,) = [link["NetworkAclAssociationId"] for link in links if link["SubnetId"] == subnet]
    ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=to)


def allow(number: int, **options: Any) -> None:
    """What somebody does by hand."""
    entry = {"Protocol": "-1", "RuleAction": "allow", "Egress": False, "CidrBlock": WORLD, **options}
    boto3.client("ec2").create_network_acl_entry(NetworkAclId=acl()["NetworkAclId"], RuleNumber=number, **entry)


def take_away(number: int) -> None:
    boto3.client("ec2").delete_network_acl_entry(NetworkAclId=acl()["NetworkAclId"], RuleNumber=number, Egress=False)


# --- the whole life ---


def test_life_cycle(life_cycle: Callable[..., None], vpc_id: str, subnets: list[str]) -> None:
    first = {
        "ingress": [HTTPS, {"number": 120, "cidr": "::/0", "protocol": "icmpv6"}],
        "egress": [ANSWERS],
        "subnet_ids": subnets[:2],
        "tags": {"Project": "site", "Old": "1"},
    }
    second = {
        "ingress": [{**HTTPS, "from_port": 80}, {"number": 90, "cidr": "192.0.2.0/24", "action": "deny", "protocol": "all"}],
        "egress": [{"number": 1, "cidr": WORLD, "protocol": "icmp", "from_port": 8, "to_port": 0}],
        "subnet_ids": subnets[1:],
        "tags": {"Project": "site"},
    }
    life_cycle(ec2_network_acl, {"vpc_id": vpc_id, "name": "x"}, first, second)


def test_no_change_asks_once(manage: Run, subnets: list[str], calls: Calls) -> None:
    declared: dict[str, Any] = {
        "ingress": [HTTPS, {**ANSWERS, "protocol": "udp"}],
        "egress": [{"number": 70, "cidr": WORLD, "protocol": "all", "action": "deny"}],
        "subnet_ids": subnets,
        "tags": {"Project": "site"},
    }
    manage(**declared)
    calls.names.clear()

    result = manage(**declared)

    assert calls.names == ["DescribeNetworkAcls"]
    assert result["resource"] == {
        "network_acl_id": acl()["NetworkAclId"],
        "ingress": {"100": "allow tcp/443 0.0.0.0/0", "110": "allow udp/1024-65535 0.0.0.0/0"},
        "egress": {"70": "deny all 0.0.0.0/0"},
        "subnet_ids": sorted(subnets),
        "tags": {"Project": "site", "Name": "x"},
    }


def test_aws_is_told_what_the_stock_module_tells_it(manage: Run) -> None:
    manage(ingress=[HTTPS], egress=[])
    (entry,) = [entry for entry in acl()["Entries"] if entry["RuleNumber"] == 100]
    ports = {"PortRange": {"From": 443, "To": 443}}
    assert entry == {"CidrBlock": WORLD, "Egress": False, **ports, "Protocol": "6", "RuleAction": "allow", "RuleNumber": 100}


def test_what_is_not_declared_is_left_alone(manage: Run, subnets: list[str]) -> None:
    manage(ingress=[HTTPS], egress=[ANSWERS], subnet_ids=subnets, tags={"Project": "site"})
    assert not manage()["changed"]
    assert entries_of() == {(False, 100), (True, 110)}
    assert subnets_of(acl()) == sorted(subnets)


def test_an_acl_that_was_only_begun_is_completed(manage: Run, subnets: list[str]) -> None:
    manage()
    result = manage(ingress=[HTTPS], subnet_ids=subnets[:1])
    assert result["diff"] == {
        "before": {"ingress": {}, "subnet_ids": []},
        "after": {"ingress": {"100": "allow tcp/443 0.0.0.0/0"}, "subnet_ids": subnets[:1]},
    }


def test_throttled_calls_are_repeated(manage: Run, subnets: list[str], throttle: Callable[[bytes], Iterator[int]]) -> None:
    attempts = throttle(EC2_THROTTLES)
    manage(ingress=[HTTPS, ANSWERS], egress=[], subnet_ids=subnets)
    assert next(attempts) == 2 * len(["look", "create", "look", "entry", "entry", *subnets, "look"])


# --- entries ---


def test_only_what_differs_is_written_and_a_changed_entry_is_never_missing(manage: Run, calls: Calls) -> None:
    manage(ingress=[HTTPS, ANSWERS], egress=[ANSWERS])
    calls.names.clear()

    result = manage(ingress=[{**HTTPS, "from_port": 80}, {**HTTPS, "number": 120}], egress=[ANSWERS])

    assert calls.writes == ["ReplaceNetworkAclEntry", "CreateNetworkAclEntry", "DeleteNetworkAclEntry"]
    assert result["diff"] == {
        "before": {"ingress": {"100": "allow tcp/443 0.0.0.0/0", "110": "allow tcp/1024-65535 0.0.0.0/0"}},
        "after": {"ingress": {"100": "allow tcp/80 0.0.0.0/0", "120": "allow tcp/443 0.0.0.0/0"}},
    }
    assert entries_of() == {(False, 100), (False, 120), (True, 110)}


def test_entries_of_others_are_removed_whatever_their_kind(manage: Run, calls: Calls) -> None:
    manage(ingress=[HTTPS], egress=[])
    allow(7)
    allow(8, Protocol="50")
    allow(9, Protocol="1", IcmpTypeCode={"Type": -1, "Code": -1})
    calls.names.clear()

    result = manage(ingress=[HTTPS], egress=[])

    assert calls.writes == ["DeleteNetworkAclEntry"] * 3
    assert result["diff"]["before"]["ingress"] == {
        "7": "allow all 0.0.0.0/0", "8": "allow 50 0.0.0.0/0", "9": "allow icmp 0.0.0.0/0", "100": "allow tcp/443 0.0.0.0/0"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"number": 1, "cidr": "10.1.2.3/8", "from_port": 1}, "ingress 1: 10.1.2.3/8 has host bits set"),
        ({"number": 1, "cidr": WORLD}, "protocol is tcp but all of the following are missing: from_port"),
        ({"number": 1, "cidr": WORLD, "from_port": 2, "to_port": 1}, "ingress 1: tcp/2-1 has ports that are none"),
        ({"number": 1, "cidr": WORLD, "protocol": "all", "to_port": 1}, "ingress 1: all has ports."),
        ({"number": 0, "cidr": WORLD, "from_port": 1}, "ingress 0: numbers go from 1 to 32766."),
        ({"number": 32767, "cidr": WORLD, "from_port": 1}, "ingress 32767: numbers go from 1 to 32766."),
        (
            {"number": 100, "cidr": WORLD, "from_port": 1},
            "ingress 100: two entries have this number, allow tcp/443 0.0.0.0/0 and allow tcp/1 0.0.0.0/0.",
        ),
    ],
)
def test_nonsense_is_refused_before_a_write(run: Run, vpc_id: str, calls: Calls, entry: dict[str, Any], message: str) -> None:
    for check in (True, False):
        result = run(ec2_network_acl, check=check, vpc_id=vpc_id, name="x", ingress=[HTTPS, entry])
        assert result["failed"]
        assert message in result["msg"]
    assert calls.writes == []


def test_an_entry_that_somebody_adds_meanwhile_is_replaced(manage: Run, calls: Calls) -> None:
    manage(ingress=[], egress=[])
    calls.before["CreateNetworkAclEntry"] = lambda: allow(100)
    calls.names.clear()

    result = manage(ingress=[HTTPS], egress=[])

    assert calls.writes == ["CreateNetworkAclEntry", "ReplaceNetworkAclEntry"]
    assert result["resource"]["ingress"] == {"100": "allow tcp/443 0.0.0.0/0"}


@pytest.mark.parametrize("operation", ["DeleteNetworkAclEntry", "ReplaceNetworkAclEntry"])
def test_an_entry_that_somebody_takes_away_meanwhile_is_no_fault(manage: Run, calls: Calls, operation: str) -> None:
    manage(ingress=[HTTPS], egress=[])
    calls.before[operation] = lambda: take_away(100)
    wanted = [] if operation.startswith("Delete") else [{**HTTPS, "from_port": 80}]
    manage(ingress=wanted, egress=[])
    assert len(entries_of()) == len(wanted)


# --- subnets ---


def test_a_subnet_goes_from_one_acl_to_another_in_one_step(manage: Run, vpc_id: str, subnets: list[str], calls: Calls) -> None:
    manage(name="one", subnet_ids=subnets)
    manage(name="two", subnet_ids=[])
    calls.names.clear()

    result = manage(name="two", subnet_ids=[subnets[0]])

    assert calls.writes == ["ReplaceNetworkAclAssociation"]
    assert result["diff"] == {"before": {"subnet_ids": []}, "after": {"subnet_ids": [subnets[0]]}}
    assert (subnets_of(acl("one")), subnets_of(acl("two"))) == (sorted(subnets[1:]), [subnets[0]])
    assert subnets_of(default_acl(vpc_id)) == []


def test_a_subnet_that_no_acl_wants_falls_back_to_the_default_one(manage: Run, vpc_id: str, subnets: list[str], calls: Calls) -> None:
    manage(name="one", subnet_ids=subnets)
    calls.names.clear()
    manage(name="one", subnet_ids=subnets[1:], other_subnet_ids=[subnets[1]])
    assert calls.writes == ["ReplaceNetworkAclAssociation"]
    assert subnets_of(default_acl(vpc_id)) == [subnets[0]]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("told", [True, False])
def test_two_acls_exchange_their_subnets(manage: Run, subnets: list[str], order: tuple[str, str], told: bool) -> None:
    first, second, both = subnets[:1], subnets[1:], subnets if told else []
    manage(name="one", subnet_ids=first)
    manage(name="two", subnet_ids=second)

    for name in order:
        assert manage(name=name, subnet_ids={"one": second, "two": first}[name], other_subnet_ids=both)["changed"]

    assert (subnets_of(acl("one")), subnets_of(acl("two"))) == (sorted(second), first)


def test_what_others_will_move_is_no_business_of_the_acl_that_has_it(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage(name="one", subnet_ids=subnets)
    calls.names.clear()
    assert not manage(name="one", subnet_ids=subnets[1:], other_subnet_ids=subnets)["changed"]
    assert manage(name="two", subnet_ids=subnets[:1], other_subnet_ids=subnets)["changed"]
    assert calls.writes == ["CreateNetworkAcl", "ReplaceNetworkAclAssociation"]


def test_a_subnet_that_another_acl_takes_meanwhile_stays_there(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage(name="one", subnet_ids=subnets)
    manage(name="two")
    calls.before["ReplaceNetworkAclAssociation"] = lambda: move(subnets[0], to=acl("two")["NetworkAclId"])

    assert manage(name="one", subnet_ids=subnets[1:])["changed"]

    assert (subnets_of(acl("one")), subnets_of(acl("two"))) == (sorted(subnets[1:]), [subnets[0]])


@pytest.mark.parametrize("to", ["default", "two"])
def test_a_subnet_that_its_acl_lets_go_meanwhile_is_taken(manage: Run, vpc_id: str, subnets: list[str], calls: Calls, to: str) -> None:
    manage(name="one", subnet_ids=subnets)
    manage(name="two")
    target = (default_acl(vpc_id) if to == "default" else acl("two"))["NetworkAclId"]
    calls.before["ReplaceNetworkAclAssociation"] = lambda: move(subnets[0], to=target)
    calls.names.clear()

    manage(name="two", subnet_ids=[subnets[0]])

    assert calls.writes == ["ReplaceNetworkAclAssociation"] * (2 if to == "default" else 1)
    assert subnets_of(acl("two")) == [subnets[0]]


def test_a_subnet_that_aws_tells_later_is_waited_for(manage: Run, vpc_id: str, subnets: list[str], calls: Calls) -> None:
    manage()
    associations = ec2_backends["123456789012"]["us-east-1"].network_acls[default_acl(vpc_id)["NetworkAclId"]]._associations
    told = dict(associations)
    associations.clear()
    calls.names.clear()
    # Before the second look.
    calls.before["DescribeNetworkAcls"] = lambda: calls.before.update({"DescribeNetworkAcls": lambda: associations.update(told)})

    manage(subnet_ids=subnets[:1])

    assert calls.names == ["DescribeNetworkAcls", "DescribeNetworkAcls", "ReplaceNetworkAclAssociation", "DescribeNetworkAcls"]


# --- names, and the default ACL ---


def test_two_acls_of_one_name_are_an_error(run: Run, manage: Run, ec2: Any, vpc_id: str, calls: Calls) -> None:
    manage()
    tags = [{"ResourceType": "network-acl", "Tags": [{"Key": "Name", "Value": "x"}]}]
    ids = sorted([acl()["NetworkAclId"], ec2.create_network_acl(VpcId=vpc_id, TagSpecifications=tags)["NetworkAcl"]["NetworkAclId"]])
    calls.names.clear()

    result = run(ec2_network_acl, vpc_id=vpc_id, name="x", ingress=[])

    assert result["msg"] == (
        f"Could not read network ACL 'x' of {vpc_id}: {ids[0]} and {ids[1]} have this name. "
        "Delete those that nothing uses, or change their tag Name."
    )
    assert calls.writes == []


def test_the_name_is_kept_and_cannot_be_another(run: Run, manage: Run, vpc_id: str) -> None:
    manage(tags={})
    assert acl()["Tags"] == [{"Key": "Name", "Value": "x"}]
    result = run(ec2_network_acl, vpc_id=vpc_id, name="x", tags={"Name": "y"})
    assert "tags.Name is 'y', which is not the name that the ACL is found by" in result["msg"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_default_acl_is_not_taken_for_one_of_that_name(run: Run, ec2: Any, vpc_id: str, calls: Calls, state: str) -> None:
    default = default_acl(vpc_id)["NetworkAclId"]
    ec2.create_tags(Resources=[default], Tags=[{"Key": "Name", "Value": "x"}])
    calls.names.clear()

    result = run(ec2_network_acl, vpc_id=vpc_id, name="x", state=state)

    assert f"{default} is the VPC's default ACL" in result["msg"]
    assert calls.writes == []


def test_the_default_acl_is_closed_by_its_own_name(run: Run, ec2: Any, vpc_id: str, calls: Calls) -> None:
    default = default_acl(vpc_id)["NetworkAclId"]
    ec2.create_tags(Resources=[default], Tags=[{"Key": "Name", "Value": "x"}])
    nothing = [{"number": 100, "action": "deny", "cidr": "0.0.0.0/0", "protocol": "all"}]
    closed = {"vpc_id": vpc_id, "name": "default", "ingress": nothing, "egress": []}
    calls.names.clear()

    first, second = run(ec2_network_acl, **closed), run(ec2_network_acl, **closed)

    assert (first["changed"], first["resource"]["network_acl_id"], second["changed"]) == (True, default, False)
    assert calls.writes == ["ReplaceNetworkAclEntry", "DeleteNetworkAclEntry"]
    assert {entry["RuleAction"] for entry in default_acl(vpc_id)["Entries"]} == {"deny"}


def test_the_default_acl_does_not_tell_of_subnets_that_nobody_gave_it(run: Run, vpc_id: str, subnets: list[str], calls: Calls) -> None:
    assert set(subnets) <= set(subnets_of(default_acl(vpc_id)))

    result = run(ec2_network_acl, vpc_id=vpc_id, name="default", ingress=[], egress=[])

    assert result["resource"]["subnet_ids"] == [], "a prune would take them for declared"


def test_the_default_acl_is_neither_made_nor_deleted(run: Run, vpc_id: str, calls: Calls) -> None:
    results = [
        run(ec2_network_acl, vpc_id=vpc_id, name="default", state="absent"),
        run(ec2_network_acl, vpc_id="vpc-0", name="default", ingress=[]),
    ]
    assert ["AWS never deletes it" in results[0]["msg"], "it comes and goes with its VPC" in results[1]["msg"]] == [True, True]
    assert calls.writes == []


def test_a_deletion_first_gives_the_subnets_the_default_acl(manage: Run, vpc_id: str, subnets: list[str], calls: Calls) -> None:
    manage(subnet_ids=subnets[:2])
    calls.names.clear()

    manage(state="absent", other_subnet_ids=subnets)

    assert calls.writes == ["ReplaceNetworkAclAssociation"] * 2 + ["DeleteNetworkAcl"]
    assert subnets_of(default_acl(vpc_id)) == sorted(subnets)


# --- plans ---


@pytest.mark.parametrize("vpc_is_planned", [True, False])
def test_a_plan_makes_an_acl_of_what_is_only_planned(plans: Plans, ec2: Any, vpc_id: str, vpc_is_planned: bool) -> None:
    with plans.guarded():
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"] if vpc_is_planned else vpc_id
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    declared = {"vpc_id": vpc, "name": "x", "ingress": [HTTPS], "egress": [], "subnet_ids": [subnet], "tags": {"Project": "site"}}

    result, entry = plans.plan(**declared)
    again, _entry = plans.plan(**declared)

    assert (entry["action"], entry["resource"], entry["certain"]) == ("create", "network acl x", True)
    assert operations(entry) == ["CreateNetworkAcl", "CreateNetworkAclEntry", "ReplaceNetworkAclAssociation"]
    assert fields(entry)[f"Associations.{subnet}"] == (None, result["resource"]["network_acl_id"])
    assert fields(entry)["Entries.ingress.100.RuleAction"] == (None, "allow")
    assert not again["changed"]
    assert again["resource"] == result["resource"]


def test_a_plan_names_a_moved_subnet_once(plans: Plans, manage: Run, subnets: list[str]) -> None:
    manage(name="one", subnet_ids=subnets)
    manage(name="two", subnet_ids=[])
    one, two = (acl(name)["NetworkAclId"] for name in ("one", "two"))

    for _time in range(2):
        left, _entry = plans.plan(name="one", subnet_ids=subnets[1:], other_subnet_ids=subnets[:1])
        assert not left["changed"]
    result, entry = plans.plan(name="two", subnet_ids=subnets[:1], other_subnet_ids=subnets[1:])
    again, _entry = plans.plan(name="two", subnet_ids=subnets[:1], other_subnet_ids=subnets[1:])

    assert result["changed"]
    assert operations(entry) == ["ReplaceNetworkAclAssociation"]
    assert fields(entry) == {f"Associations.{subnets[0]}": (one, two)}
    assert not again["changed"]
    assert subnets_of(acl("one")) == sorted(subnets)


def test_a_plan_names_what_somebody_changed(plans: Plans, manage: Run, ec2: Any, vpc_id: str, subnets: list[str]) -> None:
    declared: dict[str, Any] = {
        "name": "x",
        "ingress": [HTTPS, ANSWERS],
        "egress": [],
        "subnet_ids": subnets[:1],
        "tags": {"Project": "site"},
    }
    manage(**declared)
    own, default = acl()["NetworkAclId"], default_acl(vpc_id)["NetworkAclId"]
    take_away(110)
    allow(7)
    ec2.replace_network_acl_entry(NetworkAclId=own, RuleNumber=100, Egress=False, Protocol="-1", RuleAction="allow", CidrBlock=WORLD)
    ec2.delete_tags(Resources=[own], Tags=[{"Key": "Project"}])
    move(subnets[0], to=default)

    _result, entry = plans.plan(**declared)
    again, _entry = plans.plan(**declared)

    assert operations(entry) == [
        "ReplaceNetworkAclEntry", "CreateNetworkAclEntry", "DeleteNetworkAclEntry", "ReplaceNetworkAclAssociation", "CreateTags"
    ]  # fmt: skip
    told = fields(entry)
    assert told["Entries.ingress.100.Protocol"] == ("-1", "6")
    assert told["Entries.ingress.110.CidrBlock"] == (None, WORLD)
    assert told["Entries.ingress.7.CidrBlock"] == (WORLD, None)
    assert told[f"Associations.{subnets[0]}"] == (default, own)
    assert told["Tags.Project"] == (None, "site")
    assert not again["changed"]


def test_a_plan_closes_the_default_acl_of_a_vpc_that_is_only_planned(plans: Plans, ec2: Any) -> None:
    with plans.guarded():
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    nothing = [{"number": 100, "action": "deny", "cidr": "0.0.0.0/0", "protocol": "all"}]
    declared = {"vpc_id": vpc, "name": "default", "ingress": nothing, "egress": nothing}

    _result, entry = plans.plan(**declared)
    again, _entry = plans.plan(**declared)

    assert operations(entry) == ["ReplaceNetworkAclEntry"] * 2
    assert not again["changed"]
