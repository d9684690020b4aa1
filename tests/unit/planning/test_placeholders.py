# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for ids that do not exist yet."""

import re

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import placeholders
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.placeholders import holds, inward, outward, placeholder
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State


def test_the_same_seed_gives_the_same_placeholder_and_another_one_another() -> None:
    assert placeholder("ec2", "us-east-1", "VpcId", "a") == placeholder("ec2", "us-east-1", "VpcId", "a")
    assert placeholder("ec2", "us-east-1", "VpcId", "a") != placeholder("ec2", "us-east-1", "VpcId", "b")


@pytest.mark.parametrize(
    ("service", "member", "shape"),
    [
        ("ec2", "VpcId", r"vpc-planned-[0-9a-f]{8}"),
        ("ec2", "GroupId", r"sg-planned-[0-9a-f]{8}"),
        ("elbv2", "LoadBalancerArn", r"arn:aws:elbv2:us-east-1:000000000000:planned-[0-9a-f]{8}"),
        ("sqs", "QueueUrl", r"https://planned-[0-9a-f]{8}\.invalid/"),
        ("kms", "KeyId", r"planned-[0-9a-f]{8}"),
    ],
)
def test_forms(service: str, member: str, shape: str) -> None:
    text = placeholder(service, "us-east-1", member, "x")
    assert re.fullmatch(shape, outward(text))
    assert holds(text)
    assert holds(outward(text))


def test_within_a_module_ids_look_like_ids_of_ec2() -> None:
    text = placeholder("ec2", "us-east-1", "GroupId", "x")
    assert re.fullmatch(r"sg-[0-9a-f]{17}", text)
    assert inward(outward(text)) == text
    assert inward('{"ids": ["subnet-planned-0a1b2c3d"]}') == f'{{"ids": ["subnet-{placeholders.SHAPED}0a1b2c3d"]}}'
    assert inward("arn:aws:x:y:000000000000:planned-0a1b2c3d") == "arn:aws:x:y:000000000000:planned-0a1b2c3d"


def test_real_values_hold_none() -> None:
    assert not holds({"a": ["vpc-0a1b2c3d4e5f60718", 1, None, "planned-for-may", {"b": True}]})
    assert holds({"a": [{"b": "x planned-0a1b2c3d y"}]})


def test_what_is_created_has_the_same_seed_whatever_tokens_it_carries_and_in_whatever_order_modules_say_it() -> None:
    def seed(reference: str, subnets: list[str], **more: str) -> str:
        config = {"CallerReference": reference, "Comment": "site", **more}
        return State().seed("cloudfront", "us-east-1", "CreateDistribution", {"DistributionConfig": config, "SubnetIds": subnets})

    assert seed("site-1", ["a", "b"]) == seed("site-2", ["b", "a"])
    assert seed("site-1", ["a", "b"]) != seed("site-1", ["a", "c"])
    assert seed("site-1", ["a", "b"]) != seed("site-1", ["a", "b"], DefaultRootObject="index.html")
