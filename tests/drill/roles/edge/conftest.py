# SPDX-License-Identifier: GPL-3.0-or-later
"""Production's edge on an emulator: networks, keys and buckets made by plain API calls, all else by site.yml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.settings import ACCOUNT_ID
from tests.drill.plan.environments import DEBIAN
from tests.drill.support.emulator import DrillEmulator, running
from tests.drill.support.runs import Project, Run

PREFIX = "indivillage-production"
OCTETS = {"us-east-1": 2, "us-west-2": 3}  # region -> second octet of its network
LOG_BUCKETS = {"us-east-1": f"{PREFIX}-logs", "us-west-2": f"{PREFIX}-logs-dr"}
PART = ("--tags", "aws_load_balancing,aws_edge")
VARIABLES = {
    "aws_account_id": ACCOUNT_ID,
    "plan_approval": "none",
    "aws_load_balancing_deletion_protection": False,
    "aws_operations_deletion_protection": False,
}


@dataclass(frozen=True)
class Edge:
    """An account with the edge: a plan of it before there was anything, the first run, and a plan of what it made."""

    project: Project
    planned: Run
    applied: Run
    again: Run

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.project.emulator.client(service, region)


def lay_foundation(emulator: DrillEmulator) -> None:
    """What the load balancers and the edge stand on, and the image that the declaration refers to."""
    for region, octet in OCTETS.items():
        emulator.add_image(region, *DEBIAN)
        ec2, kms, s3 = (emulator.client(service, region) for service in ("ec2", "kms", "s3"))
        vpc = ec2.create_vpc(CidrBlock=f"10.{octet}.0.0/16")["Vpc"]["VpcId"]
        ec2.attach_internet_gateway(InternetGatewayId=ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"], VpcId=vpc)
        for tier, first in (("public", 0), ("app", 20)):
            for number, zone in enumerate("abc"):
                tags = [{"Key": "Name", "Value": f"{PREFIX}-{tier}-{zone}"}, {"Key": "Tier", "Value": tier}]
                ec2.create_subnet(
                    VpcId=vpc,
                    CidrBlock=f"10.{octet}.{first + number}.0/24",
                    AvailabilityZone=f"{region}{zone}",
                    TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}],
                )
        for name in ("public-load-balancer", "internal-load-balancer"):
            ec2.create_security_group(GroupName=f"{PREFIX}-{name}-sg", Description=name, VpcId=vpc)
        for purpose in ("general", "logs"):
            kms.create_alias(AliasName=f"alias/{PREFIX}-{purpose}", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=LOG_BUCKETS[region], **location)
        s3.put_bucket_policy(Bucket=LOG_BUCKETS[region], Policy=json.dumps(delivery(LOG_BUCKETS[region])))


def delivery(bucket: str) -> dict[str, Any]:
    """The policy that lets load balancers deliver their logs into a bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/alb-logs/*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running() as emulator:
        lay_foundation(emulator)
        project = Project(emulator, tmp_path_factory.mktemp("production"), "production", VARIABLES)
        emulator.reset_calls()
        planned = project.plan(*PART)
        assert emulator.calls().log == [], "a plan writes nothing"
        applied = project.apply(*PART)
        emulator.reset_calls()
        again = project.plan(*PART)
        assert emulator.calls().log == [], "a plan writes nothing"
        yield Edge(project, planned, applied, again)
