# SPDX-License-Identifier: GPL-3.0-or-later
"""A tier and a database get another size at an operator's word, and nothing that does not fit."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import asg_sizes, rds_size

from tests.support.module_runs import Run


@pytest.fixture
def group(vpc_id: str) -> str:
    subnet = boto3.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    client = boto3.client("autoscaling")
    client.create_launch_configuration(LaunchConfigurationName="web", ImageId="ami-1", InstanceType="t3.micro")
    client.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchConfigurationName="web", MinSize=1, MaxSize=3, DesiredCapacity=2, VPCZoneIdentifier=subnet
    )
    return "web"


def numbers() -> tuple[int, int, int]:
    (group,) = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return group["MinSize"], group["DesiredCapacity"], group["MaxSize"]


def test_a_tier_gets_the_numbers_that_are_given_and_keeps_the_others(run: Run, group: str) -> None:
    options = {"groups": [{"name": group, "max": 6, "desired": 4}], "highest": 50}
    planned = run(asg_sizes, **options, check=True)
    assert (planned["changed"], planned["before"]) == (True, {group: {"min": 1, "max": 3, "desired": 2}})
    assert planned["sizes"] == {group: {"min": 1, "max": 6, "desired": 4}}
    assert numbers() == (1, 2, 3)
    assert run(asg_sizes, **options)["changed"]
    assert numbers() == (1, 4, 6)
    assert not run(asg_sizes, **options)["changed"]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"desired": 4}, "would be 1, 4 and 3, which do not fit"),
        ({"min": 3}, "would be 3, 2 and 3, which do not fit"),
        ({"max": 60}, "60 instances of web are more than the 50"),
    ],
)
def test_numbers_that_do_not_fit_change_nothing(run: Run, group: str, sizes: dict[str, int], words: str) -> None:
    assert words in run(asg_sizes, groups=[{"name": group, **sizes}], highest=50)["msg"]
    assert numbers() == (1, 2, 3)
    assert "there is no Auto Scaling group other" in run(asg_sizes, groups=[{"name": "other", **sizes}])["msg"]


@pytest.fixture(params=[True, False], ids=["with a standby", "alone"])
def standby(request: pytest.FixtureRequest) -> bool:
    boto3.client("rds").create_db_instance(
        DBInstanceIdentifier="db",
        Engine="postgres",
        DBInstanceClass="db.m5.large",
        AllocatedStorage=100,
        MultiAZ=request.param,
        MasterUsername="boss",
        MasterUserPassword="not-a-password",
    )
    return bool(request.param)


def size() -> tuple[str, int]:
    (instance,) = boto3.client("rds").describe_db_instances()["DBInstances"]
    return instance["DBInstanceClass"], instance["AllocatedStorage"]


def test_a_database_that_would_be_away_needs_an_agreement(run: Run, standby: bool) -> None:
    given: dict[str, Any] = {"name": "db", "instance_class": "db.m5.xlarge", "wait_timeout_seconds": 5, "poll_seconds": 1}
    first = run(rds_size, **given, check=True)
    assert size() == ("db.m5.large", 100)
    if not standby:
        assert "nobody could ask it for several minutes" in first["msg"]
        given["accept_downtime"] = True
    done = run(rds_size, **given)
    assert (done["changed"], size()) == (True, ("db.m5.xlarge", 100))
    assert done["resource"]["downtime"].startswith("one or two minutes" if standby else "several minutes")
    assert not run(rds_size, **given)["changed"]


def test_storage_grows_and_never_shrinks(run: Run, standby: bool) -> None:
    given = {"name": "db", "wait_timeout_seconds": 5, "poll_seconds": 1}
    assert run(rds_size, **given, storage_gib=200)["changed"], "it interrupts nothing"
    assert size() == ("db.m5.large", 200)
    assert "RDS takes none back" in run(rds_size, **given, storage_gib=150)["msg"]
    assert "there is no instance of that name" in run(rds_size, **given | {"name": "other"}, storage_gib=300)["msg"]
