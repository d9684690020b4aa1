# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS API's answers, as moto gives them in this process, become a world."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandbox.model import AclEntry, Route, Rule, World
from sandbox.observe import observe


class Clients:
    """Clients of moto in this process."""

    def __init__(self, region: str) -> None:
        self.region = region

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)


class Control:
    def __init__(self, reboots: dict[str, int]) -> None:
        self.reboots = reboots

    def get(self, path: str) -> object:
        return {"reboots": self.reboots, "outages": {"regions": []}}[path]

    def put(self, path: str, body: object) -> None:
        raise AssertionError(f"observing wrote {path}: {body}")


@dataclass(frozen=True)
class Thing:
    region: str


class Things:
    NAME, KIND = "things", "cache"

    def observe(self, clients: Clients, _control: Control) -> tuple[Thing, ...]:
        return (Thing(clients.region),)


@dataclass(frozen=True)
class Made:
    vpc: str
    subnet: str
    group: str
    instance: str
    gateway: str


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        ec2 = boto3.client("ec2", region_name="us-east-1")
        vpc = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.0.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        image = ec2.register_image(Name="base")["ImageId"]
        instances = ec2.run_instances(
            ImageId=image,
            MinCount=2,
            MaxCount=2,
            SubnetId=subnet,
            SecurityGroupIds=[group],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web-1"}]}],
        )["Instances"]
        ec2.terminate_instances(InstanceIds=[instances[1]["InstanceId"]])
        yield Made(vpc, subnet, group, instances[0]["InstanceId"], gateway)


def look(reboots: dict[str, int] | None = None) -> World:
    return observe([Clients("us-east-1"), Clients("us-west-2")], Control(reboots or {}), [Things()])  # type: ignore[list-item]


def test_default_vpcs_and_terminated_instances_are_left_out(made: Made) -> None:
    world = look()
    assert [vpc.id for vpc in world.vpcs] == [made.vpc]
    assert [instance.id for instance in world.instances] == [made.instance]
    assert [subnet.id for subnet in world.subnets] == [made.subnet]


def test_an_instance_is_seen_with_all_that_its_container_needs(made: Made) -> None:
    instance = look({made.instance: 2}).instances[0]
    assert (instance.name, instance.state, instance.availability_zone, instance.reboots) == ("web-1", "running", "us-east-1b", 2)
    assert instance.address.startswith("10.10.0.")
    assert instance.dns_name == f"ip-{instance.address.replace('.', '-')}.ec2.internal"
    assert instance.security_group_ids == (made.group,)


def test_security_group_rules_keep_their_sources(made: Made) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    permissions: list[Any] = [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": made.group}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
    ]
    ec2.authorize_security_group_ingress(GroupId=made.group, IpPermissions=permissions)
    group = next(group for group in look().security_groups if group.id == made.group)
    assert set(group.ingress) == {
        Rule("tcp", 443, 443, ("0.0.0.0/0",)),
        Rule("-1", 0, 65535, (), (made.group,)),
        Rule("icmp", 0, 65535, ("10.0.0.0/8",)),
    }
    assert group.egress == (Rule("-1", 0, 65535, ("0.0.0.0/0",)),)


def test_acl_entries_have_names_for_protocols(made: Made) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    acl = ec2.create_network_acl(VpcId=made.vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"Protocol": "6", "RuleAction": "allow", "CidrBlock": "10.0.0.0/8", "PortRange": {"From": 22, "To": 23}}
    ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False, **entry)
    seen = next(found for found in look().network_acls if found.id == acl)
    assert AclEntry(100, False, True, "tcp", 22, 23, "10.0.0.0/8") in seen.entries


def test_local_routes_are_left_out(made: Made) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    table = ec2.create_route_table(VpcId=made.vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=made.gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=made.subnet)
    tables = {found.id: found for found in look().route_tables}
    assert (tables[table].routes, tables[table].subnet_ids, tables[table].main) == (
        (Route("0.0.0.0/0", made.gateway),),
        (made.subnet,),
        False,
    )
    assert [found.routes for found in tables.values() if found.main] == [()]


def test_services_are_asked_in_regions_with_a_vpc_only(made: Made) -> None:
    assert look().services == {"things": (Thing("us-east-1"),)}


def test_baked_images_and_those_with_a_tag_have_their_container_image(made: Made) -> None:
    ec2 = boto3.client("ec2", region_name="us-east-1")
    baked = ec2.create_image(InstanceId=made.instance, Name="baked")["ImageId"]
    tagged = ec2.register_image(Name="tagged", RootDeviceName="/dev/sda1")["ImageId"]
    ec2.create_tags(Resources=[tagged], Tags=[{"Key": "sandbox:container-image", "Value": "localhost/x"}])
    images = {image.id: image for image in look().images}
    assert images[baked].container_image == f"localhost/indivillage/ami:{baked}"
    assert images[baked].source_instance_id == made.instance
    assert images[tagged].container_image == "localhost/x"
