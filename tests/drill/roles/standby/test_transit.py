# SPDX-License-Identifier: GPL-3.0-or-later
"""Transit gateways that join the networks of both regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.drill.roles.standby.conftest import DR, PREFIX, PRIMARY, STACKS, Standby, of
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

NETWORKS = {PRIMARY: "10.10.0.0/16", DR: "10.11.0.0/16"}
OTHER = {PRIMARY: DR, DR: PRIMARY}
TAGS = "aws_keys,aws_network"


def peer(region: str) -> dict[str, str]:
    return {"region": region, "cidr": NETWORKS[region], "stack": STACKS[region]}


DECLARED: dict[str, Any] = {
    "stack_layers": ["aws_keys", "aws_network"],
    "aws_network_interface_endpoints": [],
    "aws_network_transit_peers": of([peer(DR)], [peer(PRIMARY)]),
    "aws_network_transit_asn": of(64512, 64513),
}


@dataclass(frozen=True)
class Runs:
    plan: PlaybookRun
    first: PlaybookRun
    second: PlaybookRun


@pytest.fixture(scope="module")
def runs(bare: Standby) -> Runs:
    def run(*options: str) -> PlaybookRun:
        return bare.run("provision_foundation", TAGS, *options, **DECLARED)

    return Runs(run("--check"), run(), run())


def one(bare: Standby, region: str, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
    (found,) = getattr(bare.client("ec2", region), operation)(**arguments)[key]
    return dict(found)


def tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource["Tags"]}


def test_a_plan_of_the_empty_account_says_what_is_then_done(runs: Runs) -> None:
    assert runs.plan.returncode == 2, runs.plan.output
    assert "not certain" not in runs.plan.output
    assert runs.first.returncode == 0, runs.first.output
    assert runs.plan.changed == runs.first.changed


def test_a_second_run_changes_nothing(runs: Runs) -> None:
    assert (runs.second.returncode, set(runs.second.changed.values())) == (0, {0}), runs.second.output


@pytest.mark.parametrize("region", [PRIMARY, DR])
def test_each_region_has_a_gateway_with_its_network(bare: Standby, runs: Runs, region: str) -> None:
    gateway = one(bare, region, "describe_transit_gateways", "TransitGateways")
    attachment = one(bare, region, "describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments")
    vpcs = bare.client("ec2", region).describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [f"{PREFIX}-vpc"]}])["Vpcs"]

    assert tags(gateway).items() >= {"Name": f"{PREFIX}-tgw", "Stack": STACKS[region]}.items()
    assert gateway["Options"]["AmazonSideAsn"] == {PRIMARY: 64512, DR: 64513}[region]
    assert gateway["Options"]["AutoAcceptSharedAttachments"] == "disable"
    assert [vpc["VpcId"] for vpc in vpcs] == [attachment["VpcId"]]
    assert len(attachment["SubnetIds"]) == 3
    assert tags(attachment)["Name"] == f"{PREFIX}-vpc"


@pytest.mark.parametrize("region", [PRIMARY, DR])
def test_the_regions_are_joined_and_know_the_way_to_one_another(bare: Standby, runs: Runs, region: str) -> None:
    gateway = one(bare, region, "describe_transit_gateways", "TransitGateways")
    peering = one(bare, region, "describe_transit_gateway_peering_attachments", "TransitGatewayPeeringAttachments")
    route = one(
        bare,
        region,
        "search_transit_gateway_routes",
        "Routes",
        TransitGatewayRouteTableId=gateway["Options"]["AssociationDefaultRouteTableId"],
        Filters=[{"Name": "type", "Values": ["static"]}],
    )
    assert peering["State"] == "available"
    assert tags(peering)["Stack"] == STACKS[region]
    assert route["DestinationCidrBlock"] == NETWORKS[OTHER[region]]
    assert [item["TransitGatewayAttachmentId"] for item in route["TransitGatewayAttachments"]] == [peering["TransitGatewayAttachmentId"]]


@pytest.mark.parametrize("region", [PRIMARY, DR])
def test_every_tier_but_the_public_one_has_a_way_to_the_other_region(bare: Standby, runs: Runs, region: str) -> None:
    gateway = one(bare, region, "describe_transit_gateways", "TransitGateways")["TransitGatewayId"]
    tables = bare.client("ec2", region).describe_route_tables(Filters=[{"Name": "tag:Name", "Values": [f"{PREFIX}-*"]}])["RouteTables"]
    ways = {
        tags(table)["Name"].removeprefix(f"{PREFIX}-"): [
            route["DestinationCidrBlock"] for route in table["Routes"] if route.get("TransitGatewayId") == gateway
        ]
        for table in tables
    }
    assert ways == {"public": [], "private-all": [NETWORKS[OTHER[region]]], "data": [NETWORKS[OTHER[region]]]}


def test_a_region_without_a_gateway_is_told(bare: Standby, runs: Runs) -> None:
    nowhere = {"region": "us-west-1", "cidr": "10.99.0.0/16", "stack": "sandbox-us-west-1"}
    run = bare.run("provision_foundation", TAGS, "--check", **DECLARED | {"aws_network_transit_peers": of([peer(DR), nowhere], [])})
    assert run.returncode == 1
    assert f"there is no transit gateway {PREFIX}-tgw in us-west-1 to join" in " ".join(run.output.split())
