# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases tried beside the one that runs, on an emulator: who stays, who gets requests, what site.yml makes of a run that was killed.

The tests run in this order, each on the state that the former left. No host can be reached: sides.yml takes the new ones to the other
target group without asking them.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.releases import Releases, event

from tests.integration.provisioning_tiers.conftest import Result, Site, bare_sites
from tests.integration.provisioning_tiers.foundation import PREFIX, TIERS_WITH_MONITORING
from tests.support import playbooks
from tests.support.background import repeated
from tests.support.tiers import named_release, request_shares

pytestmark = pytest.mark.emulator
APP, NEXT, BALANCER = f"{PREFIX}-app", f"{PREFIX}-app-next", f"{PREFIX}-internal"
PLAYBOOK = Path(__file__).with_name("sides.yml")
SIZE = 2
TIERS = {"aws_compute_tiers": {tier: TIERS_WITH_MONITORING["aws_compute_tiers"][tier] for tier in ("web", "app")}}
QUICK = {"app_release_canary_minutes": 0, "app_release_gate_minutes": 0, "app_release_metrics_delay_seconds": 0}


@dataclass
class Tier:
    """The app tier of a site whose targets are always healthy."""

    site: Site

    def group(self) -> dict[str, Any]:
        client = self.site.client("autoscaling")
        return dict(client.describe_auto_scaling_groups(AutoScalingGroupNames=[APP])["AutoScalingGroups"][0])

    def members(self) -> set[str]:
        return {instance["InstanceId"] for instance in self.group()["Instances"]}

    def arn(self, name: str) -> str:
        return str(self.site.client("elbv2").describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"])

    def targets(self, name: str) -> set[str]:
        described = self.site.client("elbv2").describe_target_health(TargetGroupArn=self.arn(name))["TargetHealthDescriptions"]
        return {target["Target"]["Id"] for target in described}

    def balancer(self) -> str:
        return str(self.site.client("elbv2").describe_load_balancers(Names=[BALANCER])["LoadBalancers"][0]["LoadBalancerArn"])

    def shares(self) -> dict[str, int]:
        return request_shares(self.site.client)

    def named(self) -> str:
        return named_release(self.site.client)

    def marked(self) -> set[str]:
        filters = [{"Name": "key", "Values": ["LeftFor"]}]
        return {tag["ResourceId"] for tag in self.site.client("ec2").describe_tags(Filters=filters)["Tags"]} & self.members()

    def errors(self) -> AbstractContextManager[None]:
        """Have the new side answer half of its requests with an error, all the time: none from before the minute of a watch counts."""
        body = {self.arn(NEXT): {"load_balancer": self.balancer(), "requests": 100, "errors": 50}}
        return repeated(lambda: self.site.emulator.control("PUT", "target-answers/us-east-1", body), 0.2)

    def releases(self) -> Releases:
        return Releases(self.site.client("dynamodb"), f"{PREFIX}-deployments", "sandbox")

    def deploy(self, release: str, *, canary: int = 10, **options: Any) -> Result:
        """Deploy a release with two sides, which may be new to the environment."""
        return self.play(PLAYBOOK, release, release_name=release, release_canary_percentage=canary, **options)

    def play(self, playbook: Path, release: str, *flags: str, **options: Any) -> Result:
        """Run a playbook for a release that is known to the environment from then on."""
        if not self.releases().find(release):
            about = {"release": release, "sha256": release, "artifact": "", "author": "", "commit": "", "built": "", "verdict": "known"}
            self.releases().put(about | {"events": [event("kept", "", "", "")]})
        given = {**TIERS, **QUICK, "release_strategy": "blue_green", **options}
        command = ["ansible-playbook", str(playbook), "-i", "inventories/sandbox", "--diff", *flags, "-e", json.dumps(given)]
        environment = playbooks.surroundings(self.site.emulator.endpoint, self.site.state_dir)
        done = subprocess.run(command, cwd=playbooks.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
        return Result(done.returncode, done.stdout + done.stderr)

    def verdict(self, release: str) -> str:
        found = self.releases().find(release)
        assert found
        return str(found["verdict"])

    def must_be_whole(self, release: str) -> set[str]:
        """One side alone, with its declared capacity, and nothing left of a deployment; its members."""
        members, group = self.members(), self.group()
        assert (len(members), group["DesiredCapacity"], group["SuspendedProcesses"]) == (SIZE, SIZE, [])
        assert (self.targets(APP), self.targets(NEXT), self.shares(), self.marked()) == (members, set(), {}, set())
        assert self.named() == release
        return members


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    for site in bare_sites(tmp_path_factory, "--standalone"):
        for playbook, tags in (("provision_foundation.yml", ("--tags", "aws_load_balancing")), ("provision_compute.yml", ())):
            result = site.run(playbook, *tags, "-e", json.dumps(TIERS))
            assert result.returncode == 0, result.output
        yield Tier(site)


def test_the_second_target_group_is_there_and_nobody_uses_it(tier: Tier) -> None:
    (group,) = tier.site.client("elbv2").describe_target_groups(Names=[NEXT])["TargetGroups"]
    assert (group["Port"], group["LoadBalancerArns"]) == (8443, [])
    tier.must_be_whole("")


def test_a_release_that_serves_takes_the_place_of_the_former(tier: Tier) -> None:
    before, result = tier.members(), tier.deploy("a" * 12)
    assert result.returncode == 0, result.output
    assert not tier.must_be_whole("a" * 12) & before
    assert tier.verdict("a" * 12) == "good"


def test_a_second_run_changes_nobody(tier: Tier) -> None:
    before, result = tier.members(), tier.deploy("a" * 12)
    assert result.returncode == 0, result.output
    assert tier.must_be_whole("a" * 12) == before


def test_nothing_is_planned_after_it(tier: Tier) -> None:
    for playbook, tags in (("provision_foundation.yml", ("--tags", "aws_load_balancing")), ("provision_compute.yml", ())):
        result = tier.site.run(playbook, "--check", *tags, "-e", json.dumps(TIERS))
        assert (result.returncode, result.changed) == (0, 0), result.output


def test_a_plan_tells_what_would_be_done_and_changes_nothing(tier: Tier) -> None:
    before = tier.members()
    inputs = {"release_sha256": "b" * 12, "release_stacks": "primary", "release_canary_percentage": 20, "release_canary_minutes": 5}
    result = tier.play(Path("playbooks/deploy_release.yml"), "b" * 12, "--check", **inputs)
    assert result.returncode == 2, result.output
    assert "would be started on as many new hosts as there are, get 20 % of the requests for" in result.told
    assert tier.must_be_whole("a" * 12) == before


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"release_canary_percentage": 60}, "release_canary_percentage"),
        ({"release_canary_minutes": 0}, "release_canary_minutes"),
        ({"release_gate_minutes": 16}, "release_gate_minutes"),
        ({"release_strategy": "green_blue"}, "release_strategy"),
    ],
)
def test_wrong_inputs_are_refused(tier: Tier, inputs: dict[str, Any], words: str) -> None:
    result = tier.play(Path("playbooks/deploy_release.yml"), "b" * 12, release_sha256="b" * 12, **inputs)
    assert (result.returncode, words in result.told) == (2, True), result.output
    tier.must_be_whole("a" * 12)


@pytest.mark.parametrize(
    ("ended_before", "then"), [("serve", "again"), ("shift", "site"), ("finish", "site"), ("finish", "back"), ("finish", "again")]
)
def test_a_run_that_was_killed_before_its_release_is_named_leaves_the_former(tier: Tier, ended_before: str, then: str) -> None:
    before, release = tier.members(), tier.named()
    killed = tier.deploy(other := "c" * 12 if release != "c" * 12 else "d" * 12, ended_before=ended_before)
    assert (killed.returncode, len(tier.members())) == (0, 2 * SIZE), killed.output
    assert tier.shares() == ({"app": 0, "app-next": 100} if ended_before == "finish" else {"app": 100, "app-next": 0})
    if then == "again":
        result, release = tier.deploy(other), other
    elif then == "site":
        result = tier.site.run("provision_compute.yml", "-e", json.dumps(TIERS))
    else:
        result = tier.deploy(release, release_forward=False)
    assert result.returncode == 0, result.output
    assert (tier.must_be_whole(release) == before) is (then != "again")


def test_the_load_balancers_own_action_stands_after_site_in_the_middle(tier: Tier) -> None:
    before, named = tier.members(), tier.named()
    tier.deploy("e" * 12, ended_before="finish")
    result = tier.site.run("provision_foundation.yml", "--tags", "aws_load_balancing", "-e", json.dumps(TIERS))
    assert (result.returncode, tier.shares(), tier.targets(APP)) == (0, {}, before), result.output
    assert tier.site.run("provision_compute.yml", "-e", json.dumps(TIERS)).returncode == 0
    assert tier.must_be_whole(named) == before


def test_a_run_that_was_killed_after_its_release_is_named_leaves_the_new_side(tier: Tier) -> None:
    before = tier.members()
    tier.deploy("f" * 12, ended_before="home")
    assert (len(tier.members()), tier.shares(), tier.named()) == (2 * SIZE, {"app": 0, "app-next": 100}, "f" * 12)
    result = tier.site.run("provision_compute.yml", "-e", json.dumps(TIERS))
    assert result.returncode == 0, result.output
    assert not tier.must_be_whole("f" * 12) & before


def test_a_release_that_answers_with_errors_is_taken_back_and_known_as_bad(tier: Tier) -> None:
    before = tier.members()
    with tier.errors():
        result = tier.deploy("1" * 12)
    assert result.returncode == 2, result.output
    assert re.search(r"\b[1-9][0-9]* of [1-9][0-9]*00 requests to \S+ ended with an error of the release", result.told)
    assert "The hosts that were there before answer everything, with ffffffffffff" in result.told
    assert (tier.must_be_whole("f" * 12), tier.verdict("1" * 12)) == (before, "bad")


def test_a_tier_without_room_is_refused_before_anything_is_written(tier: Tier) -> None:
    before = tier.members()
    autoscaling = tier.site.client("autoscaling")
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=APP, MaxSize=2 * SIZE - 1)
    result = tier.deploy("2" * 12)
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=APP, MaxSize=6)
    assert (result.returncode, "deploy with release_strategy=rolling" in result.told) == (2, True), result.output
    assert tier.must_be_whole("f" * 12) == before
