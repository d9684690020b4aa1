# SPDX-License-Identifier: GPL-3.0-or-later
"""A route table through its whole life, subnets that go from one to another, and what others do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ec2_route_table
from botocore.exceptions import ClientError
from moto.ec2.models.route_tables import Route

from sandbox.emulator.additions import route_tables
from tests.support.module_runs import EC2_THROTTLES, Calls, Plans, Run, fields, operations

WORLD = "0.0.0.0/0"
VPC = "10.0.0.0/16"


@pytest.fixture(autouse=True, scope="module")
def tables_are_as_on_aws() -> None:
    route_tables.install()


@pytest.fixture
def ec2() -> Any:
    return boto3.client("ec2")


@pytest.fixture
def vpc_id(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock=VPC)["Vpc"]["VpcId"])


@pytest.fixture
def gateway(ec2: Any, vpc_id: str) -> str:
    identifier = str(ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"])
    ec2.attach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc_id)
    return identifier


@pytest.fixture
def subnets(ec2: Any, vpc_id: str) -> list[str]:
    return [ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in range(3)]


@pytest.fixture
def nat(ec2: Any, subnets: list[str]) -> str:
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    return str(ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"])


@pytest.fixture
def manage(run: Run, vpc_id: str) -> Run:
    """manage(name, check=False, **options) -> the result, which must not be a failure."""

    def call(name: str, **options: Any) -> dict[str, Any]:
        result = run(ec2_route_table, vpc_id=vpc_id, name=name, **options)
        assert not result.get("failed"), result["msg"]
        return result

    return call


def table(name: str) -> dict[str, Any]:
    (found,) = boto3.client("ec2").describe_route_tables(Filters=[{"Name": "tag:Name", "Values": [name]}])["RouteTables"]
    return dict(found)


def subnets_of(name: str) -> list[str]:
    return sorted(link["SubnetId"] for link in table(name)["Associations"])


def ways_of(name: str) -> dict[str, str]:
    return {
        route["DestinationCidrBlock"]: route.get("NatGatewayId") or route["GatewayId"]
        for route in table(name)["Routes"]
        if "DestinationCidrBlock" in route
    }


def main_table() -> str:
    return str(
        boto3.client("ec2").describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"][-1][
            "RouteTableId"
        ]
    )


# --- the whole life ---


def test_life_cycle(life_cycle: Callable[..., None], vpc_id: str, gateway: str, nat: str, subnets: list[str]) -> None:
    first = {"routes": {WORLD: gateway, "192.0.2.0/24": nat}, "subnet_ids": subnets[:2], "tags": {"Project": "site", "Old": "1"}}
    second = {"routes": {WORLD: nat}, "subnet_ids": subnets[1:], "tags": {"Project": "site"}}
    life_cycle(ec2_route_table, {"vpc_id": vpc_id, "name": "x"}, first, second)


def test_no_change_asks_once(manage: Run, gateway: str, subnets: list[str], calls: Calls) -> None:
    declared: dict[str, Any] = {"routes": {WORLD: gateway}, "subnet_ids": subnets, "tags": {"Project": "site"}}
    manage("x", **declared)
    calls.names.clear()

    result = manage("x", **declared)

    assert calls.names == ["DescribeRouteTables"]
    assert result["resource"] == {
        "route_table_id": table("x")["RouteTableId"],
        "routes": {WORLD: gateway},
        "subnet_ids": sorted(subnets),
        "tags": {"Project": "site", "Name": "x"},
    }


def test_what_is_not_declared_is_left_alone(manage: Run, gateway: str, subnets: list[str]) -> None:
    manage("x", routes={WORLD: gateway}, subnet_ids=subnets, tags={"Project": "site"})
    assert not manage("x")["changed"]
    assert ways_of("x") == {VPC: "local", WORLD: gateway}
    assert subnets_of("x") == sorted(subnets)


def test_a_table_that_was_only_begun_is_completed(manage: Run, gateway: str, subnets: list[str]) -> None:
    manage("x")
    result = manage("x", routes={WORLD: gateway}, subnet_ids=subnets[:1])
    assert result["diff"] == {
        "before": {"routes": {}, "subnet_ids": []},
        "after": {"routes": {WORLD: gateway}, "subnet_ids": subnets[:1]},
    }


def test_throttled_calls_are_repeated(manage: Run, gateway: str, subnets: list[str], throttle: Callable[[bytes], Iterator[int]]) -> None:
    attempts = throttle(EC2_THROTTLES)
    manage("x", routes={WORLD: gateway}, subnet_ids=subnets)
    assert next(attempts) == 2 * len(["look", "create", "look", "route", *subnets, "look"])


# --- routes ---


def test_another_target_replaces_the_route(manage: Run, gateway: str, nat: str, calls: Calls) -> None:
    manage("x", routes={WORLD: gateway})
    calls.names.clear()

    result = manage("x", routes={WORLD: nat})

    assert calls.writes == ["ReplaceRoute"]
    assert result["diff"] == {"before": {"routes": {WORLD: gateway}}, "after": {"routes": {WORLD: nat}}}
    assert ways_of("x") == {VPC: "local", WORLD: nat}


def test_routes_of_others_are_removed_whatever_their_kind(manage: Run, ec2: Any, gateway: str, calls: Calls) -> None:
    manage("x", routes={WORLD: gateway})
    ids = {"RouteTableId": table("x")["RouteTableId"], "GatewayId": gateway}
    names = ec2.create_managed_prefix_list(PrefixListName="x", MaxEntries=1, AddressFamily="IPv4")["PrefixList"]
    ec2.create_route(**ids, DestinationCidrBlock="192.0.2.0/24")
    ec2.create_route(**ids, DestinationIpv6CidrBlock="::/0")
    ec2.create_route(**ids, DestinationPrefixListId=names["PrefixListId"])
    calls.names.clear()

    assert manage("x", routes={WORLD: gateway})["changed"]

    assert calls.writes == ["DeleteRoute"] * 3
    assert len(table("x")["Routes"]) == 2


def test_routes_of_gateway_endpoints_are_kept(manage: Run, ec2: Any, vpc_id: str, gateway: str) -> None:
    manage("x", routes={})
    service = "com.amazonaws.us-east-1.s3"
    ec2.create_vpc_endpoint(VpcId=vpc_id, ServiceName=service, RouteTableIds=[table("x")["RouteTableId"]])

    assert not manage("x", routes={})["changed"]
    assert manage("x", routes={WORLD: gateway})["changed"]

    assert any(route.get("DestinationPrefixListId") for route in table("x")["Routes"])


def test_propagated_routes_are_kept(manage: Run, ec2: Any, gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manage("x", routes={})
    ec2.create_route(RouteTableId=table("x")["RouteTableId"], DestinationCidrBlock="192.0.2.0/24", GatewayId=gateway)
    assert manage("x", check=True, routes={})["changed"]
    monkeypatch.setattr(Route, "origin", "EnableVgwRoutePropagation")
    assert not manage("x", routes={})["changed"]


def test_a_target_that_is_gone_is_seen(manage: Run, ec2: Any, vpc_id: str, gateway: str, nat: str) -> None:
    manage("x", routes={WORLD: nat, "192.0.2.0/24": gateway})
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)

    seen = manage("x", check=True, routes={WORLD: nat, "192.0.2.0/24": gateway})
    assert seen["diff"]["before"] == {"routes": {WORLD: f"{nat} (blackhole)", "192.0.2.0/24": f"{gateway} (blackhole)"}}

    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    assert manage("x", routes={WORLD: gateway})["changed"]
    assert ways_of("x") == {VPC: "local", WORLD: gateway}


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ({"10.1.2.3/8": "igw-1"}, "'10.1.2.3/8' is not a network: 10.1.2.3/8 has host bits set."),
        ({WORLD: "igw"}, "0.0.0.0/0 leads to 'igw', which is not the id of an internet gateway (igw-...)"),
        ({WORLD: None}, "0.0.0.0/0 leads to None"),
        ({WORLD: "vpce-1"}, "leads to 'vpce-1'"),
    ],
)
def test_nonsense_is_refused_before_a_write(run: Run, vpc_id: str, calls: Calls, routes: Any, message: str) -> None:
    for check in (True, False):
        result = run(ec2_route_table, check=check, vpc_id=vpc_id, name="x", routes=routes)
        assert result["failed"]
        assert message in result["msg"]
    assert calls.writes == []


# --- subnets ---


def test_a_subnet_goes_from_one_table_to_another_in_one_step(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage("one", subnet_ids=subnets)
    manage("two", subnet_ids=[])
    calls.names.clear()

    result = manage("two", subnet_ids=[subnets[0]])

    assert calls.writes == ["ReplaceRouteTableAssociation"]
    assert result["diff"] == {"before": {"subnet_ids": []}, "after": {"subnet_ids": [subnets[0]]}}
    assert (subnets_of("one"), subnets_of("two")) == (sorted(subnets[1:]), [subnets[0]])


def test_a_subnet_that_no_table_wants_falls_to_the_main_one(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage("one", subnet_ids=subnets)
    calls.names.clear()
    manage("one", subnet_ids=subnets[1:], other_subnet_ids=[subnets[1]])
    assert calls.writes == ["DisassociateRouteTable"]
    assert subnets_of("one") == sorted(subnets[1:])


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("told", [True, False])
def test_two_tables_exchange_their_subnets(manage: Run, subnets: list[str], order: tuple[str, str], told: bool) -> None:
    first, second, both = subnets[:1], subnets[1:], subnets if told else []
    manage("one", subnet_ids=first)
    manage("two", subnet_ids=second)

    for name in order:
        wanted = {"one": second, "two": first}[name]
        assert manage(name, subnet_ids=wanted, other_subnet_ids=both)["changed"]

    assert (subnets_of("one"), subnets_of("two")) == (sorted(second), first)


def test_what_others_will_move_is_no_business_of_the_table_that_has_it(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage("one", subnet_ids=subnets)
    calls.names.clear()
    assert not manage("one", subnet_ids=subnets[1:], other_subnet_ids=subnets)["changed"]
    assert manage("two", subnet_ids=subnets[:1], other_subnet_ids=subnets)["changed"]
    assert calls.writes == ["CreateRouteTable", "ReplaceRouteTableAssociation"]


def move(subnet: str, to: str) -> None:
    """What the run of another table does."""
    ec2 = boto3.client("ec2")
    links = [link for found in ec2.describe_route_tables()["RouteTables"] for link in found["Associations"]]
    (association,) = [link["RouteTableAssociationId"] for link in links if link.get("SubnetId") == subnet]
    ec2.replace_route_table_association(AssociationId=association, RouteTableId=table(to)["RouteTableId"])


def release(subnet: str) -> None:
    ec2 = boto3.client("ec2")
    links = [link for found in ec2.describe_route_tables()["RouteTables"] for link in found["Associations"]]
    ec2.disassociate_route_table(AssociationId=next(link["RouteTableAssociationId"] for link in links if link.get("SubnetId") == subnet))


def test_a_subnet_that_another_table_takes_meanwhile_stays_there(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage("one", subnet_ids=subnets)
    manage("two", subnet_ids=[])
    calls.before["DisassociateRouteTable"] = lambda: move(subnets[0], to="two")

    assert manage("one", subnet_ids=subnets[1:])["changed"]

    assert (subnets_of("one"), subnets_of("two")) == (sorted(subnets[1:]), [subnets[0]])


def test_a_subnet_that_its_table_lets_go_meanwhile_is_taken(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage("one", subnet_ids=subnets)
    calls.before["ReplaceRouteTableAssociation"] = lambda: release(subnets[0])

    manage("two", subnet_ids=[subnets[0]])

    assert calls.writes[-2:] == ["ReplaceRouteTableAssociation", "AssociateRouteTable"]
    assert subnets_of("two") == [subnets[0]]


def test_a_subnet_that_somebody_gives_another_table_meanwhile_is_taken(manage: Run, subnets: list[str], calls: Calls) -> None:
    manage("one")
    manage("two")
    one = table("one")["RouteTableId"]
    calls.before["AssociateRouteTable"] = lambda: boto3.client("ec2").associate_route_table(RouteTableId=one, SubnetId=subnets[0])

    manage("two", subnet_ids=[subnets[0]])

    assert calls.writes[-2:] == ["AssociateRouteTable", "ReplaceRouteTableAssociation"]
    assert (subnets_of("one"), subnets_of("two")) == ([], [subnets[0]])


# --- names, and the main table ---


def test_two_tables_of_one_name_are_an_error(run: Run, manage: Run, ec2: Any, vpc_id: str, calls: Calls) -> None:
    manage("x")
    tags = [{"ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": "x"}]}]
    ids = sorted([table("x")["RouteTableId"], ec2.create_route_table(VpcId=vpc_id, TagSpecifications=tags)["RouteTable"]["RouteTableId"]])
    calls.names.clear()

    result = run(ec2_route_table, vpc_id=vpc_id, name="x", routes={})

    assert result["msg"] == (
        f"Could not read route table 'x' of {vpc_id}: {ids[0]} and {ids[1]} have this name. "
        "Delete those that nothing uses, or change their tag Name."
    )
    assert calls.writes == []


def test_a_table_of_that_name_in_another_vpc_is_another(manage: Run, ec2: Any) -> None:
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    tags = [{"ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": "x"}]}]
    ec2.create_route_table(VpcId=other, TagSpecifications=tags)
    assert manage("x", routes={})["diff"]["before"] == {}


def test_the_name_is_kept_and_cannot_be_another(run: Run, manage: Run, vpc_id: str) -> None:
    manage("x", tags={})
    assert table("x")["Tags"] == [{"Key": "Name", "Value": "x"}]
    result = run(ec2_route_table, vpc_id=vpc_id, name="x", tags={"Name": "y"})
    assert "tags.Name is 'y', which is not the name that the table is found by" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_the_main_table_is_never_deleted(run: Run, ec2: Any, vpc_id: str, calls: Calls, check: bool) -> None:
    (found,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["RouteTables"]
    main = found["RouteTableId"]
    ec2.create_tags(Resources=[main], Tags=[{"Key": "Name", "Value": "x"}])
    calls.names.clear()

    result = run(ec2_route_table, check=check, vpc_id=vpc_id, name="x", state="absent")

    assert f"{main} is the main table of the VPC, which AWS never deletes" in result["msg"]
    assert calls.writes == []


def test_a_deletion_first_lets_subnets_and_gateways_go(manage: Run, ec2: Any, gateway: str, subnets: list[str], calls: Calls) -> None:
    manage("x", routes={WORLD: gateway}, subnet_ids=subnets[:2])
    ec2.associate_route_table(RouteTableId=table("x")["RouteTableId"], GatewayId=gateway)
    calls.names.clear()

    manage("x", state="absent", other_subnet_ids=subnets)

    assert calls.writes == ["DisassociateRouteTable"] * 3 + ["DeleteRouteTable"]


# --- plans ---


@pytest.fixture
def plans(manage: Run, monkeypatch: pytest.MonkeyPatch) -> Plans:
    return Plans("indivillage.infra.ec2_route_table", manage, monkeypatch)


def test_a_plan_makes_a_table_of_what_is_only_planned(plans: Plans) -> None:
    declared: dict[str, Any] = {
        "routes": {WORLD: "nat-facade0000000001"},
        "subnet_ids": ["subnet-facade0000000002"],
        "tags": {"Project": "site"},
    }
    result, entry = plans.plan(name="x", **declared)
    again, _entry = plans.plan(name="x", **declared)

    assert (entry["action"], entry["resource"], entry["certain"]) == ("create", "route table x", True)
    assert operations(entry) == ["CreateRouteTable", "CreateRoute", "AssociateRouteTable"]
    assert result["resource"]["route_table_id"].startswith("rtb-")
    assert fields(entry)["Tags.Project.Value"] == (None, "site")
    assert fields(entry)[f"Routes.{WORLD}"] == (None, "nat-facade0000000001")
    assert fields(entry)["Associations.subnet-facade0000000002"] == (None, result["resource"]["route_table_id"])
    assert not again["changed"]
    assert again["resource"] == result["resource"]


def test_a_plan_names_a_moved_subnet_once(plans: Plans, manage: Run, subnets: list[str]) -> None:
    manage("one", subnet_ids=subnets)
    manage("two", subnet_ids=[])
    one, two = (table(name)["RouteTableId"] for name in ("one", "two"))

    for _time in range(2):
        left, _entry = plans.plan(name="one", subnet_ids=subnets[1:], other_subnet_ids=subnets[:1])
        assert not left["changed"]
    result, entry = plans.plan(name="two", subnet_ids=subnets[:1], other_subnet_ids=subnets[1:])
    again, _entry = plans.plan(name="two", subnet_ids=subnets[:1], other_subnet_ids=subnets[1:])

    assert result["changed"]
    assert operations(entry) == ["ReplaceRouteTableAssociation"]
    assert fields(entry) == {f"Associations.{subnets[0]}": (one, two)}
    assert not again["changed"]
    assert subnets_of("one") == sorted(subnets)


def test_a_plan_names_what_somebody_changed(plans: Plans, manage: Run, ec2: Any, gateway: str, subnets: list[str]) -> None:
    declared: dict[str, Any] = {"routes": {WORLD: gateway}, "subnet_ids": subnets[:1], "tags": {"Project": "site"}}
    manage("x", **declared)
    found = table("x")
    ec2.delete_tags(Resources=[found["RouteTableId"]], Tags=[{"Key": "Project"}])
    ec2.create_route(RouteTableId=found["RouteTableId"], DestinationCidrBlock="192.0.2.0/24", GatewayId=gateway)
    release(subnets[0])

    _result, entry = plans.plan(name="x", **declared)

    assert operations(entry) == ["DeleteRoute", "AssociateRouteTable", "CreateTags"]
    assert fields(entry) == {
        "Routes.192.0.2.0/24": (gateway, None),
        f"Associations.{subnets[0]}": (None, found["RouteTableId"]),
        "Tags.Project": (None, "site"),
    }


def test_a_plan_sees_a_target_that_is_gone(plans: Plans, manage: Run, ec2: Any, nat: str) -> None:
    manage("x", routes={WORLD: nat})
    ec2.delete_nat_gateway(NatGatewayId=nat)
    _result, entry = plans.plan(name="x", routes={WORLD: nat})
    assert operations(entry) == ["ReplaceRoute"]
    assert fields(entry) == {f"Routes.{WORLD}": (f"{nat} (blackhole)", nat)}


def test_a_gateway_that_is_planned_to_be_attached_again_is_a_target(plans: Plans, manage: Run, ec2: Any, vpc_id: str, gateway: str) -> None:
    manage("x", routes={WORLD: gateway})
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    with plans.guarded():
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)

    result, _entry = plans.plan(name="x", routes={WORLD: gateway})

    assert not result["changed"]


# --- the emulator's part ---


def test_a_subnet_has_one_table(manage: Run, ec2: Any, subnets: list[str]) -> None:
    manage("one", subnet_ids=subnets)
    manage("two")
    with pytest.raises(ClientError, match="AlreadyAssociated"):
        ec2.associate_route_table(RouteTableId=table("two")["RouteTableId"], SubnetId=subnets[0])
