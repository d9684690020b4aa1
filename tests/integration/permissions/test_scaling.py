# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiers and databases get other sizes by the role for it alone. With RECORD_CALLS=1 its policies are written anew from what it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support.permissions import Account, Principal, account_of, allowed, committed, enforced, lacking
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

SCALED: dict[str, Any] = {"scale_tier": "app", "scale_desired": 3, "reason": "a fair"}
RESIZED: dict[str, Any] = {"resize_class": "db.t4g.medium", "resize_storage_gib": 30, "resize_accept_downtime": True, "reason": "a fair"}


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A tier of two behind a target group, and a database."""
    with account_of("scale", request, tmp_path_factory.mktemp("scaling")) as made:
        emulator = made.emulator
        foundation = Foundation(emulator)
        foundation.lay_network()
        target = emulator.client("elbv2").create_target_group(Name=f"{PREFIX}-app", Protocol="HTTPS", Port=8443, VpcId=foundation.vpc_id)
        targets = [target["TargetGroups"][0]["TargetGroupArn"]]
        foundation.lay_group("app", {"MinSize": 2, "MaxSize": 4}, TargetGroupARNs=targets)
        emulator.client("rds").create_db_instance(
            DBInstanceIdentifier=f"{PREFIX}-db",
            DBInstanceClass="db.t4g.small",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="indivillage_admin",
            MasterUserPassword="correct-horse-battery",
        )
        yield made


@pytest.fixture
def scaler(world: Account) -> Principal:
    """Who may do that, and nothing else."""
    return world.role("scale", allowed("scale"))


def run(world: Account, scaler: Principal, playbook: str, *options: str, **answers: Any) -> PlaybookRun:
    return PlaybookRun.of(world.run(f"playbooks/{playbook}.yml", scaler, *options, **answers))


def sizes(world: Account) -> tuple[int, str, int]:
    """Capacity of the tier, class and storage of the database."""
    (group,) = world.emulator.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-app"])[
        "AutoScalingGroups"
    ]
    (database,) = world.emulator.client("rds").describe_db_instances()["DBInstances"]
    return group["DesiredCapacity"], database["DBInstanceClass"], database["AllocatedStorage"]


@enforced
@pytest.mark.parametrize(
    ("playbook", "answers", "permission"),
    [("scale_tier", SCALED, "autoscaling:UpdateAutoScalingGroup"), ("resize_database", RESIZED, "rds:ModifyDBInstance")],
)
def test_without_one_permission_it_is_refused(
    world: Account, scaler: Principal, playbook: str, answers: dict[str, Any], permission: str
) -> None:
    before = sizes(world)
    world.give("scale", lacking(committed("scale"), permission))
    refused = run(world, scaler, playbook, **answers)
    assert refused.returncode == 2
    assert permission in " ".join(refused.output.split())
    assert sizes(world) == before


def test_a_tier_and_the_database_get_another_size(world: Account, scaler: Principal) -> None:
    for playbook, answers in (("scale_tier", SCALED), ("resize_database", RESIZED)):
        planned = run(world, scaler, playbook, "--check", **answers)
        assert planned.returncode == 2, planned.output[-6000:]
        done = run(world, scaler, playbook, **answers)
        assert done.returncode == 0, done.output[-6000:]
    assert sizes(world) == (3, "db.t4g.medium", 30)
