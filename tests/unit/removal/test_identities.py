# SPDX-License-Identifier: GPL-3.0-or-later
"""By what a run's results tell which resources are declared."""

from __future__ import annotations

from ansible_collections.indivillage.infra.plugins.plugin_utils.removal_identities import declared_identities


def test_what_aws_made_stands_alone_and_names_stand_behind_their_module() -> None:
    result = {
        "subnet": {"id": "subnet-4e02907f89b328cf6", "vpc_id": "vpc-19af40c54d1d3a06c", "tags": {"Name": "data-a"}},
        "QueueUrl": "http://127.0.0.1/123456789012/tasks",
        "queue_arn": "arn:aws:sqs:us-east-1:123456789012:tasks",
        "keyId": "1573b83a-e9ef-4a10-accd-a120096bf30b",
        "password": "h0nestly-secret",
        "changed": False,
    }

    assert declared_identities("a.b.thing", result) == [
        "1573b83a-e9ef-4a10-accd-a120096bf30b",
        "arn:aws:sqs:us-east-1:123456789012:tasks",
        "subnet-4e02907f89b328cf6",
        "thing data-a",
        "thing http://127.0.0.1/123456789012/tasks",
        "vpc-19af40c54d1d3a06c",
    ]


def test_a_module_that_only_looks_declares_nothing() -> None:
    assert declared_identities("amazon.aws.ec2_vpc_subnet_info", {"subnets": [{"id": "subnet-4e02907f89b328cf6"}]}) == []


def test_what_is_only_planned_or_only_a_difference_is_no_identity() -> None:
    result = {"vpc_id": "vpc-planned-1a2b3c4d", "diff": {"before": {"name": "old"}}, "plan": {"resource_name": "x"}}

    assert declared_identities("a.b.thing", result) == []


def test_a_name_counts_for_the_module_that_returned_it_only() -> None:
    assert declared_identities("amazon.aws.s3_bucket", {"name": "logs"}) == ["s3_bucket logs"]
    assert declared_identities("amazon.aws.iam_role", {"iam_role": {"role_name": "logs"}}) == ["iam_role logs"]


def test_parameters_count_but_not_who_asks() -> None:
    given = {"secret_name": "/a/key", "aws_access_key_id": "AKIAEXAMPLE", "_ansible_module_name": "x", "filters": {"name": "n"}}

    assert declared_identities("a.b.ec2_ssh_key", given) == ["ec2_ssh_key /a/key", "ec2_ssh_key n"]
