# SPDX-License-Identifier: GPL-3.0-or-later
"""Transit gateways, what joins two of them, and the routes between."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import (
    ec2_transit_gateway,
    ec2_transit_gateway_peering,
    ec2_transit_gateway_route,
)

from sandbox.emulator.additions import transit_gateways

ACCOUNT_ID, PEER_REGION, NAME = "123456789012", "us-west-2", "indivillage-test-tgw"
Run = Callable[..., dict[str, Any]]
Drive = Callable[..., None]


@pytest.fixture(autouse=True, scope="session")
def as_aws_does() -> None:
    transit_gateways.install()


def make_gateway(region: str = "us-east-1") -> str:
    return str(boto3.client("ec2", region).create_transit_gateway()["TransitGateway"]["TransitGatewayId"])


@pytest.fixture
def key() -> dict[str, str]:
    """Two gateways to be joined."""
    return {
        "transit_gateway_id": make_gateway(),
        "peer_transit_gateway_id": make_gateway(PEER_REGION),
        "peer_region": PEER_REGION,
        "peer_account_id": ACCOUNT_ID,
    }


def peering(region: str = "us-east-1") -> dict[str, Any]:
    (found,) = boto3.client("ec2", region).describe_transit_gateway_peering_attachments()["TransitGatewayPeeringAttachments"]
    return dict(found)


# --- gateways ---


def test_life_cycle_of_a_gateway(life_cycle: Drive) -> None:
    life_cycle(
        ec2_transit_gateway,
        {"name": NAME},
        {"description": "one", "amazon_side_asn": 64513, "tags": {"Name": NAME, "Project": "indivillage"}},
        {"description": "two", "amazon_side_asn": 64514, "dns_support": False, "tags": {"Name": NAME, "Owner": "platform"}},
    )


def test_what_somebody_has_opened_is_closed(run: Run) -> None:
    gateway = run(ec2_transit_gateway, name=NAME)["resource"]["transit_gateway_id"]
    boto3.client("ec2").modify_transit_gateway(TransitGatewayId=gateway, Options={"AutoAcceptSharedAttachments": "enable"})
    result = run(ec2_transit_gateway, name=NAME)
    assert result["diff"] == {"before": {"auto_accept_shared_attachments": True}, "after": {"auto_accept_shared_attachments": False}}
    assert not run(ec2_transit_gateway, name=NAME)["changed"]


def test_two_gateways_of_one_name_are_told(run: Run) -> None:
    for _ in range(2):
        specification = {"ResourceType": "transit-gateway", "Tags": [{"Key": "Name", "Value": NAME}]}
        boto3.client("ec2").create_transit_gateway(TagSpecifications=[specification])
    assert "there are 2 of that name: tgw-" in run(ec2_transit_gateway, name=NAME)["msg"]


def test_a_gateway_in_use_is_not_deleted(run: Run, key: dict[str, str]) -> None:
    gateway = boto3.client("ec2", PEER_REGION)
    run(ec2_transit_gateway_peering, **key)
    with pytest.raises(gateway.exceptions.ClientError, match="non-deleted Transit Gateway Attachments"):
        gateway.delete_transit_gateway(TransitGatewayId=key["peer_transit_gateway_id"])


# --- peerings ---


def test_life_cycle_of_a_peering(life_cycle: Drive, key: dict[str, str]) -> None:
    life_cycle(
        ec2_transit_gateway_peering,
        key,
        {"tags": {"Name": "here"}, "peer_tags": {"Name": "there"}},
        {"tags": {"Name": "here", "Owner": "platform"}, "peer_tags": {"Owner": "platform"}},
    )


def test_a_peering_is_accepted_and_tagged_on_both_sides(run: Run, key: dict[str, str]) -> None:
    resource = run(ec2_transit_gateway_peering, **key, tags={"Name": "here"}, peer_tags={"Name": "there"})["resource"]
    assert (resource["state"], resource["accepted"]) == ("available", True)
    assert [peering(region)["Tags"][0]["Value"] for region in ("us-east-1", PEER_REGION)] == ["here", "there"]


def test_one_that_waits_is_accepted(run: Run, key: dict[str, str]) -> None:
    boto3.client("ec2").create_transit_gateway_peering_attachment(
        TransitGatewayId=key["transit_gateway_id"],
        PeerTransitGatewayId=key["peer_transit_gateway_id"],
        PeerRegion=PEER_REGION,
        PeerAccountId=ACCOUNT_ID,
    )
    result = run(ec2_transit_gateway_peering, **key)
    assert result["diff"] == {"before": {"accepted": False}, "after": {"accepted": True}}
    assert peering()["State"] == "available"


def test_one_that_is_gone_is_made_anew(run: Run, key: dict[str, str]) -> None:
    first = run(ec2_transit_gateway_peering, **key)["resource"]["transit_gateway_attachment_id"]
    boto3.client("ec2", PEER_REGION).delete_transit_gateway_peering_attachment(TransitGatewayAttachmentId=first)
    assert run(ec2_transit_gateway_peering, **key)["resource"]["transit_gateway_attachment_id"] != first


# --- routes ---


def test_life_cycle_of_a_route(run: Run, life_cycle: Drive, key: dict[str, str]) -> None:
    first = run(ec2_transit_gateway_peering, **key)["resource"]["transit_gateway_attachment_id"]
    other = run(ec2_transit_gateway_peering, **key | {"peer_transit_gateway_id": make_gateway(PEER_REGION)})["resource"]
    life_cycle(
        ec2_transit_gateway_route,
        {"transit_gateway_id": key["transit_gateway_id"], "destination_cidr": "10.3.0.0/16"},
        {"transit_gateway_attachment_id": first},
        {"transit_gateway_attachment_id": other["transit_gateway_attachment_id"]},
    )


def test_a_route_of_a_gateway_that_is_not_there(run: Run) -> None:
    result = run(
        ec2_transit_gateway_route,
        transit_gateway_id="tgw-0123456789abcdef0",
        destination_cidr="10.3.0.0/16",
        transit_gateway_attachment_id="tgw-attach-0",
    )
    assert "the gateway has no default route table" in result["msg"]
