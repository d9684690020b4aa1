# SPDX-License-Identifier: GPL-3.0-or-later
"""A tier that is doubled for a release and has one side again, on moto; also when whoever does it is killed anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.client
import pytest
from ansible_collections.indivillage.infra.plugins.modules import asg_sides

from sandbox.emulator.additions import auto_scaling_groups
from tests.support.module_runs import Run
from tests.unit.modules.balancers import balancer_with

NAME, NEXT = "tier-app", "tier-app-next"
OLD_RELEASE, NEW_RELEASE = "0" * 12, "1" * 12
SIZE = 3
READS = ("Describe",)


class KilledError(Exception):
    """Stands for the end of the process."""


@dataclass
class Site:
    """The tier, and a load balancer that forwards to both of its target groups."""

    groups: dict[str, str]

    @property
    def group(self) -> dict[str, Any]:
        return dict(boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])["AutoScalingGroups"][0])

    @property
    def members(self) -> set[str]:
        return {instance["InstanceId"] for instance in self.group["Instances"]}

    def targets(self, name: str) -> set[str]:
        described = boto3.client("elbv2").describe_target_health(TargetGroupArn=self.groups[name])["TargetHealthDescriptions"]
        return {target["Target"]["Id"] for target in described}

    @property
    def marks(self) -> dict[str, str]:
        found = boto3.client("ec2").describe_tags(Filters=[{"Name": "key", "Values": [asg_sides.MARK]}])["Tags"]
        return {tag["ResourceId"]: tag["Value"] for tag in found if tag["ResourceId"] in self.members}

    def try_on(self, names: set[str]) -> None:
        """Have them in the second target group instead of the first, as the run does that takes each to the release."""
        elbv2, targets = boto3.client("elbv2"), [{"Id": name} for name in sorted(names)]
        elbv2.deregister_targets(TargetGroupArn=self.groups[NAME], Targets=targets)
        elbv2.register_targets(TargetGroupArn=self.groups[NEXT], Targets=targets)

    def must_be(self, stay: set[str]) -> None:
        """These are all that there is, they serve, and nothing is left of a deployment."""
        found = (self.members, self.targets(NAME), self.targets(NEXT), self.marks, self.group["DesiredCapacity"])
        assert found == (stay, stay, set(), {}, len(stay))


@pytest.fixture
def site(aws: None) -> Site:
    auto_scaling_groups.install()
    balancer = balancer_with("internal", NAME, NEXT)
    autoscaling = boto3.client("autoscaling")
    boto3.client("ec2").create_launch_template(
        LaunchTemplateName="app", LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t3.micro"}
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=NAME,
        LaunchTemplate={"LaunchTemplateName": "app"},
        MinSize=2,
        MaxSize=2 * SIZE,
        DesiredCapacity=SIZE,
        VPCZoneIdentifier=",".join(balancer.subnets),
        TargetGroupARNs=[balancer.groups[NAME]],
    )
    return Site(balancer.groups)


@pytest.fixture
def sides(run: Run) -> Callable[..., dict[str, Any]]:
    """sides(state, release) -> the module's result; it must not have failed."""

    def call(state: str, release: str, *, check: bool = False) -> dict[str, Any]:
        result = run(asg_sides, check=check, name=NAME, release=release, state=state, poll_seconds=0, wait_timeout_seconds=5)
        assert not result.get("failed"), result["msg"]
        return result

    return call


def keep_one(sides: Callable[..., dict[str, Any]], current: str) -> None:
    """As tasks/home.yml does."""
    sides("joined", current)
    sides("closed", current)


def test_a_release_that_serves_has_its_side_kept(site: Site, sides: Callable[..., dict[str, Any]]) -> None:
    old = site.members
    opened = sides("open", NEW_RELEASE)
    new = site.members - old
    assert (set(opened["stay"]), set(opened["go"]), len(new)) == (old, new, SIZE)
    assert (site.marks, site.targets(NAME)) == (dict.fromkeys(old, NEW_RELEASE), old | new)
    site.try_on(new)
    joined = sides("joined", NEW_RELEASE)
    assert (set(joined["stay"]), set(joined["go"]), joined["changed"], joined["doubled"]) == (new, old, True, True)
    assert (site.targets(NAME), site.targets(NEXT), site.members) == (new, new, old | new)
    sides("closed", NEW_RELEASE)
    site.must_be(new)


def test_a_release_that_does_not_serve_has_its_side_ended(site: Site, sides: Callable[..., dict[str, Any]]) -> None:
    old = site.members
    sides("open", NEW_RELEASE)
    site.try_on(site.members - old)
    keep_one(sides, OLD_RELEASE)
    site.must_be(old)


@pytest.mark.parametrize("current", ["", OLD_RELEASE])
def test_a_tier_that_nobody_has_doubled_is_left_alone(site: Site, sides: Callable[..., dict[str, Any]], current: str) -> None:
    old = site.members
    for state in ("joined", "closed"):
        result = sides(state, current)
        assert (result["changed"], result["doubled"]) == (False, False)
    site.must_be(old)


def test_a_tier_that_is_not_there_is_left_alone(run: Run) -> None:
    for state in ("joined", "closed"):
        assert run(asg_sides, name="none", release="", state=state)["changed"] is False


def test_opening_again_launches_nobody_else(site: Site, sides: Callable[..., dict[str, Any]]) -> None:
    sides("open", NEW_RELEASE)
    both = site.members
    sides("open", NEW_RELEASE)
    assert site.members == both


def test_a_check_tells_and_does_nothing(site: Site, sides: Callable[..., dict[str, Any]]) -> None:
    old = site.members
    assert sides("open", NEW_RELEASE, check=True)["changed"] is True
    site.must_be(old)
    sides("open", NEW_RELEASE)
    both, marks = site.members, site.marks
    for state in ("joined", "closed"):
        result = sides(state, OLD_RELEASE, check=True)
        assert (result["changed"], result["diff"]["after"]) == (True, {"instances": sorted(old)})
    assert (site.members, site.marks) == (both, marks)


def test_a_tier_without_room_is_refused_before_anything_is_done(site: Site, run: Run) -> None:
    boto3.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=NAME, MaxSize=2 * SIZE - 1)
    for check in (True, False):
        result = run(asg_sides, check=check, name=NAME, release=NEW_RELEASE, state="open")
        assert "it has 3 instances and may have 5" in result["msg"]
        assert "release_strategy=rolling" in result["msg"]
    assert (site.marks, len(site.members)) == ({}, SIZE)


def test_a_tier_without_a_second_target_group_cannot_be_doubled(site: Site, run: Run) -> None:
    boto3.client("elbv2").delete_target_group(TargetGroupArn=site.groups[NEXT])
    assert "site.yml makes it" in run(asg_sides, name=NAME, release=NEW_RELEASE, state="open")["msg"]
    assert run(asg_sides, name=NAME, release=OLD_RELEASE, state="closed")["changed"] is False


def test_new_instances_that_do_not_become_healthy_are_told(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asg_sides.Tier, "targets", lambda _tier, _group: {})
    result = run(asg_sides, name=NAME, release=NEW_RELEASE, state="open", poll_seconds=0, wait_timeout_seconds=0)
    assert "for 3 more instances to be healthy, which did not happen" in result["msg"]


def test_a_member_that_died_and_was_replaced_is_no_reason_to_lose_the_others(site: Site, sides: Callable[..., dict[str, Any]]) -> None:
    """Of the old side: who took its place runs what the environment runs, but goes with the new side; the capacity is smaller by one."""
    lost, *rest = sorted(site.members)
    sides("open", NEW_RELEASE)
    site.try_on(site.members - {lost, *rest})
    boto3.client("autoscaling").terminate_instance_in_auto_scaling_group(InstanceId=lost, ShouldDecrementDesiredCapacity=False)
    keep_one(sides, OLD_RELEASE)
    site.must_be(set(rest))


def test_when_the_whole_old_side_died_those_that_took_its_place_stay(site: Site, sides: Callable[..., dict[str, Any]]) -> None:
    old = site.members
    sides("open", NEW_RELEASE)
    tried = site.members - old
    site.try_on(tried)
    for lost in old:
        boto3.client("autoscaling").terminate_instance_in_auto_scaling_group(InstanceId=lost, ShouldDecrementDesiredCapacity=False)
    substitutes = site.members - tried
    keep_one(sides, OLD_RELEASE)
    site.must_be(substitutes)


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> bool:
    """Whether it was ended before its write with this number, counted from 0; False when it has fewer."""
    send, written = botocore.client.BaseClient._make_api_call, iter(range(1000))

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if not operation.startswith(READS) and next(written) == number:
            raise KilledError
        return send(client, operation, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", call)
        try:
            act()
        except KilledError:
            return True
    return False


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("serves", [True, False])
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch, serves: bool, number: int
) -> None:
    """`serves`: the release does, so that the parameter names it before one side is kept. The first target group is never empty."""

    def sides(state: str, release: str) -> None:
        tier = asg_sides.Tier(
            {"name": NAME, "release": release, "target_group": None, "next_target_group": None}
            | {"wait_timeout_seconds": 5, "poll_seconds": 0},
            *(boto3.client(service) for service in ("autoscaling", "ec2", "elbv2")),
        )
        if state == "open" or tier.is_open:
            {"open": tier.open, "joined": tier.join, "closed": tier.close}[state]()
        assert site.targets(NAME)

    old, current = site.members, OLD_RELEASE

    def deploy() -> None:
        nonlocal current
        sides("open", NEW_RELEASE)
        site.try_on(site.members - old)
        if serves:
            current = NEW_RELEASE
        sides("joined", current)
        sides("closed", current)

    killed = killed_at(monkeypatch, number, deploy)
    assert killed or number > 8, "each write of a whole run is one at which it is killed"
    assert site.targets(NAME) & site.members
    for state in ("joined", "closed"):
        sides(state, current)
    site.must_be(old if current == OLD_RELEASE else site.members - old)
    assert len(site.members) == SIZE
