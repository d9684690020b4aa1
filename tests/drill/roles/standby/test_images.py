# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that were baked in the first region, copied to the second one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.drill.roles.standby.conftest import DR, PREFIX, PRIMARY, Standby, of
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

PLAYBOOK = "bake_images"
DECLARED: dict[str, Any] = {"stack_layers": of([], ["aws_images"])}  # what is baked, is there
TIERS = ("web", "app", "monitoring")


@dataclass(frozen=True)
class Runs:
    plan: PlaybookRun
    first: PlaybookRun
    second: PlaybookRun


@pytest.fixture(scope="module")
def runs(standby: Standby) -> Runs:
    def run(*options: str) -> PlaybookRun:
        return standby.run(PLAYBOOK, "images", *options, **DECLARED)

    return Runs(run("--check"), run(), run())


def parameter(standby: Standby, tier: str, region: str) -> str:
    return str(standby.client("ssm", region).get_parameter(Name=f"/indivillage/sandbox/images/{tier}")["Parameter"]["Value"])


def image(standby: Standby, tier: str, region: str) -> dict[str, Any]:
    (found,) = standby.client("ec2", region).describe_images(ImageIds=[parameter(standby, tier, region)])["Images"]
    return dict(found)


def test_a_plan_says_what_is_then_done(runs: Runs) -> None:
    assert runs.plan.returncode == 2, runs.plan.output
    assert "not certain" not in runs.plan.output
    assert runs.first.returncode == 0, runs.first.output
    assert runs.plan.changed == runs.first.changed


def test_a_second_run_copies_nothing(standby: Standby, runs: Runs) -> None:
    assert (runs.second.returncode, set(runs.second.changed.values())) == (0, {0}), runs.second.output
    names = [found["Name"] for found in standby.client("ec2", DR).describe_images(Owners=["self"])["Images"]]
    assert sorted(name for name in names if name.startswith(PREFIX)) == sorted(f"{PREFIX}-{tier}-one" for tier in TIERS)


@pytest.mark.parametrize("tier", TIERS)
def test_the_tiers_run_the_same_image_in_the_other_region(standby: Standby, runs: Runs, tier: str) -> None:
    original, copy = (image(standby, tier, region) for region in (PRIMARY, DR))
    key = standby.client("kms", DR).describe_key(KeyId=f"alias/{PREFIX}-general")["KeyMetadata"]["Arn"]
    (disk,) = copy["BlockDeviceMappings"]
    (snapshot,) = standby.client("ec2", DR).describe_snapshots(SnapshotIds=[disk["Ebs"]["SnapshotId"]])["Snapshots"]
    tags = {tag["Key"]: tag["Value"] for tag in copy["Tags"]}

    assert (copy["Name"], copy["ImageId"] != original["ImageId"]) == (original["Name"], True)
    assert (disk["Ebs"]["Encrypted"], snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, True, key)
    assert tags.items() >= {"Name": copy["Name"], "Role": tier, "Stack": "sandbox-us-west-2", "Project": "indivillage"}.items()


def test_another_image_follows(standby: Standby, runs: Runs) -> None:
    former = parameter(standby, "web", DR)
    standby.foundations[PRIMARY].publish_image("web", "two")

    run = standby.run(PLAYBOOK, "images", **DECLARED)

    assert run.returncode == 0, run.output
    assert image(standby, "web", DR)["Name"] == f"{PREFIX}-web-two"
    assert standby.client("ec2", DR).describe_images(ImageIds=[former])["Images"], "the earlier copy stays"


def test_what_is_not_baked_cannot_be_copied(standby: Standby, runs: Runs) -> None:
    standby.client("ssm").delete_parameter(Name="/indivillage/sandbox/images/app")

    run = standby.run(PLAYBOOK, "images", **DECLARED)

    assert run.returncode == 2
    assert "/indivillage/sandbox/images/app of us-east-1 name no image to copy" in " ".join(run.output.split())
