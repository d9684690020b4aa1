# SPDX-License-Identifier: GPL-3.0-or-later
"""Transit gateways of two regions: attachments first, whichever side begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned, owned_resources
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import levels
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import STEPS, Removal
from moto import mock_aws

from sandbox.emulator.additions import transit_gateways

ACCOUNT_ID, REGIONS, TAGS = "123456789012", ("us-east-1", "us-west-2"), {"Project": "shop"}
KINDS = ("ec2:transit-gateway", "ec2:transit-gateway-attachment")


def tagged(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]}]


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Two joined gateways, each with a VPC; everything is tagged."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    transit_gateways.install()
    with mock_aws():
        clients = {region: boto3.client("ec2", region_name=region) for region in REGIONS}
        gateways = []
        for ec2 in clients.values():
            vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
            gateways.append(ec2.create_transit_gateway(TagSpecifications=tagged("transit-gateway"))["TransitGateway"]["TransitGatewayId"])
            ec2.create_transit_gateway_vpc_attachment(
                TransitGatewayId=gateways[-1], VpcId=vpc, SubnetIds=[subnet], TagSpecifications=tagged("transit-gateway-attachment")
            )
        here, there = clients.values()
        peering = here.create_transit_gateway_peering_attachment(
            TransitGatewayId=gateways[0],
            PeerTransitGatewayId=gateways[1],
            PeerAccountId=ACCOUNT_ID,
            PeerRegion=REGIONS[1],
            TagSpecifications=tagged("transit-gateway-attachment"),
        )["TransitGatewayPeeringAttachment"]["TransitGatewayAttachmentId"]
        there.accept_transit_gateway_peering_attachment(TransitGatewayAttachmentId=peering)
        there.create_tags(Resources=[peering], Tags=tagged("")[0]["Tags"])
        yield clients


def census(region: str) -> list[Owned]:
    found = owned_resources(lambda service: boto3.client(service, region_name=region), "regional", region, ACCOUNT_ID, TAGS)
    return [resource for resource in found if resource.kind in KINDS]


@pytest.mark.parametrize("order", [REGIONS, REGIONS[::-1]])
def test_attachments_go_before_gateways(regions: dict[str, Any], order: tuple[str, ...]) -> None:
    for region in order:
        owned = census(region)
        assert [resource.kind for resource in owned].count("ec2:transit-gateway") == 1
        for kind in [kind for level in levels(KINDS) for kind in level]:
            for resource in [resource for resource in owned if resource.kind == kind]:
                STEPS[kind](regions[region], Removal(kind, resource.arn, resource.id, poll_seconds=0.01))
        assert census(region) == []
        tables = regions[region].describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
        assert {table["State"] for table in tables} == {"deleted"}, "AWS deletes a gateway with its own"


def test_what_is_deleted_already_is_gone(regions: dict[str, Any]) -> None:
    owned = census(REGIONS[0])
    for kind in [kind for level in levels(KINDS) for kind in level]:
        for resource in [resource for resource in owned if resource.kind == kind]:
            for _ in range(2):
                STEPS[kind](regions[REGIONS[0]], Removal(kind, resource.arn, resource.id, poll_seconds=0.01))
