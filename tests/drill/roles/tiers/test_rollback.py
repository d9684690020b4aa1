# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout that undoes itself: a minute of waiting, so it is no part of `make test`; tests/e2e rolls out on real hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.provisioning_tiers.conftest import Site, bare_sites
from tests.integration.provisioning_tiers.foundation import PREFIX
from tests.integration.provisioning_tiers.test_tiers import by_name, members

pytestmark = pytest.mark.emulator


@pytest.fixture
def bare_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without tiers, whose targets are as healthy as the test says."""
    yield from bare_sites(tmp_path_factory)


def test_an_image_that_never_becomes_healthy_is_rolled_back(bare_site: Site) -> None:
    quick = (
        "-e",
        "aws_compute_rollout_warmup_seconds=0",
        "-e",
        "aws_compute_rollout_timeout_seconds=10",
        "-e",
        "aws_compute_poll_seconds=1",
    )
    assert bare_site.run("provision_foundation.yml", "--tags", "aws_load_balancing").returncode == 0
    first = bare_site.run("provision_compute.yml", "-e", "aws_compute_health_timeout_seconds=5", *quick)
    assert first.returncode != 0
    assert f"is initial in target group {PREFIX}-web" in first.told, first.output

    working = {tier: members(bare_site, tier) for tier in ("web", "app")}
    groups = by_name(bare_site.client("elbv2").describe_target_groups()["TargetGroups"], "TargetGroupName")
    health = {groups[tier]["TargetGroupArn"]: dict.fromkeys(working[tier], "healthy") for tier in working}
    assert bare_site.emulator.control("PUT", "target-health", health)[0] == 200
    assert bare_site.run("provision_compute.yml", *quick).returncode == 0

    former = bare_site.foundation.images["web"]
    broken = bare_site.foundation.publish_image("web", "broken")
    result = bare_site.run("provision_compute.yml", *quick)
    assert result.returncode != 0
    assert f"{PREFIX}-web, version 2: Waited 10 seconds for the refresh to end" in result.told, result.output
    assert "The rollback ended as RollbackSuccessful." in result.told
    assert members(bare_site, "web").keys() == working["web"].keys()
    (group,) = bare_site.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-web"])["AutoScalingGroups"]
    assert group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] == "1"
    ssm, ec2 = bare_site.client("ssm"), bare_site.client("ec2")
    assert ssm.get_parameter(Name="/indivillage/sandbox/images/web")["Parameter"]["Value"] == former
    (image,) = ec2.describe_images(ImageIds=[broken])["Images"]
    assert {"Key": "Proof", "Value": "refused"} in image["Tags"]
    again = bare_site.run("provision_compute.yml", *quick)
    assert (again.returncode, again.changed) == (0, 0), "what is promoted and what runs agree"
