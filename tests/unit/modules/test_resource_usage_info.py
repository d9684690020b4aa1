# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of an account and of CloudWatch to find what nobody uses."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.resource_usage import Found, Metric, measured
from ansible_collections.indivillage.infra.plugins.modules import resource_usage_info
from botocore.stub import ANY, Stubber
from moto.ec2.models import ec2_backends

Run = Callable[..., dict[str, Any]]
NOW = datetime.datetime.now(datetime.UTC)


def measure(namespace: str, name: str, dimension: tuple[str, str], *values: float) -> None:
    """One value an hour, the last one an hour ago."""
    for number, value in enumerate(reversed(values), start=1):
        datum = {
            "MetricName": name,
            "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
            "Timestamp": NOW - datetime.timedelta(hours=number),
            "Value": value,
        }
        boto3.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])


def by_kind(result: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    assert not result.get("failed"), result
    found: dict[str, list[dict[str, Any]]] = {}
    for one in result["resources"]:
        found.setdefault(one["kind"], []).append(one)
    return found


def test_volumes_and_addresses_that_belong_to_nothing(run: Run) -> None:
    ec2 = boto3.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=30)["VolumeId"]
    address = ec2.allocate_address(Domain="vpc")["PublicIp"]
    found = by_kind(run(resource_usage_info))
    (loose,) = found["volume"]
    assert loose == {"kind": "volume", "name": volume, "attached": False, "old_enough": False, "sizes": {"": 30}, "measures": {}}
    assert [(one["name"], one["attached"]) for one in found["address"]] == [(address, False)]


def test_instances_of_a_group_are_one_and_their_memory_comes_from_the_agent(run: Run, vpc_id: str) -> None:
    ec2 = boto3.client("ec2")
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "single"}]}]
    common = {"ImageId": "ami-12345678", "SubnetId": subnet, "InstanceType": "t3.large"}
    (single,) = ec2.run_instances(**common, MinCount=1, MaxCount=1, TagSpecifications=tags)["Instances"]
    members = [one["InstanceId"] for one in ec2.run_instances(**common, MinCount=2, MaxCount=2)["Instances"]]
    # Only AWS may set this tag.
    for member in members:
        ec2_backends["123456789012"]["us-east-1"].create_tags([member], {"aws:autoscaling:groupName": "web"})
    measure("AWS/EC2", "CPUUtilization", ("AutoScalingGroupName", "web"), 10, 31.5, 20)
    measure("CWAgent", "mem_used_percent", ("AutoScalingGroupName", "web"), 44, 43)
    measure("AWS/EC2", "CPUUtilization", ("InstanceId", single["InstanceId"]), 3)

    found = {one["name"]: one for one in by_kind(run(resource_usage_info))["instance"]}

    assert found["group web"]["sizes"] == {"t3.large": 2}
    assert found["group web"]["measures"] == {"cpu_percent": 31.5, "memory_percent": 44}
    assert found[single["InstanceId"]]["measures"] == {"cpu_percent": 3, "memory_percent": None}
    assert (found["group web"]["old_enough"], found[single["InstanceId"]]["old_enough"]) == (True, False)


def test_a_load_balancer_without_requests_had_none(run: Run, vpc_id: str) -> None:
    ec2 = boto3.client("ec2")
    subnets = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for number, zone in ((1, "a"), (2, "b"))
    ]
    elbv2 = boto3.client("elbv2")
    quiet, busy = (elbv2.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0] for name in ("quiet", "busy"))
    measure("AWS/ApplicationELB", "RequestCount", ("LoadBalancer", busy["LoadBalancerArn"].partition("loadbalancer/")[2]), 7, 8)
    found = {one["name"]: one["measures"] for one in by_kind(run(resource_usage_info))["load_balancer"]}
    assert found == {quiet["LoadBalancerName"]: {"requests": 0}, "busy": {"requests": 15}}


def test_a_database_is_measured_by_its_worst_hour(run: Run) -> None:
    boto3.client("rds").create_db_instance(
        DBInstanceIdentifier="site", DBInstanceClass="db.m5.large", Engine="postgres", AllocatedStorage=20,
        MasterUsername="site", MasterUserPassword="only-in-memory", MultiAZ=True,
    )  # fmt: skip
    measure("AWS/RDS", "FreeableMemory", ("DBInstanceIdentifier", "site"), 6e9, 2e9, 5e9)
    measure("AWS/RDS", "DatabaseConnections", ("DBInstanceIdentifier", "site"), 0, 4)
    (database,) = by_kind(run(resource_usage_info))["database_multi_az"]
    assert database["sizes"] == {"db.m5.large": 1}
    assert database["measures"] == {"cpu_percent": None, "free_memory_bytes": 2e9, "connections": 4}


@pytest.mark.parametrize("days", [0, 64])
def test_days_that_cloudwatch_does_not_keep_are_refused(run: Run, days: int) -> None:
    result = run(resource_usage_info, days=days)
    assert result["failed"]
    assert result["msg"] == f"days is {days}: give 1 to 63."


def test_more_metrics_than_one_call_takes_and_pages_of_values() -> None:
    found = [
        Found("nat_gateway", f"nat-{number}", {"": 1}, metrics={"bytes": Metric("N", "M", {"G": str(number)}, "Sum", sum)})
        for number in range(501)
    ]
    client = boto3.client("cloudwatch")
    with Stubber(client) as stubber:
        expected = {"StartTime": NOW, "EndTime": NOW, "MetricDataQueries": ANY}
        first = [{"Id": "m0", "Values": [1.0, 2.0]}]
        stubber.add_response("get_metric_data", {"MetricDataResults": first, "NextToken": "more"}, expected)
        stubber.add_response("get_metric_data", {"MetricDataResults": [{"Id": "m0", "Values": [4.0]}]}, {**expected, "NextToken": "more"})
        stubber.add_response("get_metric_data", {"MetricDataResults": [{"Id": "m500", "Values": [5.0]}]}, expected)
        told = measured(client, found, NOW, NOW)
    assert [one["measures"]["bytes"] for one in told] == [7.0, *[None] * 499, 5.0]


def test_throttled_reads_are_made_again(run: Run, throttle: Callable[[bytes], Iterator[int]]) -> None:
    boto3.client("ec2").allocate_address(Domain="vpc")
    throttle(b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>")
    assert list(by_kind(run(resource_usage_info))) == ["address"]
