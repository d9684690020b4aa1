# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone that rehearse_dr takes from the tiers, on an emulator without servers; tests/drill/operations does it to real ones, under load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.provisioning_tiers.conftest import Result, Site
from tests.integration.provisioning_tiers.foundation import PREFIX
from tests.support.servers import Page, serving

pytestmark = pytest.mark.emulator
TIERS = ("web", "app")
DATABASE = f"{PREFIX}-db"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Page) as port:
        yield f"http://127.0.0.1:{port}/"


def rehearse(site: Site, *options: str, **given: Any) -> Result:
    asked = {
        "rehearse_scenario": "zone",
        "rehearse_environment": "sandbox",
        "reason": "a game day",
        "rehearse_out_of_turn": True,
        "aws_rehearsal_busy": {},
        "aws_rehearsal_page_seconds": 10,
    }
    return site.run("rehearse_dr.yml", "-e", json.dumps(asked | given), *options)


def groups(site: Site) -> dict[str, dict[str, Any]]:
    names = [f"{PREFIX}-{tier}" for tier in TIERS]
    found = site.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]
    return {group["AutoScalingGroupName"].removeprefix(f"{PREFIX}-"): group for group in found}


def subnets(site: Site) -> dict[str, set[str]]:
    """Tier -> where its group may start instances."""
    return {tier: set(group["VPCZoneIdentifier"].split(",")) for tier, group in groups(site).items()}


def members(site: Site) -> dict[str, str]:
    """Instance of a tier -> its zone."""
    return {one["InstanceId"]: one["AvailabilityZone"] for group in groups(site).values() for one in group["Instances"]}


def report(site: Site) -> dict[str, Any]:
    s3, bucket = site.client("s3"), f"{PREFIX}-operations"
    found = s3.list_objects_v2(Bucket=bucket, Prefix="evidence/rehearsals/sandbox/")["Contents"]
    newest = max(one["Key"] for one in found if one["Key"].endswith(".json"))
    return dict(json.loads(s3.get_object(Bucket=bucket, Key=newest)["Body"].read()))


@pytest.fixture(scope="module")
def elsewhere(site: Site) -> str:
    """A zone in which something of the tiers runs, and the database does not."""
    (database,) = site.client("rds").describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
    return min(set(members(site).values()) - {database["AvailabilityZone"]})


def test_a_plan_names_what_would_end_and_writes_nothing(site: Site, elsewhere: str) -> None:
    before, version = members(site), site.emulator.version
    plan = rehearse(site, "--check", rehearse_zone=elsewhere)
    lost = sorted(name for name, zone in before.items() if zone == elsewhere)
    assert f"{elsewhere} would be taken from web and app, what runs there ended ({', '.join(lost)})" in plan.told, plan.output
    assert (site.emulator.version, members(site)) == (version, before)


@pytest.mark.parametrize(
    ("zone", "message"),
    [("us-east-1f", "nothing of them in us-east-1f"), ("the first one", "the name of a zone, such as us-east-1a")],
)
def test_a_zone_without_instances_is_refused(site: Site, zone: str, message: str) -> None:
    before = members(site), subnets(site)
    refused = rehearse(site, rehearse_zone=zone)
    assert refused.returncode == 2
    assert message in refused.told, refused.output
    assert (members(site), subnets(site)) == before


def test_a_zone_is_lost_made_up_for_and_given_back(site: Site, elsewhere: str, url: str) -> None:
    before, everywhere = members(site), subnets(site)
    done = rehearse(site, rehearse_zone=elsewhere, aws_rehearsal_url=url)
    assert done.returncode == 0, done.output
    now = members(site)
    stayed = {name for name, zone in before.items() if zone != elsewhere}
    assert stayed <= now.keys()
    assert not {name for name, zone in before.items() if zone == elsewhere} & now.keys()
    assert elsewhere not in now.values(), "what was lost was replaced in the other zones"
    assert len(now) == len(before)
    assert subnets(site) == everywhere
    told = report(site)
    assert (told["scenario"], told["result"], told["objectives"]) == ("zone", "within", {"rto_minutes": 15, "rpo_minutes": 5})
    assert [step["step"] for step in told["steps"]] == [f"loss of {elsewhere}"]


def test_the_zone_is_given_back_when_the_page_does_not_come_back(site: Site) -> None:
    everywhere, lost = subnets(site), max(members(site).values())
    missed = rehearse(site, rehearse_zone=lost, aws_rehearsal_url="http://127.0.0.1:9/")
    assert missed.returncode == 2
    assert "ended, and not within its objectives" in missed.told
    assert subnets(site) == everywhere
    told = report(site)
    assert told["result"] == "over"
    assert told["steps"][0]["problem"].startswith("Await the page: ")


def test_a_zone_that_a_killed_run_has_kept_is_given_back_by_the_next_one(site: Site, url: str) -> None:
    everywhere = subnets(site)
    for tier in TIERS:
        less = ",".join(sorted(everywhere[tier])[:2])
        site.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=f"{PREFIX}-{tier}", VPCZoneIdentifier=less)
    assert subnets(site) != everywhere
    rehearse(site, aws_rehearsal_url=url)
    assert subnets(site) == everywhere


def test_a_database_that_is_alone_in_the_zone_is_told(site: Site, url: str) -> None:
    (database,) = site.client("rds").describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
    assert not database["MultiAZ"]
    site.client("autoscaling").set_desired_capacity(AutoScalingGroupName=f"{PREFIX}-app", DesiredCapacity=3)  # one in each zone
    told = rehearse(site, rehearse_zone=database["AvailabilityZone"], aws_rehearsal_url=url)
    assert told.returncode == 2
    assert report(site)["steps"][0]["problem"] == f"{DATABASE} runs there, and has no standby in another zone: it would be lost"
