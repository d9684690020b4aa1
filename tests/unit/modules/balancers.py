# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer with a listener and target groups, on moto."""

from __future__ import annotations

from dataclasses import dataclass

import boto3


@dataclass
class Balancer:
    """What was made: the listener's ARN, its load balancer's, the subnets, and the target groups' ARNs by name."""

    listener: str
    arn: str
    subnets: list[str]
    groups: dict[str, str]


def balancer_with(name: str, *groups: str) -> Balancer:
    """A load balancer whose listener on port 443 forwards to the first of the target groups."""
    ec2, elbv2 = boto3.client("ec2"), boto3.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    (balancer,) = elbv2.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"]
    made = {
        group: elbv2.create_target_group(Name=group, Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        for group in groups
    }
    forward = [{"Type": "forward", "TargetGroupArn": made[groups[0]]}]
    arn = balancer["LoadBalancerArn"]
    listener = elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=443, DefaultActions=forward)["Listeners"][0]
    return Balancer(listener["ListenerArn"], arn, subnets, made)
