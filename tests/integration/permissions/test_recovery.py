# SPDX-License-Identifier: GPL-3.0-or-later
"""A region is left and come back to, and disasters are rehearsed, by the role for it alone.

With RECORD_CALLS=1 its policies are written anew from what it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support.permissions import EVERYTHING, Account, Principal, account_of, allowed, committed, enforced, lacking
from tests.support.playbooks import PlaybookRun
from tests.support.servers import Page, serving
from tests.support.two_regions import DATABASES, DECLARED, DR, PRIMARY, TwoRegions, foundations, replicas_keep_up

pytestmark = pytest.mark.emulator

DOMAIN, ORIGIN = "sandbox.indivillage.test", "origin.sandbox.indivillage.test"
BOTH = list(DATABASES.values())
TIERS = {tier: {"instance_type": "t3.micro", "min": 1, "max": 3, "desired": 2, "root_volume_gib": 20} for tier in ("web", "app")}
SITE: dict[str, Any] = DECLARED | {
    "stack_parts": ["aws_database", "aws_compute"],
    "aws_compute_tiers": TIERS,
    "aws_failover_domain": DOMAIN,
    "aws_failover_origins": [{"region": PRIMARY, "name": "primary"}, {"region": DR, "name": "dr"}],
}
REHEARSED: dict[str, Any] = {
    "rehearse_environment": "sandbox",
    "reason": "a game day",
    "rehearse_out_of_turn": True,
    "aws_rehearsal_busy": {},
    "aws_rehearsal_page_seconds": 10,
}


def lay_tiers(foundation: Foundation, sizes: dict[str, int]) -> None:
    """Groups of instances without load balancers."""
    for tier in TIERS:
        tags = {"Project": "indivillage", "Environment": "sandbox", "Role": tier, "Tier": tier}
        marks = [{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()]
        foundation.lay_group(tier, sizes, Tags=marks)


def lay_origins(made: Account) -> None:
    """The two records that lead visitors to a region."""
    route53 = made.emulator.client("route53")
    zone = route53.create_hosted_zone(Name=DOMAIN, CallerReference="once")["HostedZone"]["Id"]
    common = {"Name": ORIGIN, "Type": "A", "TTL": 60}
    records = [
        {**common, "SetIdentifier": "primary", "Failover": "PRIMARY", "ResourceRecords": [{"Value": "192.0.2.1"}]},
        {**common, "SetIdentifier": "dr", "Failover": "SECONDARY", "ResourceRecords": [{"Value": "192.0.2.2"}]},
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A site in one region and its standby in another."""
    with account_of("recover", request, tmp_path_factory.mktemp("recovery")) as made:
        found = foundations(made.emulator)
        lay_tiers(found[PRIMARY], {"MinSize": 2, "MaxSize": 3, "DesiredCapacity": 2})
        lay_tiers(found[DR], {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0})
        lay_origins(made)
        for kind in ("uploads", "backups"):
            made.emulator.client("s3").create_bucket(Bucket=f"{PREFIX}-{kind}")
            made.emulator.client("s3").put_bucket_versioning(Bucket=f"{PREFIX}-{kind}", VersioningConfiguration={"Status": "Enabled"})
        made.emulator.client("s3").put_object(Bucket=f"{PREFIX}-uploads", Key="a-picture", Body=b"of a field")
        maker = made.role("maker", EVERYTHING)
        must(made, maker, "provision_foundation", "--tags", "aws_database")
        must(made, maker, "back_up", "--limit", "primary", reason="the night", back_up_kinds=["uploads"])
        with replicas_keep_up(TwoRegions(made.emulator, made.state_dir)):
            yield made


@pytest.fixture
def recoverer(world: Account) -> Principal:
    """Who may do that, and nothing else."""
    return world.role("recover", allowed("recover"))


def run(world: Account, principal: Principal, playbook: str, *options: str, **answers: Any) -> PlaybookRun:
    limit = () if "--limit" in options else ("--limit", "primary:dr")
    return PlaybookRun.of(world.run(f"playbooks/{playbook}.yml", principal, *limit, *options, **SITE | answers))


def must(world: Account, principal: Principal, playbook: str, *options: str, **answers: Any) -> PlaybookRun:
    done = run(world, principal, playbook, *options, **answers)
    assert done.returncode == 0, done.output[-6000:]
    return done


def serving_region(world: Account) -> tuple[str, str, dict[str, int]]:
    """Which region is active, where visitors are led to, and how much runs in each region."""
    regions = TwoRegions(world.emulator, world.state_dir)
    route53 = world.emulator.client("route53")
    (zone,) = (zone["Id"] for zone in route53.list_hosted_zones()["HostedZones"] if zone["Name"].startswith(DOMAIN))
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (led,) = (record["SetIdentifier"] for record in records if record.get("Failover") == "PRIMARY")
    capacity = {
        region: sum(
            group["DesiredCapacity"]
            for group in world.emulator.client("autoscaling", region).describe_auto_scaling_groups()["AutoScalingGroups"]
        )
        for region in DATABASES
    }
    return regions.active(DR).split()[-1], led, capacity


HERE = (PRIMARY, "primary", {PRIMARY: 4, DR: 0})
THERE = (DR, "dr", {PRIMARY: 0, DR: 4})


@enforced
def test_without_one_permission_a_failover_is_refused_and_completed_with_it(world: Account, recoverer: Principal) -> None:
    permission = "route53:ChangeResourceRecordSets"  # needed last
    world.give("recover", lacking(committed("recover"), permission))
    refused = run(world, recoverer, "fail_over", reason="a game day")
    assert refused.returncode == 2
    assert permission in " ".join(refused.output.split())
    world.give("recover", committed("recover"))
    must(world, recoverer, "fail_over", reason="complete it")
    assert serving_region(world) == THERE
    must(world, recoverer, "fail_back", reason="come back", approved_deletions=BOTH)
    assert serving_region(world) == HERE


def test_a_failover_is_planned(world: Account, recoverer: Principal) -> None:
    planned = run(world, recoverer, "fail_over", "--check", reason="a game day")
    assert planned.returncode == 2, planned.output[-6000:]


def test_the_loss_of_a_region_is_rehearsed(world: Account, recoverer: Principal) -> None:
    with serving(Page) as port:
        url = f"http://127.0.0.1:{port}/"
        region = {"rehearse_scenario": "region", "approved_deletions": BOTH, "aws_rehearsal_url": url}
        must(world, recoverer, "rehearse_dr", **REHEARSED | region)
    assert serving_region(world) == HERE


def test_the_loss_of_a_zone_is_rehearsed_with_the_database_in_it(world: Account, recoverer: Principal) -> None:
    rds = world.emulator.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=DATABASES[PRIMARY], MultiAZ=True, ApplyImmediately=True)
    (database,) = rds.describe_db_instances(DBInstanceIdentifier=DATABASES[PRIMARY])["DBInstances"]
    with serving(Page) as port:
        zone = {
            "rehearse_scenario": "zone",
            "rehearse_zone": database["AvailabilityZone"],
            "aws_rehearsal_url": f"http://127.0.0.1:{port}/",
        }
        done = must(world, recoverer, "rehearse_dr", "--limit", "primary", **REHEARSED | zone)
    assert "within the objectives" in " ".join(done.output.split())
    assert serving_region(world) == HERE


def test_a_deletion_is_rehearsed(world: Account, recoverer: Principal) -> None:
    must(world, recoverer, "rehearse_dr", "--limit", "primary", **REHEARSED, rehearse_scenario="deletion")
    s3 = world.emulator.client("s3")
    (restored,) = s3.list_objects_v2(Bucket=f"{PREFIX}-backups", Prefix="restored/")["Contents"]
    assert s3.get_object(Bucket=f"{PREFIX}-backups", Key=restored["Key"])["Body"].read() == b"of a field"
