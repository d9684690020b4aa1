# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls demand, by their parameters alone and by what stands in the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto.backends import get_backend

from sandbox.emulator.api_call import ApiCall
from sandbox.emulator.authorization import ROOT_ACCESS_KEY, demands, refuse

REGION, ACCOUNT = "us-east-1", "123456789012"


@pytest.fixture(autouse=True)
def empty_account() -> Iterator[None]:
    yield
    for service, scope in (("ec2", REGION), ("kms", REGION), ("iam", "aws")):
        backend(service, scope).reset()


def backend(service: str, scope: str = REGION) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]  # moto types it by literal names
    return backends[ACCOUNT][scope]


def needed(name: str, **parameters: Any) -> dict[str, list[str]]:
    """Permission -> resources of a call."""
    service, operation = name.split(":")
    found: dict[str, list[str]] = {}
    for demand in demands(ApiCall(service, operation, REGION, "key", parameters)):
        found.setdefault(demand.permission, []).append(demand.resource)
    return found


def test_a_bucket_and_its_objects() -> None:
    assert needed("s3:HeadBucket", Bucket="b") == {"s3:ListBucket": ["arn:aws:s3:::b"]}
    assert needed("s3:PutObject", Bucket="b", Key="a/c") == {"s3:PutObject": ["arn:aws:s3:::b/a/c"]}
    assert needed("s3:DeleteObjects", Bucket="b", Delete={"Objects": [{"Key": "x"}, {"Key": "y"}]}) == {
        "s3:DeleteObject": ["arn:aws:s3:::b/x", "arn:aws:s3:::b/y"],
        "s3:DeleteObjectVersion": ["arn:aws:s3:::b/x", "arn:aws:s3:::b/y"],
    }


@pytest.mark.parametrize(
    ("call", "parameters", "resource"),
    [
        ("sqs:SetQueueAttributes", {"QueueUrl": f"http://127.0.0.1/{ACCOUNT}/site-q"}, f"arn:aws:sqs:{REGION}:{ACCOUNT}:site-q"),
        ("ssm:PutParameter", {"Name": "/site/x"}, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/site/x"),
        ("elbv2:CreateTargetGroup", {"Name": "web"}, f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/web/0"),
        (
            "elbv2:AddTags",
            {"ResourceArns": ["arn:aws:elasticloadbalancing:r:1:targetgroup/w/1"]},
            "arn:aws:elasticloadbalancing:r:1:targetgroup/w/1",
        ),
        ("iam:GetRole", {"RoleName": "site-web"}, f"arn:aws:iam::{ACCOUNT}:role/site-web"),
        ("ec2:DescribeVpcs", {}, "*"),
    ],
)
def test_resources_by_their_names(call: str, parameters: dict[str, Any], resource: str) -> None:
    (found,) = needed(call, **parameters).values()
    assert found == [resource]


def test_resources_of_ec2_bring_their_tags() -> None:
    vpc = backend("ec2").create_vpc("10.0.0.0/16", tags=[{"Key": "Environment", "Value": "site"}])
    (demand,) = demands(ApiCall("ec2", "DeleteVpc", REGION, "key", {"VpcId": vpc.id}))
    assert demand.resource == f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/{vpc.id}"
    assert demand.context == {"aws:RequestedRegion": REGION, "aws:ResourceTag/Environment": "site"}


def test_a_key_pair_is_told_by_its_name_as_well() -> None:
    pair = backend("ec2").create_key_pair("site-key", "ed25519", {"Environment": "site"})
    (demand,) = demands(ApiCall("ec2", "DeleteKeyPair", REGION, "key", {"KeyName": "site-key"}))
    assert demand.resource.endswith(f"/{pair.id}")


def test_an_implied_permission_comes_with_its_parameter() -> None:
    assert "ec2:CreateTags" not in needed("ec2:CreateVpc", CidrBlock="10.0.0.0/16")
    assert "ec2:CreateTags" in needed("ec2:CreateVpc", CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": []}])


def test_who_launches_with_a_profile_passes_its_role() -> None:
    iam = backend("iam", "aws")
    role = iam.create_role("site-web-role", "{}", "/", None, "", [], "3600")
    profile = iam.create_instance_profile("site-web", "/", [])
    iam.add_role_to_instance_profile(profile.name, role.name)
    template = backend("ec2").create_launch_template("web", "", {"IamInstanceProfile": {"Name": "site-web"}}, {})
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/site-web-role"
    assert needed("ec2:RunInstances", IamInstanceProfile={"Name": "site-web"})["iam:PassRole"] == [role_arn]
    group = {"AutoScalingGroupName": "web", "LaunchTemplate": {"LaunchTemplateId": template.id}}
    assert needed("autoscaling:CreateAutoScalingGroup", **group)["iam:PassRole"] == [role_arn]
    assert "iam:PassRole" not in needed("autoscaling:UpdateAutoScalingGroup", AutoScalingGroupName="web")


def test_what_is_encrypted_needs_the_key() -> None:
    kms = backend("kms")
    key = kms.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", [])
    kms.create_alias(key.id, "alias/site-general")
    found = needed("secretsmanager:CreateSecret", Name="/site/x", KmsKeyId="alias/site-general")
    assert found["kms:GenerateDataKey"] == [key.arn]
    assert "kms:GenerateDataKey" not in needed("secretsmanager:CreateSecret", Name="/site/x")


def user(*statements: dict[str, Any]) -> ApiCall:
    """A call of sqs:CreateQueue by a user with these statements."""
    iam = backend("iam", "aws")
    iam.create_user(REGION, "somebody", "/", None)
    iam.put_user_policy("somebody", "all", json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key("somebody").access_key_id
    return ApiCall("sqs", "CreateQueue", REGION, key, {"QueueName": "site-q"})


def test_a_caller_may_do_what_its_policies_say() -> None:
    assert refuse(user({"Effect": "Allow", "Action": "sqs:CreateQueue", "Resource": "arn:aws:sqs:*:*:site-*"}), "") is None


def test_a_refusal_is_said_as_aws_says_it() -> None:
    refusal = refuse(user({"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:other-*"}), "")
    assert refusal is not None
    answer = json.loads(refusal.body)
    assert (refusal.status, answer["__type"]) == (400, "AccessDeniedException")
    assert answer["message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/somebody is not authorized to perform: sqs:CreateQueue on resource: "
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:site-q because no identity-based policy allows the sqs:CreateQueue action"
    )


def test_a_service_that_nobody_has_reviewed_is_refused_with_the_place_to_add_it() -> None:
    call = user({"Effect": "Allow", "Action": "*", "Resource": "*"})
    refusal = refuse(replace(call, service="glue", operation="CreateJob"), "")
    assert refusal is not None
    assert "is not in plugins/plugin_utils/iam_actions.yml" in refusal.message


def test_a_key_that_nobody_made_is_refused_and_the_root_users_is_not() -> None:
    call = ApiCall("ec2", "DescribeVpcs", REGION, "LOCALEMULATORONLY")
    refusal = refuse(call, "")
    assert refusal is not None
    assert b"<Code>AuthFailure</Code>" in refusal.body
    assert refuse(ApiCall("ec2", "DescribeVpcs", REGION, ROOT_ACCESS_KEY), "") is None
