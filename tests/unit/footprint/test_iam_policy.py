# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies made of calls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import iam_policy
from ansible_collections.indivillage.infra.plugins.plugin_utils.iam_actions import UnknownCallError, table

from tests.support.permissions import ROLES

POLICIES = Path(__file__).parents[3] / "policies"
VALUES = iam_policy.values("123456789012", "indivillage", "staging", ["us-east-1", "us-west-2"])


def by_sid(*calls: str) -> dict[str, Any]:
    return {statement["Sid"]: statement for statement in iam_policy.statements(calls)}


def test_reading_what_is_configured_is_allowed_everywhere_and_writing_by_name() -> None:
    found = by_sid("sqs:GetQueueAttributes", "sqs:SetQueueAttributes")
    assert found["SqsRead"]["Resource"] == ["*"]
    assert found["SqsQueues"] == {
        "Sid": "SqsQueues",
        "Effect": "Allow",
        "Action": ["sqs:SetQueueAttributes"],
        "Resource": ["arn:aws:sqs:*:{account}:{prefix}-*"],
    }


def test_reading_what_is_stored_is_allowed_by_name_only() -> None:
    found = by_sid("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
    assert found["SecretsmanagerRead"]["Action"] == ["secretsmanager:DescribeSecret"]
    assert found["SecretsmanagerSecrets"]["Action"] == ["secretsmanager:GetSecretValue"]
    assert found["KmsUseKeys"]["Action"] == ["kms:Decrypt"]


@pytest.mark.parametrize(
    ("call", "permissions"),
    [
        ("s3:HeadBucket", ("s3:ListBucket",)),
        ("s3:GetPublicAccessBlock", ("s3:GetBucketPublicAccessBlock",)),
        ("s3:DeleteObjects", ("s3:DeleteObject", "s3:DeleteObjectVersion")),
        ("elbv2:CreateListener", ("elasticloadbalancing:CreateListener",)),
        ("resourcegroupstaggingapi:GetResources", ("tag:GetResources",)),
        ("sts:GetCallerIdentity", ()),
    ],
)
def test_calls_whose_permission_has_another_name(call: str, permissions: tuple[str, ...]) -> None:
    assert table().permissions(call) == permissions


def test_what_a_call_implies_is_allowed_too() -> None:
    found = by_sid("ec2:RunInstances")
    assert found["Ec2Resources"]["Action"] == ["ec2:CreateTags", "ec2:RunInstances"]
    assert found["IamPassRoles"]["Resource"] == ["arn:aws:iam::{account}:role/{prefix}-*"]
    assert found["IamPassRoles"]["Condition"]["StringEquals"]["iam:PassedToService"]
    assert found["KmsGrantKeys"]["Condition"] == {
        "ForAnyValue:StringLike": {"kms:ResourceAliases": ["alias/{prefix}-*"]},
        "Bool": {"kms:GrantIsForAWSResource": "true"},
    }


def test_only_what_is_ours_can_be_removed() -> None:
    condition = by_sid("ec2:DeleteVpc")["Ec2Removal"]["Condition"]["StringEquals"]
    assert condition["aws:ResourceTag/Environment"] == "{environment}"
    assert condition["aws:RequestedRegion"] == ["{regions}"]


def test_the_edge_is_bounded_by_names_and_tags() -> None:
    found = by_sid(
        *("cloudfront:CreateDistributionWithTags", "cloudfront:UpdateDistribution", "cloudfront:DeleteOriginAccessControl"),
        *("wafv2:AssociateWebACL", "wafv2:PutLoggingConfiguration", "route53:ChangeResourceRecordSets", "route53:CreateHostedZone"),
        *("acm:RequestCertificate", "logs:PutDeliverySource"),
    )
    assert found["CloudfrontNewDistributions"]["Action"] == ["cloudfront:CreateDistribution", "cloudfront:TagResource"]
    assert found["CloudfrontDistributions"]["Action"] == ["cloudfront:AllowVendedLogDeliveryForResource", "cloudfront:UpdateDistribution"]
    assert found["CloudfrontDistributions"]["Condition"]["StringEquals"]["aws:ResourceTag/Environment"] == "{environment}"
    assert found["CloudfrontAccessControls"]["Action"] == ["cloudfront:DeleteOriginAccessControl"]
    assert "arn:aws:wafv2:*:{account}:*/webacl/{prefix}-*/*" in found["Wafv2WebAcls"]["Resource"]
    assert found["ElasticloadbalancingBalancers"]["Action"] == ["elasticloadbalancing:SetWebAcl"]
    assert found["Route53Zones"]["Resource"] == ["arn:aws:route53:::hostedzone/*", "arn:aws:route53:::healthcheck/*"]
    assert found["Route53NewZones"]["Action"] == ["route53:CreateHostedZone"]
    assert found["AcmCertificates"]["Action"] == ["acm:AddTagsToCertificate"]
    assert "logs:PutDeliverySource" in found["LogsGroups"]["Action"]
    assert "logs:PutResourcePolicy" in found["LogsDeliveryToLogs"]["Action"]


def test_an_unknown_service_is_refused_with_the_place_to_add_it() -> None:
    with pytest.raises(UnknownCallError, match=r"quantum:Leap: the service quantum is not in plugins/plugin_utils/iam_actions.yml"):
        iam_policy.statements(["quantum:Leap"])


def test_a_call_gets_what_it_may_imply_unless_it_is_said_what_it_asks_for() -> None:
    call = "autoscaling:UpdateAutoScalingGroup"
    assert by_sid(call).keys() == {"AutoscalingGroups", "Ec2Resources", "IamPassRoles"}
    assert by_sid(f"{call} with iam:PassRole").keys() == {"AutoscalingGroups", "IamPassRoles"}
    assert by_sid(f"{call} with nothing").keys() == {"AutoscalingGroups"}


def test_the_same_calls_give_the_same_policies_in_any_order() -> None:
    calls = ["ec2:CreateVpc", "iam:CreateRole", "s3:CreateBucket", "ec2:DescribeVpcs"]
    assert iam_policy.files({"deploy": calls}) == iam_policy.files({"deploy": calls[::-1] * 2})


def test_policies_stay_within_the_limit_with_the_longest_names() -> None:
    calls = [f"ec2:Create{number:04}{'x' * 60}" for number in range(300)]
    documents = iam_policy.policies(calls)
    values = iam_policy.values("0" * 12, "p" * 21, "e" * 16, ["xx-xxxxxxxxx-0"] * 2)
    sizes = [len(re.sub(r"\s", "", json.dumps(iam_policy.fill(document, values)))) for document in documents]
    assert len(sizes) > 1
    assert max(sizes) <= 6144
    sids = [statement["Sid"] for document in documents for statement in document["Statement"]]
    assert len(sids) == len(set(sids))
    assert {action for document in documents for statement in document["Statement"] for action in statement["Action"]} == set(calls)


def test_placeholders_are_filled_in_everywhere() -> None:
    filled = json.dumps(iam_policy.fill(iam_policy.policies(["ec2:DeleteVpc", "sqs:CreateQueue", "logs:CreateLogGroup"]), VALUES))
    assert "{account}" not in filled
    assert '["us-east-1", "us-west-2"]' in filled
    assert "arn:aws:sqs:*:123456789012:indivillage-staging-*" in filled


def test_records_of_both_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "calls": [{"service": "ec2", "operation": "CreateVpc", "count": 1}]}))
    (tmp_path / "emulator.json").write_text(json.dumps({"sqs:CreateQueue": []}))
    assert iam_policy.recorded(sorted(tmp_path.iterdir())) == ["ec2:CreateVpc", "sqs:CreateQueue"]


def test_the_committed_policies_are_what_the_recorded_calls_give(tmp_path: Path) -> None:
    calls = iam_policy.load_calls(POLICIES)
    assert set(calls) == set(ROLES)
    committed = {file.name: file.read_text() for file in POLICIES.glob("*.json")}
    assert committed == iam_policy.files(calls), "run scripts/generate-policy and commit what it writes"
    iam_policy.save_calls(tmp_path, calls)
    assert (tmp_path / iam_policy.CALLS_FILE).read_text() == (POLICIES / iam_policy.CALLS_FILE).read_text(), "calls.yml is sorted"


def test_outdated_files_go(tmp_path: Path) -> None:
    (tmp_path / "deploy-9.json").write_text("{}")
    iam_policy.write(tmp_path, {"deploy": ["ec2:CreateVpc"]})
    assert [file.name for file in tmp_path.iterdir()] == ["deploy-1.json"]


def test_planners_can_change_nothing() -> None:
    changing = [
        action
        for document in iam_policy.policies(iam_policy.load_calls(POLICIES)["plan"])
        for statement in document["Statement"]
        for action in statement["Action"]
        if not re.match(r"[a-z0-9-]+:(Describe|Get|List|View|Decrypt|Verify|Query|BatchGet|Search)", action)
    ]
    assert changing == []


def test_roles_have_room_for_their_policies() -> None:
    for role, calls in iam_policy.load_calls(POLICIES).items():
        assert len(iam_policy.policies(calls)) <= 10, f"AWS attaches at most 10 policies to a role, {role} needs more"


def test_every_permission_is_one_that_aws_knows() -> None:
    """The emulator cannot tell: each was looked up in AWS's Service Authorization Reference before it came on the list."""
    calls = {call for role in iam_policy.load_calls(POLICIES).values() for call in role}
    used = {action for statement in iam_policy.statements(calls) for action in statement["Action"]}
    looked_up = set(Path(__file__).with_name("aws_actions.txt").read_text().split())
    assert used - looked_up == set(), "look them up: https://docs.aws.amazon.com/service-authorization/latest/reference/"
