# SPDX-License-Identifier: GPL-3.0-or-later
"""A group through its whole life, and what of it is not this module's to change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import autoscaling_group

from sandbox.emulator.additions import auto_scaling_groups
from tests.support.module_runs import Calls, Run

NAME = "indivillage-test-web"
METRICS = ["GroupMinSize", "GroupTotalInstances"]


@pytest.fixture(autouse=True, scope="module")
def _settings_that_can_be_changed() -> None:
    auto_scaling_groups.install()


@pytest.fixture
def declared(vpc_id: str) -> dict[str, Any]:
    """A whole declaration, of what exists."""
    ec2, elbv2 = boto3.client("ec2"), boto3.client("elbv2")
    subnets = [ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in range(2)]
    target = elbv2.create_target_group(Name=NAME, Protocol="HTTPS", Port=443, VpcId=vpc_id)["TargetGroups"][0]["TargetGroupArn"]
    image = ec2.register_image(Name="web", RootDeviceName="/dev/xvda")["ImageId"]
    for name in (NAME, "other"):
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"})
    return {
        "name": NAME,
        "launch_template": NAME,
        "min_size": 1,
        "max_size": 4,
        "desired_capacity": 2,
        "subnet_ids": subnets,
        "target_group_arns": [target],
        "health_check_type": "ELB",
        "health_check_grace_seconds": 60,
        "cooldown_seconds": 30,
        "termination_policies": ["OldestLaunchTemplate", "OldestInstance"],
        "metrics": METRICS,
        "suspended_processes": [],
        "tags": {"Project": "site", "Tier": "web"},
    }


def group() -> dict[str, Any]:
    found: dict[str, Any] = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])["AutoScalingGroups"][0]
    return found


def test_life_cycle(life_cycle: Callable[..., None], declared: dict[str, Any]) -> None:
    second = {
        "launch_template": "other",
        "min_size": 0,
        "max_size": 3,
        "subnet_ids": declared["subnet_ids"][:1],
        "target_group_arns": [],
        "health_check_type": "EC2",
        "health_check_grace_seconds": 90,
        "cooldown_seconds": 31,
        "termination_policies": ["OldestInstance", "OldestLaunchTemplate"],
        "suspended_processes": ["AZRebalance"],
        "tags": {"Tier": "app"},
    }
    life_cycle(autoscaling_group, {"name": NAME}, declared, declared | second)


def test_a_new_group_is_as_declared(run: Run, declared: dict[str, Any]) -> None:
    boto3.client("ec2").create_launch_template_version(
        LaunchTemplateName=NAME, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"}
    )

    assert run(autoscaling_group, **declared)["changed"]

    made = group()
    assert (made["LaunchTemplate"]["LaunchTemplateName"], made["LaunchTemplate"]["Version"]) == (NAME, "2")
    assert (made["MinSize"], made["MaxSize"], made["DesiredCapacity"]) == (1, 4, 2)
    assert {metric["Metric"] for metric in made["EnabledMetrics"]} == set(METRICS)
    assert {(tag["Key"], tag["Value"], tag["PropagateAtLaunch"]) for tag in made["Tags"]} == {
        ("Project", "site", True),
        ("Tier", "web", True),
    }


def test_what_is_as_declared_is_read_once_and_not_written(run: Run, declared: dict[str, Any], calls: Calls) -> None:
    run(autoscaling_group, **declared)
    calls.names.clear()

    assert not run(autoscaling_group, **declared)["changed"]

    assert calls.names == ["DescribeAutoScalingGroups"]


def test_a_group_keeps_the_version_of_its_template_and_its_capacity(run: Run, declared: dict[str, Any]) -> None:
    run(autoscaling_group, **declared)
    boto3.client("ec2").create_launch_template_version(
        LaunchTemplateName=NAME, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"}
    )
    boto3.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=NAME, DesiredCapacity=3)

    assert not run(autoscaling_group, **declared)["changed"]
    assert run(autoscaling_group, **declared | {"cooldown_seconds": 10})["changed"]

    assert (group()["LaunchTemplate"]["Version"], group()["DesiredCapacity"]) == ("1", 3)


@pytest.mark.parametrize(("limits", "capacity"), [({"min_size": 3}, 3), ({"max_size": 1}, 1)])
def test_capacity_goes_with_the_limits(run: Run, declared: dict[str, Any], limits: dict[str, int], capacity: int) -> None:
    run(autoscaling_group, **declared)

    assert run(autoscaling_group, **declared | limits)["diff"]["after"] == limits | {"desired_capacity": capacity}

    assert group()["DesiredCapacity"] == capacity


def test_of_several_types_and_of_one_again(run: Run, declared: dict[str, Any]) -> None:
    distribution = {
        "on_demand_base_capacity": 0,
        "on_demand_percentage_above_base_capacity": 30,
        "on_demand_allocation_strategy": "prioritized",
        "spot_allocation_strategy": "price-capacity-optimized",
    }
    mixed = declared | {"instance_types": ["t3.micro", "t3a.micro"], "instances_distribution": distribution}
    assert run(autoscaling_group, **mixed)["changed"]
    assert not run(autoscaling_group, **mixed)["changed"]
    assert [item["InstanceType"] for item in group()["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]] == ["t3.micro", "t3a.micro"]

    less = mixed | {"instances_distribution": distribution | {"on_demand_percentage_above_base_capacity": 60}}
    assert list(run(autoscaling_group, **less)["diff"]["after"]) == ["instances_distribution"]
    policy = group()["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 60
    assert policy["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] == "1"

    alone = declared | {"instance_types": []}
    assert list(run(autoscaling_group, check=True, **alone)["diff"]["after"]) == ["instance_types"]


def test_instances_get_the_tags_of_the_group(run: Run, declared: dict[str, Any]) -> None:
    run(autoscaling_group, **declared)
    tag = {"ResourceId": NAME, "ResourceType": "auto-scaling-group", "Key": "Tier", "Value": "web", "PropagateAtLaunch": False}
    boto3.client("autoscaling").create_or_update_tags(Tags=[tag])

    assert run(autoscaling_group, **declared)["diff"]["before"] == {"propagate_tags": False}

    assert all(tag["PropagateAtLaunch"] for tag in group()["Tags"])


def test_nonsense_is_refused_before_anything_is_made(run: Run, declared: dict[str, Any], calls: Calls) -> None:
    for wrong, said in (
        ({"min_size": 5}, "min_size is 5, and max_size 4 is less"),
        ({"instances_distribution": {"on_demand_base_capacity": 1}}, "instances_distribution needs instance_types"),
        ({"launch_template": None, "subnet_ids": []}, "launch_template, subnet_ids: required to create it"),
    ):
        result = run(autoscaling_group, **declared | wrong)
        assert result["failed"]
        assert said in result["msg"]
    assert calls.writes == []
