# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world for the sandbox's tests: one VPC with a public and a private subnet, a bastion and a web instance."""

from sandbox.model import AclEntry, Image, Instance, NetworkAcl, Route, RouteTable, Rule, SecurityGroup, Subnet, Vpc, World
from sandbox.settings import INSTANCE_IMAGE

VPC = Vpc("vpc-0123456789abcdef0", "us-east-1", "10.10.0.0/16")
PUBLIC = Subnet("subnet-public", VPC.id, "10.10.0.0/24", "us-east-1a")
WEB = Subnet("subnet-web", VPC.id, "10.10.10.0/24", "us-east-1b")
EVERYWHERE = ("0.0.0.0/0",)
ALL_OUT = Rule("-1", 0, 65535, EVERYWHERE)
BASTION_GROUP = SecurityGroup("sg-bastion", VPC.id, (Rule("tcp", 22, 22, ("198.18.0.0/24",)),), (ALL_OUT,))
WEB_GROUP = SecurityGroup("sg-web", VPC.id, (Rule("tcp", 22, 22, (), ("sg-bastion",)),), (Rule("tcp", 443, 443, EVERYWHERE),))
IMAGE = Image("ami-base", "us-east-1", "debian", "available", INSTANCE_IMAGE)


def instance(name: str, subnet: Subnet, address: str, group: SecurityGroup, **changes: object) -> Instance:
    values: dict[str, object] = {
        "id": f"i-{name}",
        "region": "us-east-1",
        "state": "running",
        "image_id": IMAGE.id,
        "instance_type": "t3.micro",
        "vpc_id": VPC.id,
        "subnet_id": subnet.id,
        "availability_zone": subnet.availability_zone,
        "address": address,
        "dns_name": f"ip-{address.replace('.', '-')}.ec2.internal",
        "security_group_ids": (group.id,),
        "tags": {"Name": name},
    }
    return Instance(**(values | changes))  # type: ignore[arg-type]


BASTION = instance("bastion", PUBLIC, "10.10.0.4", BASTION_GROUP)
WEB_1 = instance("web-1", WEB, "10.10.10.4", WEB_GROUP)


def world(**changes: object) -> World:
    values: dict[str, object] = {
        "vpcs": (VPC,),
        "subnets": (PUBLIC, WEB),
        "security_groups": (BASTION_GROUP, WEB_GROUP),
        "network_acls": (
            NetworkAcl(
                "acl-1",
                VPC.id,
                (WEB.id,),
                (
                    AclEntry(32767, False, False, "-1", 0, 65535, "0.0.0.0/0"),
                    AclEntry(100, False, True, "tcp", 22, 22, "10.10.0.0/16"),
                    AclEntry(100, True, True, "-1", 0, 65535, "0.0.0.0/0"),
                ),
            ),
        ),
        "route_tables": (
            RouteTable("rtb-main", VPC.id, True, (), ()),
            RouteTable("rtb-public", VPC.id, False, (PUBLIC.id,), (Route("0.0.0.0/0", "igw-1"),)),
        ),
        "images": (IMAGE,),
        "instances": (BASTION, WEB_1),
    }
    return World(**(values | changes))  # type: ignore[arg-type]
