# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import asg_health

NAME = "indivillage-test-web"
Run = Callable[..., dict[str, Any]]


class LoadBalancing:
    """Target health as a load balancer reports it; the emulator's targets are healthy from the start."""

    def __init__(self, *answers: dict[str, str]) -> None:
        self.answers = list(answers)

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {
            "TargetHealthDescriptions": [
                {"Target": {"Id": instance}, "TargetHealth": {"State": state, "Description": f"a reason for {state}"}}
                for instance, state in answer.items()
            ]
        }


@pytest.fixture
def instances(vpc_id: str) -> list[str]:
    """A group of two instances with a target group; their ids."""
    group_arn = boto3.client("elbv2").create_target_group(Name=NAME, Protocol="HTTPS", Port=443, VpcId=vpc_id)["TargetGroups"][0]
    client = boto3.client("autoscaling")
    client.create_launch_configuration(LaunchConfigurationName="web", ImageId="ami-1", InstanceType="t3.micro")
    subnet = boto3.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    client.create_auto_scaling_group(
        AutoScalingGroupName=NAME,
        LaunchConfigurationName="web",
        MinSize=2,
        MaxSize=4,
        VPCZoneIdentifier=subnet,
        TargetGroupARNs=[group_arn["TargetGroupArn"]],
    )
    (group,) = client.describe_auto_scaling_groups()["AutoScalingGroups"]
    return sorted(instance["InstanceId"] for instance in group["Instances"])


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Callable[..., LoadBalancing]:
    def install(*answers: dict[str, str]) -> LoadBalancing:
        elbv2 = LoadBalancing(*answers)
        clients = {"autoscaling": boto3.client("autoscaling"), "elbv2": elbv2}
        monkeypatch.setattr(asg_health, "aws_client", lambda _module, service: clients[service])
        return elbv2

    return install


def test_waits_until_all_are_healthy(run: Run, instances: list[str], report: Callable[..., LoadBalancing]) -> None:
    first, second = instances
    elbv2 = report({first: "initial"}, {first: "healthy", second: "initial"}, {first: "healthy", second: "healthy"})
    assert run(asg_health, names=[NAME], poll_seconds=0) | {"failed": False} == {"changed": False, "ailing": [], "failed": False}
    assert len(elbv2.answers) == 1


def test_names_every_target_that_is_not_healthy_and_why(run: Run, instances: list[str], report: Callable[..., LoadBalancing]) -> None:
    first, second = instances
    report({first: "unhealthy"})
    result = run(asg_health, names=[NAME, "missing"], wait_timeout_seconds=0)
    assert result["failed"]
    assert "there is no Auto Scaling group missing" in result["msg"]
    assert f"{NAME}: {first} is unhealthy in target group {NAME} (a reason for unhealthy)" in result["msg"]
    assert f"{NAME}: {second} is not registered in target group {NAME} (no reason given)" in result["msg"]


def test_names_missing_capacity(run: Run, instances: list[str], report: Callable[..., LoadBalancing]) -> None:
    report(dict.fromkeys(instances, "healthy"))
    boto3.client("autoscaling").set_instance_health(InstanceId=instances[0], HealthStatus="Unhealthy")
    message = run(asg_health, names=[NAME], wait_timeout_seconds=0)["msg"]
    assert f"{instances[0]} is InService and Unhealthy" in message
    assert "1 of 2 instances are in service" in message


def test_a_plan_does_not_wait(run: Run, instances: list[str], report: Callable[..., LoadBalancing]) -> None:
    report(dict.fromkeys(instances, "initial"))
    result = run(asg_health, check=True, names=[NAME])
    assert (result["changed"], len(result["ailing"])) == (False, 2)
