# SPDX-License-Identifier: GPL-3.0-or-later
"""Images baked, proved and rolled out under load, on real hosts. Run on a site that serves: make site && make drill-images.

Each round bakes new images, rolls them out, then a poisoned one, then the former one, each on the state the former left. What was measured
under load is written into docs/drills.md; the other numbers are printed, and those that are promised are asserted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.drill.support.load import Load
from tests.drill.support.results import PER_SECOND, TIMES, VISITED, Section, under_load
from tests.drill.support.running import PREFIX, running_site
from tests.e2e.driver import Site, wait

TIERS = ("web", "app")
OWN = {"Project": "indivillage", "Environment": "sandbox", "Stack": "sandbox-us-east-1", "ManagedBy": "ansible"}
# The declared minute of warming up would only make the drill longer.
QUICK = ("-e", "aws_compute_rollout_warmup_seconds=2", "-e", "aws_compute_rollout_timeout_seconds=150", "-e", "aws_compute_poll_seconds=1")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The site that runs, without a mark of what these tests have rolled out."""
    site = running_site()
    yield site
    assert leftovers(site) == []


@pytest.fixture(scope="module", params=range(1, TIMES + 1))
def number(request: pytest.FixtureRequest) -> int:
    """The round: pytest runs all tests of one before those of the next."""
    return int(request.param)


def leftovers(site: Site) -> list[str]:
    """Builders and probes that live."""
    return [instance["InstanceId"] for role in ("builder", "probe") for instance in site.instances(role)]


def promoted(site: Site) -> dict[str, str]:
    """Tier -> the image that its parameter names."""
    found = site.client("ssm").get_parameters_by_path(Path="/indivillage/sandbox/images")["Parameters"]
    return {parameter["Name"].rpartition("/")[2]: parameter["Value"] for parameter in found}


def running(site: Site, tier: str) -> set[str]:
    """The images that a tier's instances run."""
    return {instance["ImageId"] for instance in site.instances(tier)}


def marks(site: Site, image_id: str) -> dict[str, str]:
    """The tags of an image."""
    (image,) = site.client("ec2").describe_images(ImageIds=[image_id])["Images"]
    return {tag["Key"]: tag["Value"] for tag in image["Tags"]}


@pytest.fixture(scope="module")
def section() -> Iterator[Section]:
    words = "Two instances of the web tier and two of the app tier; each is replaced by one of another image, a new one first."
    with under_load("Rollout of images", words, __file__) as found:
        yield found


def measured(site: Site, section: Section, what: str, playbook: str, *options: str) -> tuple[Any, Load]:
    """Run a playbook while visitors come; its result and what they saw."""
    return section.measure(what, (f"{site.url}{VISITED}", site.ca, PER_SECOND), lambda: site.play(playbook, *QUICK, *options))


def test_images_are_baked_and_proved_within_four_minutes(site: Site, number: int) -> None:
    before, began = promoted(site), time.monotonic()
    banner = f"For round {number} of the drill of {time.time():.0f}.\n"
    result = site.play("playbooks/bake_images.yml", "-e", json.dumps({"hardening_banner": banner}))
    seconds = time.monotonic() - began
    print(f"\nbake {number} of two images, judged and proved: {seconds:.0f} s")
    assert result.returncode == 0, result.stdout[-6000:]
    after = promoted(site)
    assert all(after[tier] != before[tier] for tier in TIERS)
    for tier in TIERS:
        tags = marks(site, after[tier])
        assert tags["Proof"] == "passed"
        report = json.load(site.client("s3").get_object(Bucket=f"{PREFIX}-operations", Key=f"images/{tags['Name']}/report.json")["Body"])
        states = [control["state"] for control in report["hardening"]["controls"]]
        print(f"{tier}: {len(states)} controls, {states.count('met')} met, {report['packages']['count']} packages")
        assert set(states) <= {"met", "excepted", "unshown"}
    assert leftovers(site) == []
    assert seconds <= 240


def test_an_image_with_an_expired_exception_is_refused_and_nothing_is_left(site: Site) -> None:
    before = promoted(site)
    exception = {"control": "CIS 5.1.4", "reason": "a drill", "owner": "nobody", "expires": "2020-01-01"}
    result = site.play("playbooks/bake_images.yml", "-e", json.dumps({"hardening_exceptions": [exception]}))
    assert result.returncode == 2
    assert "CIS 5.1.4 have expired" in " ".join(result.stdout.partition("PLAY RECAP")[0].split())
    assert (promoted(site), leftovers(site)) == (before, [])


def test_new_images_reach_all_instances_without_a_failed_request(site: Site, section: Section, number: int) -> None:
    before = {tier: set(site.healthy(tier)) for tier in TIERS}
    result, load = measured(site, section, f"new images of both tiers {number}", "playbooks/provision_compute.yml")
    assert result.returncode == 0, result.stdout[-6000:]
    assert "InProgress" in result.stdout, "a rollout tells how far it has come"
    for tier in TIERS:
        assert running(site, tier) == {promoted(site)[tier]}
        assert not before[tier] & set(site.healthy(tier))
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


@pytest.mark.parametrize("tier", TIERS)
def test_an_instance_serves_within_half_a_minute(site: Site, tier: str) -> None:
    scaling, group, before = site.client("autoscaling"), f"{PREFIX}-{tier}", set(site.healthy(tier))
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=len(before) + 1)
    seconds = wait("one more healthy target", lambda: len(site.healthy(tier)) > len(before), 120, every=0.5)
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=len(before))
    print(f"\n{tier}: a healthy target {seconds:.1f} s after its instance was asked for")
    wait("the former capacity", lambda: len(site.instances(tier)) == len(before), 60)
    assert seconds <= 30


@pytest.fixture
def poisoned(site: Site) -> str:
    """An image of the app tier whose application does not start, made past all judges."""
    ec2, current = site.client("ec2"), promoted(site)["app"]
    (member, *_others) = site.instances("app")
    marked = [{"Key": key, "Value": value} for key, value in (OWN | {"Role": "builder", "Tier": "app"}).items()]
    (builder,) = ec2.run_instances(
        ImageId=current,
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.medium",
        SubnetId=member["SubnetId"],
        SecurityGroupIds=[group["GroupId"] for group in member["SecurityGroups"]],
        TagSpecifications=[{"ResourceType": "instance", "Tags": marked}],
    )["Instances"]
    name = f"indivillage-{builder['InstanceId']}"
    try:
        wait("the builder", lambda: site.run("podman", "exec", name, "systemctl", "is-active", "ssh.service").returncode == 0, 120)
        site.must("podman", "exec", name, "systemctl", "disable", "--now", "indivillage-app.service")
        image = str(ec2.create_image(InstanceId=builder["InstanceId"], Name=f"{PREFIX}-app-{time.time():.0f}")["ImageId"])
        wait("the image", lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available", 120)
    finally:
        ec2.terminate_instances(InstanceIds=[builder["InstanceId"]])
    marked = [{"Key": key, "Value": value} for key, value in (OWN | {"Role": "app", "Proof": "passed"}).items()]
    ec2.create_tags(Resources=[image], Tags=marked)
    return image


def test_a_poisoned_image_is_taken_back_without_a_failed_request(site: Site, section: Section, poisoned: str, number: int) -> None:
    before = promoted(site)["app"]
    options = ("-e", "rollout_tier=app", "-e", f"rollout_image={poisoned}", "-e", "aws_compute_rollout_timeout_seconds=45")
    result, load = measured(site, section, f"poisoned image {number}, taken back", "playbooks/roll_out_image.yml", *options)
    assert result.returncode == 2, result.stdout[-6000:]
    assert f"{poisoned} is marked as refused" in " ".join(result.stdout.split())
    assert (promoted(site)["app"], running(site, "app")) == (before, {before})
    assert marks(site, poisoned)["Proof"] == "refused"
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load
    again = site.play("playbooks/provision_compute.yml", *QUICK)
    assert again.returncode == 0, again.stdout[-6000:]
    assert running(site, "app") == {before}


def test_the_former_image_comes_back_without_a_failed_request(site: Site, section: Section, number: int) -> None:
    before = promoted(site)["web"]
    options = ("-e", "rollout_tier=web", "-e", "rollout_image=previous")
    result, load = measured(site, section, f"the former image of the web tier {number}", "playbooks/roll_out_image.yml", *options)
    assert result.returncode == 0, result.stdout[-6000:]
    assert promoted(site)["web"] != before
    assert running(site, "web") == {promoted(site)["web"]}
    assert marks(site, before)["Proof"] == "refused"
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load
