# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failover rests on: the decision which region is active, how far a replica is, sizes of groups, the pair of DNS records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import active_region, asg_sizes, asg_subnets, rds_replica_info, route53_failover

from tests.support.module_runs import Run

HERE, THERE = "us-east-1", "us-west-2"
NAME = "/indivillage/test/active-region"
REGIONS = {"name": NAME, "regions": [HERE, THERE]}


def value(region: str) -> str | None:
    found = boto3.client("ssm", region_name=region).get_parameters(Names=[NAME])["Parameters"]
    return found[0]["Value"] if found else None


# --- active_region ---


def test_the_first_region_is_active_until_somebody_decides(run: Run) -> None:
    told = run(active_region, **REGIONS)
    assert (told["active"], told["number"], told["silent"], told["changed"]) == (HERE, 0, [], False)
    planned = run(active_region, check=True, **REGIONS, active=THERE)
    assert (planned["active"], planned["changed"], value(THERE)) == (THERE, True, None)
    assert run(active_region, **REGIONS, active=THERE)["changed"]
    assert not run(active_region, **REGIONS, active=THERE)["changed"]
    assert [value(region) for region in (HERE, THERE)] == [f"1 {THERE}"] * 2
    assert run(active_region, **REGIONS, active=HERE)["number"] == 2


def test_a_region_that_missed_a_decision_is_outvoted_and_told(run: Run) -> None:
    boto3.client("ssm", region_name=THERE).put_parameter(Name=NAME, Value=f"3 {THERE}", Type="String")
    boto3.client("ssm", region_name=HERE).put_parameter(Name=NAME, Value=f"2 {HERE}", Type="String")
    assert run(active_region, **REGIONS)["active"] == THERE
    again = run(active_region, **REGIONS, active=THERE)
    assert (again["number"], again["changed"], value(HERE)) == (3, True, f"3 {THERE}")


@pytest.mark.parametrize("wrong", ["us-west-2", "one us-west-2", "1 eu-west-1"])
def test_a_value_that_is_no_decision_is_refused(run: Run, wrong: str) -> None:
    boto3.client("ssm", region_name=HERE).put_parameter(Name=NAME, Value=wrong, Type="String")
    result = run(active_region, **REGIONS)
    assert result["failed"]
    assert f"the parameter holds '{wrong}'" in result["msg"]


def test_a_region_that_it_does_not_know_is_refused(run: Run) -> None:
    assert "active is 'eu-west-1'" in run(active_region, **REGIONS, active="eu-west-1")["msg"]


def test_what_has_to_be_written_begins_with_the_region_that_becomes_active() -> None:
    known = {HERE: (1, HERE), THERE: None}
    assert active_region.decide(known, [HERE, THERE], THERE) == ((2, THERE), [THERE, HERE])
    assert active_region.decide({THERE: (1, THERE)}, [HERE, THERE], THERE) == ((1, THERE), [])
    assert active_region.decide(known, [HERE, THERE], None) == ((1, HERE), [])


# --- rds_replica_info ---

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def tell_lag(minutes_ago: int, *seconds: float) -> None:
    dimensions = [{"Name": "DBInstanceIdentifier", "Value": "copy"}]
    for second, lag in enumerate(seconds):
        moment = NOW - timedelta(minutes=minutes_ago) + timedelta(seconds=second)
        point = {"MetricName": "ReplicaLag", "Dimensions": dimensions, "Value": lag, "Timestamp": moment}
        boto3.client("cloudwatch").put_metric_data(Namespace="AWS/RDS", MetricData=[point])


def replica(run: Run, **options: Any) -> dict[str, Any]:
    return run(rds_replica_info, db_instance_identifier="copy", poll_seconds=0, **options)


def test_a_database_that_is_not_there_tells_nothing(run: Run) -> None:
    told = replica(run)
    assert (told["exists"], told["source"], told["replayed_until"], told["lost_seconds"]) == (False, "", "", -1.0)


def test_what_a_replica_has_for_certain(run: Run) -> None:
    tell_lag(5, 20.0, 1.0)
    tell_lag(3, 150.0)  # its source is gone: the same moment, seen later
    ended = (NOW - timedelta(minutes=5) + timedelta(seconds=30)).isoformat()
    told = replica(run, source_ended=ended)
    assert told["replayed_until"] == (NOW - timedelta(minutes=5, seconds=1)).isoformat(timespec="seconds")
    assert told["lost_seconds"] == 31.0
    assert replica(run, source_ended=(NOW - timedelta(hours=1)).isoformat())["lost_seconds"] == 0.0
    assert replica(run)["lost_seconds"] >= 301, "it ends now when nobody says when"


def test_replication_that_does_not_run_tells_nothing(run: Run) -> None:
    tell_lag(1, -1.0)
    assert replica(run)["lost_seconds"] == -1.0


def test_it_waits_for_a_moment_and_says_how_far_it_came(run: Run) -> None:
    tell_lag(2, 0.5)
    assert not replica(run, replayed_after=(NOW - timedelta(minutes=4)).isoformat()).get("failed")
    late = replica(run, replayed_after=NOW.isoformat(), wait_timeout_seconds=0)
    assert late["failed"]
    assert "It has everything up to" in late["msg"]
    assert not run(rds_replica_info, check=True, db_instance_identifier="copy", replayed_after=NOW.isoformat()).get("failed")


@pytest.mark.parametrize("wrong", ["yesterday", "2026-03-01T02:03:04"])
def test_a_time_without_a_zone_is_refused(run: Run, wrong: str) -> None:
    assert f"source_ended is '{wrong}', which is no time with a zone" in replica(run, source_ended=wrong)["msg"]


# --- asg_sizes ---


@pytest.fixture
def group(vpc_id: str) -> str:
    scaling, subnet = boto3.client("autoscaling"), boto3.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")
    scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId="ami-1", InstanceType="t3.micro")
    zone = subnet["Subnet"]["SubnetId"]
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchConfigurationName="web", MinSize=1, MaxSize=4, VPCZoneIdentifier=zone
    )
    return "web"


def test_groups_get_their_sizes(run: Run, group: str) -> None:
    wanted = [{"name": group, "min": 0, "max": 0, "desired": 0}]
    assert run(asg_sizes, check=True, groups=wanted)["before"] == {group: {"min": 1, "max": 4, "desired": 1}}
    first, second = run(asg_sizes, groups=wanted), run(asg_sizes, groups=wanted)
    (now,) = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (first["changed"], second["changed"], now["MinSize"], now["MaxSize"], now["DesiredCapacity"]) == (True, False, 0, 0, 0)


def test_no_group_is_changed_when_one_is_missing(run: Run, group: str) -> None:
    wanted = [{"name": name, "min": 0, "max": 0, "desired": 0} for name in (group, "app")]
    assert "there is no Auto Scaling group app" in run(asg_sizes, groups=wanted)["msg"]
    assert boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]["MaxSize"] == 4


# --- asg_subnets ---


def test_groups_start_instances_in_their_subnets_alone(run: Run, group: str, vpc_id: str) -> None:
    def now() -> set[str]:
        (found,) = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return set(found["VPCZoneIdentifier"].split(","))

    before = now()
    other = boto3.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    wanted = [{"name": group, "subnet_ids": [other, *before, other]}]
    planned = run(asg_subnets, check=True, groups=wanted)
    assert (planned["changed"], planned["before"], now()) == (True, {group: sorted(before)}, before)
    assert [run(asg_subnets, groups=wanted)["changed"] for _ in range(2)] == [True, False]
    assert now() == before | {other}


def test_no_group_is_left_without_a_subnet(run: Run, group: str) -> None:
    assert f"{group} would have no subnet" in run(asg_subnets, groups=[{"name": group, "subnet_ids": []}])["msg"]
    wanted = [{"name": name, "subnet_ids": ["subnet-1"]} for name in (group, "app")]
    assert "there is no Auto Scaling group app" in run(asg_subnets, groups=wanted)["msg"]


# --- route53_failover ---

PAIR = {"zone": "test.example", "record": "origin.test.example"}


def make_pair(*roles: tuple[str, str]) -> str:
    route53 = boto3.client("route53")
    zone = route53.create_hosted_zone(Name="test.example", CallerReference="one")["HostedZone"]["Id"]
    records = [
        {
            "Name": "origin.test.example",
            "Type": "A",
            "SetIdentifier": name,
            "Failover": role,
            "TTL": 60,
            "ResourceRecords": [{"Value": address}],
        }
        for (name, role), address in zip(roles, ("192.0.2.1", "192.0.2.2"), strict=False)
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]
    if changes:
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    return str(zone)


def roles(zone: str) -> dict[str, tuple[str, str]]:
    found = boto3.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {
        record["SetIdentifier"]: (record["Failover"], record["ResourceRecords"][0]["Value"])
        for record in found
        if "SetIdentifier" in record
    }


def test_the_pair_exchanges_its_roles_and_nothing_else(run: Run) -> None:
    zone = make_pair(("here", "PRIMARY"), ("there", "SECONDARY"))
    assert run(route53_failover, check=True, **PAIR, primary="there")["changed"]
    assert roles(zone)["here"] == ("PRIMARY", "192.0.2.1")
    first, second = run(route53_failover, **PAIR, primary="there"), run(route53_failover, **PAIR, primary="there")
    assert (first["changed"], first["primary"], second["changed"]) == (True, "here", False)
    assert roles(zone) == {"here": ("SECONDARY", "192.0.2.1"), "there": ("PRIMARY", "192.0.2.2")}


def test_what_is_no_pair_is_refused(run: Run) -> None:
    make_pair()
    assert "has no pair of failover records" in run(route53_failover, **PAIR, primary="there")["msg"]
    assert "there are 0 public zones other.example" in run(route53_failover, zone="other.example", record="x", primary="y")["msg"]


def test_an_unknown_record_is_refused(run: Run) -> None:
    make_pair(("here", "PRIMARY"), ("there", "SECONDARY"))
    assert "there is no record elsewhere, but here, there" in run(route53_failover, **PAIR, primary="elsewhere")["msg"]
