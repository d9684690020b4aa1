# SPDX-License-Identifier: GPL-3.0-or-later
"""The committed policies, enforced: representative calls of each kind, as clients of AWS and as a module make them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.permissions import Account, Principal, account, committed, without

pytestmark = pytest.mark.emulator

OWNED = [{"Key": "Project", "Value": "indivillage"}, {"Key": "Environment", "Value": "sandbox"}]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
NAME = "indivillage-sandbox-permissions"
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("permissions")) as ready:
        yield ready


@pytest.fixture(scope="module")
def deployer(made: Account) -> Principal:
    return made.role("deploy", committed("deploy"))


def tagged(kind: str, tags: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags}]


# One call for each way in which a statement is bounded: by region, tag, name, service, and by what it reads.
CALLS: dict[str, Callable[[Client], Any]] = {
    "Ec2Resources": lambda client: client("ec2").create_vpc(CidrBlock="10.99.0.0/16", TagSpecifications=tagged("vpc", OWNED)),
    "Ec2Read": lambda client: client("ec2").describe_vpcs(),
    "S3Buckets": lambda client: client("s3").create_bucket(Bucket=NAME),
    "SqsQueues": lambda client: client("sqs").create_queue(QueueName=NAME),
    "IamRoles": lambda client: client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(TRUST)),
    "LogsGroups": lambda client: client("logs").create_log_group(logGroupName="/aws/vpc-flow-logs/indivillage-sandbox"),
    "SsmParameters": lambda client: client("ssm").put_parameter(Name="/indivillage/sandbox/x", Value="y", Type="String"),
}


@pytest.mark.parametrize("sid", CALLS)
def test_a_call_needs_its_statement(made: Account, deployer: Principal, sid: str) -> None:
    def client(service: str) -> Any:
        return made.client(service, deployer)

    made.give("deploy", without(committed("deploy"), sid))
    with pytest.raises(ClientError, match="is not authorized to perform"):
        CALLS[sid](client)
    made.give("deploy", committed("deploy"))
    CALLS[sid](client)


def test_a_region_that_is_not_the_environments_is_refused(made: Account, deployer: Principal) -> None:
    with pytest.raises(ClientError, match="is not authorized to perform: ec2:CreateVpc"):
        made.client("ec2", deployer, "eu-west-1").create_vpc(CidrBlock="10.0.0.0/16")


def test_what_is_another_environments_stays(made: Account, deployer: Principal) -> None:
    root = made.emulator.client("ec2")
    image = root.describe_images(Owners=["self"])["Images"][0]["ImageId"]
    own, foreign = (
        root.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, TagSpecifications=tagged("instance", tags))
        for tags in (OWNED, [OWNED[0], {"Key": "Environment", "Value": "live"}])
    )
    client = made.client("ec2", deployer)
    with pytest.raises(ClientError, match="is not authorized to perform: ec2:TerminateInstances"):
        client.terminate_instances(InstanceIds=[foreign["Instances"][0]["InstanceId"]])
    assert client.terminate_instances(InstanceIds=[own["Instances"][0]["InstanceId"]])["TerminatingInstances"]


def test_a_role_is_handed_to_the_services_that_need_it_alone(made: Account, deployer: Principal) -> None:
    iam = made.emulator.client("iam")
    iam.create_role(RoleName="administrator", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="administrator")
    iam.add_role_to_instance_profile(InstanceProfileName="administrator", RoleName="administrator")
    image = made.emulator.client("ec2").describe_images(Owners=["self"])["Images"][0]["ImageId"]
    with pytest.raises(ClientError, match=r"iam:PassRole on resource: arn:aws:iam::123456789012:role/administrator"):
        made.client("ec2", deployer).run_instances(
            ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "administrator"}
        )


def test_a_planner_reads_and_writes_nothing(made: Account) -> None:
    planner = made.role("plan", committed("plan"))
    assert made.client("ec2", planner).describe_vpcs()["Vpcs"]
    for service, operation, arguments in (
        ("ec2", "create_vpc", {"CidrBlock": "10.97.0.0/16"}),
        ("s3", "create_bucket", {"Bucket": f"{NAME}-2"}),
        ("kms", "create_key", {}),
        ("dynamodb", "delete_table", {"TableName": "indivillage-sandbox-leases"}),
    ):
        with pytest.raises(ClientError, match="is not authorized to perform"):
            getattr(made.client(service, planner), operation)(**arguments)


def test_a_failed_task_says_what_is_missing_and_where_it_belongs(made: Account) -> None:
    nobody = made.role("nobody", without(committed("deploy"), "SqsQueues"))
    run = made.run("playbooks/provision_foundation.yml", nobody, "--tags", "aws_messaging", "--limit", "sandbox-us-east-1")
    told = " ".join((run.stdout + run.stderr).split())
    assert run.returncode == 2
    assert (
        "is not authorized to perform: sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:123456789012:indivillage-sandbox-tasks-dlq"
        in told
    )
    assert "sqs:CreateQueue is allowed by policies/deploy-" in told
