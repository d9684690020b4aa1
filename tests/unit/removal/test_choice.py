# SPDX-License-Identifier: GPL-3.0-or-later
"""What prune may choose, and when it must not choose at all."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Entry, Failure, Input, Plan
from ansible_collections.indivillage.infra.plugins.plugin_utils.removal_choice import ChoiceError, named_by, require_whole, undeclared

LAYERS = {"global": ["aws_identity"], "region": ["aws_network", "aws_storage"]}


def resource(kind: str, identifier: str, arn: str = "") -> dict[str, Any]:
    return {"kind": kind, "id": identifier, "arn": arn or f"arn:aws:x:::{identifier}", "title": f"{kind} {identifier}"}


def whole(**changes: Any) -> Plan:
    inputs = [Input(host, layer, "task", "", "digest") for host, layers in LAYERS.items() for layer in layers]
    return Plan(**{"environment": "sandbox", "inputs": inputs, "declared": ["vpc-1"], **changes})


def test_a_resource_is_declared_by_arn_by_id_or_by_its_name_in_a_module_of_its_kind() -> None:
    declared = ["subnet-1", "arn:aws:sqs:us-east-1:1:jobs", "s3_bucket logs", "iam_role jobs"]
    queue = resource("sqs:queue", "jobs", "arn:aws:sqs:us-east-1:1:jobs")

    assert undeclared([resource("ec2:subnet", "subnet-1"), queue, resource("s3:bucket", "logs")], declared, []) == []


def test_a_name_of_another_kind_declares_nothing() -> None:
    extra = [resource("sqs:queue", "web"), resource("s3:bucket", "web"), resource("ec2:subnet", "subnet-2")]

    assert undeclared(extra, ["iam_role web", "autoscaling_group web", "subnet-1"], []) == extra


def test_kinds_that_are_kept_are_not_chosen() -> None:
    assert undeclared([resource("ec2:image", "ami-1")], [], ["ec2:image"]) == []


def test_only_what_the_plan_names_is_removed() -> None:
    entry = Entry("region", "aws_removal", "Delete", "ec2:subnet subnet-1", "indivillage.infra.owned_resource", "delete")
    elsewhere = Entry("region", "aws_network", "Delete", "ec2:subnet subnet-2", "amazon.aws.ec2_vpc_subnet", "delete")
    plan = Plan("sandbox", entries=[entry, elsewhere])
    found = [resource("ec2:subnet", f"subnet-{number}") for number in (1, 2, 3)]

    assert named_by(plan, "region", found) == found[:1]
    assert named_by(plan, "another", found) == []


def test_a_whole_plan_without_changes_will_do() -> None:
    require_whole(whole(), LAYERS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"failed": [Failure("region", "", "Make", "", "no such thing")]}, "planning the environment failed: region: Make: no such thing"),
        ({"entries": [Entry("region", "aws_network", "Make the VPC", "", "m", "create")]}, "apply first"),
        ({"inputs": [Input("global", "aws_identity", "t", "", "d")]}, "not looked at aws_network of region, aws_storage of region"),
        ({"declared": []}, "names nothing that is declared"),
    ],
)
def test_anything_less_chooses_nothing(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ChoiceError, match=message):
        require_whole(whole(**changes), LAYERS)
