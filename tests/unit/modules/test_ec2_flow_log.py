# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ec2_flow_log

GROUP = "/aws/vpc-flow-logs/indivillage-test"
ROLE = "arn:aws:iam::123456789012:role/indivillage-test-flow-logs"
BUCKET = "arn:aws:s3:::indivillage-test-logs"
Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def destinations() -> None:
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    boto3.client("s3").create_bucket(Bucket="indivillage-test-logs")


def flow_logs() -> list[dict[str, Any]]:
    return boto3.client("ec2").describe_flow_logs()["FlowLogs"]


def test_life_cycle_to_a_log_group(life_cycle: Callable[..., None], vpc_id: str) -> None:
    life_cycle(
        ec2_flow_log,
        {"resource_id": vpc_id, "log_group_name": GROUP, "role_arn": ROLE},
        {"max_aggregation_interval_seconds": 60, "tags": {"Project": "indivillage"}},
        {"max_aggregation_interval_seconds": 60, "tags": {"Owner": "platform"}},
    )


def test_life_cycle_to_a_bucket(life_cycle: Callable[..., None], vpc_id: str) -> None:
    life_cycle(
        ec2_flow_log,
        {"resource_id": vpc_id, "bucket_arn": BUCKET},
        {"traffic_type": "ALL"},
        {"traffic_type": "REJECT", "log_format": "${srcaddr} ${dstaddr}"},
        ("create", "replace"),
    )


def test_a_changed_property_replaces_and_keeps_tags_and_the_undeclared(run: Run, vpc_id: str) -> None:
    first = run(ec2_flow_log, resource_id=vpc_id, bucket_arn=BUCKET, log_format="${srcaddr}", tags={"Project": "indivillage"})
    second = run(ec2_flow_log, resource_id=vpc_id, bucket_arn=BUCKET, traffic_type="ACCEPT")
    assert second["diff"] == {"before": {"traffic_type": "ALL"}, "after": {"traffic_type": "ACCEPT"}}
    assert second["resource"]["flow_log_id"] != first["resource"]["flow_log_id"]
    assert second["resource"]["log_format"] == "${srcaddr}"
    assert second["resource"]["tags"] == {"Project": "indivillage"}
    assert len(flow_logs()) == 1


def test_other_destinations_of_the_same_vpc_are_left_alone(run: Run, vpc_id: str) -> None:
    run(ec2_flow_log, resource_id=vpc_id, bucket_arn=BUCKET)
    assert run(ec2_flow_log, resource_id=vpc_id, log_group_name=GROUP, role_arn=ROLE)["changed"]
    run(ec2_flow_log, resource_id=vpc_id, log_group_name=GROUP, state="absent")
    assert [log["LogDestination"] for log in flow_logs()] == [BUCKET]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resource_id": "i-1", "bucket_arn": BUCKET}, "resource_id must be the id of a VPC, subnet or network interface, not 'i-1'"),
        ({"resource_id": "vpc-1", "log_group_name": GROUP}, "needs role_arn"),
        ({"resource_id": "vpc-1"}, "one of the following is required: log_group_name, bucket_arn"),
        (
            {"resource_id": "vpc-1", "log_group_name": GROUP, "bucket_arn": BUCKET},
            "parameters are mutually exclusive: log_group_name|bucket_arn",
        ),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_nonsense_is_refused_before_anything_is_written(run: Run, options: dict[str, str], message: str, check: bool) -> None:
    result = run(ec2_flow_log, check=check, **options)
    assert result["failed"]
    assert message in result["msg"]
    assert flow_logs() == []


def test_a_failure_that_aws_reports_in_a_successful_answer_fails(run: Run, vpc_id: str) -> None:
    result = run(ec2_flow_log, resource_id=vpc_id, bucket_arn="arn:aws:s3:::missing")
    assert result["failed"]
    assert "does not exist" in result["msg"]
