# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tiers stand on, made by plain API calls in two seconds: the provisioning of it has tests of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.integration.emulator.support import RunningEmulator, base_image

PREFIX = "indivillage-sandbox"
ACCOUNT_ID = "123456789012"
ZONES = "abc"
TIERS = {"public": 0, "web": 10, "app": 20, "data": 30}
GROUPS = ("public-load-balancer", "web", "internal-load-balancer", "app", "database", "cache", "bastion", "monitoring", "endpoints")
BASE_IMAGE = "debian-13-amd64-sandbox"
# The sandbox's tiers, and one that stands in another's subnets and behind no load balancer.
TIERS_WITH_MONITORING = {
    "aws_compute_tiers": {
        "web": {"instance_type": "t3.medium", "min": 2, "max": 6, "desired": 2, "root_volume_gib": 20},
        "app": {"instance_type": "t3.medium", "min": 2, "max": 6, "desired": 2, "root_volume_gib": 30},
        "monitoring": {
            **{"instance_type": "t3.medium", "min": 1, "max": 2, "desired": 1, "root_volume_gib": 40},
            **{"subnet_tier": "app", "load_balanced": False},
        },
    }
}
TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
)


@dataclass
class Foundation:
    """Ids of what was made, by name without the prefix."""

    emulator: RunningEmulator
    region: str = "us-east-1"
    network: str = "10.10"
    vpc_id: str = ""
    subnets: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    def lay(self) -> Foundation:
        """Make everything."""
        self.lay_base()
        for tier in ("web", "app", "monitoring"):
            self.publish_image(tier, "one")
        return self

    def lay_base(self) -> None:
        """Make everything but images."""
        self.lay_network()
        self.lay_keys()
        self._identities()
        self._logs_bucket()

    def publish_image(self, tier: str, name: str) -> str:
        """Register an image and make it the tier's current one, as baking does."""
        ec2 = self.emulator.client("ec2")
        (base,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [BASE_IMAGE]}])["Images"]
        copy = ec2.copy_image(SourceImageId=base["ImageId"], SourceRegion="us-east-1", Name=f"{PREFIX}-{tier}-{name}")["ImageId"]
        self.emulator.control("PUT", f"images/us-east-1/{copy}", {"state": "available"})
        own = {"Project": "indivillage", "Environment": "sandbox", "Stack": "sandbox-us-east-1", "ManagedBy": "ansible"}
        marks = own | {"Name": f"{PREFIX}-{tier}-{name}", "Role": tier, "Proof": "passed"}
        ec2.create_tags(Resources=[copy], Tags=[{"Key": key, "Value": value} for key, value in marks.items()])
        parameter = f"/indivillage/sandbox/images/{tier}"
        self.emulator.client("ssm").put_parameter(Name=parameter, Value=copy, Type="String", Overwrite=True)
        self.images[tier] = copy
        return str(copy)

    def lay_network(self) -> None:
        """Make the VPC with its subnets and security groups, and the key pair."""
        ec2 = self.emulator.client("ec2", self.region)
        self.vpc_id = ec2.create_vpc(CidrBlock=f"{self.network}.0.0/16", TagSpecifications=_named("vpc", "vpc"))["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc_id)
        for tier, first in TIERS.items():
            for number, zone in enumerate(ZONES):
                self.subnets[f"{tier}-{zone}"] = ec2.create_subnet(
                    VpcId=self.vpc_id,
                    CidrBlock=f"{self.network}.{first + number}.0/24",
                    AvailabilityZone=f"{self.region}{zone}",
                    TagSpecifications=_named("subnet", f"{tier}-{zone}", Tier=tier),
                )["Subnet"]["SubnetId"]
        for name in GROUPS:
            self.groups[name] = ec2.create_security_group(
                GroupName=f"{PREFIX}-{name}-sg",
                Description=name,
                VpcId=self.vpc_id,
                TagSpecifications=_named("security-group", f"{name}-sg"),
            )["GroupId"]
        ec2.create_key_pair(KeyName=f"{PREFIX}-key", KeyType="ed25519")

    def lay_group(self, tier: str, sizes: Mapping[str, int], zones: str = ZONES, **options: Any) -> None:
        """Make an Auto Scaling group of bare instances. sizes: MinSize and so on. options: what else CreateAutoScalingGroup is given."""
        name = f"{PREFIX}-{tier}"
        launch = {"ImageId": base_image(self.emulator, self.region), "InstanceType": "t3.micro", "SecurityGroupIds": [self.groups[tier]]}
        self.emulator.client("ec2", self.region).create_launch_template(LaunchTemplateName=name, LaunchTemplateData=launch)
        self.emulator.client("autoscaling", self.region).create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
            VPCZoneIdentifier=",".join(self.subnets[f"{tier}-{zone}"] for zone in zones),
            **sizes,
            **options,
        )

    def _identities(self) -> None:
        iam = self.emulator.client("iam")
        for name in ("bastion", "web", "app", "monitoring", "rds-monitoring"):
            iam.create_role(RoleName=f"{PREFIX}-{name}", AssumeRolePolicyDocument=TRUST)
        for name in ("bastion", "web", "app", "monitoring"):
            iam.create_instance_profile(InstanceProfileName=f"{PREFIX}-{name}")
            iam.add_role_to_instance_profile(InstanceProfileName=f"{PREFIX}-{name}", RoleName=f"{PREFIX}-{name}")

    def lay_keys(self) -> None:
        """Make the keys that volumes and databases are encrypted with."""
        kms = self.emulator.client("kms", self.region)
        for purpose in ("general", "database"):
            key = kms.create_key()["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=f"alias/{PREFIX}-{purpose}", TargetKeyId=key)

    def _logs_bucket(self) -> None:
        s3, bucket = self.emulator.client("s3"), f"{PREFIX}-logs"
        s3.create_bucket(Bucket=bucket)
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::127311923021:root"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _named(kind: str, name: str, **tags: str) -> list[dict[str, Any]]:
    named = {"Name": f"{PREFIX}-{name}", "Project": "indivillage", "Environment": "sandbox"} | tags
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in named.items()]}]
