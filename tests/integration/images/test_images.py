# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image comes to be, is promoted, copied and removed. The tests run in this order, each on the state the former left."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from tests.integration.images.conftest import BUCKET, DR, PREFIX, PRIMARY, Factory, tags, told

pytestmark = pytest.mark.emulator

TIERS = ("web", "app", "monitoring")
OWN = {"Project": "indivillage", "Environment": "sandbox", "Stack": "sandbox-us-east-1", "ManagedBy": "ansible"}


def pairs(named: dict[str, str]) -> list[dict[str, str]]:
    """Tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in named.items()]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"aws_images_base_name": "debian-99-*"}, "owner self has no image named debian-99-*. Correct aws_images_base_name"),
        ({"aws_images_architecture": "arm64"}, "is for x86_64, and aws_images_architecture is arm64"),
    ],
    ids=["missing", "other processors"],
)
def test_a_base_image_that_will_not_do_is_refused_before_anything_is_written(
    factory: Factory, variables: dict[str, str], expected: str
) -> None:
    before = factory.emulator.version

    run = factory.bake(limit="primary", **variables)

    assert run.returncode == 2
    assert expected in told(run), run.output
    assert factory.emulator.version == before


def test_a_plan_names_the_images_and_starts_nothing(factory: Factory) -> None:
    before = factory.emulator.version
    run = factory.bake("--check")
    assert run.returncode == 2, run.output
    assert "not certain" not in run.output
    assert factory.emulator.version == before
    plan = json.loads((factory.state_dir / "plans/sandbox/plan.json").read_text())
    done = sorted({(entry["host"], entry["task"]) for entry in plan["entries"]})
    assert [task for host, task in done if host == "sandbox-us-east-1"] == [
        "Mark the images as proven",
        "Register their images",
        "Say which image is each tier's current one",
    ]


def test_a_builder_with_a_secret_becomes_no_image(factory: Factory) -> None:
    run = factory.bake(refused="web")
    assert run.returncode == 2
    assert "Refuse to go on without every image: web: Look closely: a reason" in told(run), run.output
    assert (set(factory.images()), factory.promoted(), factory.instances()) == ({"app", "monitoring"}, {}, [])


def test_an_image_whose_proof_fails_is_removed_and_none_is_promoted(factory: Factory) -> None:
    run = factory.bake(disproved="app")
    assert run.returncode == 2
    assert "no image was promoted. Refuse images that were not proven: app: Look closely: a reason" in told(run)
    assert (set(factory.images()), factory.promoted(), factory.instances()) == ({"web", "monitoring"}, {}, [])
    assert tags(factory.images()["web"]).get("Proof") is None
    snapshots = factory.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:Role", "Values": ["app"]}])["Snapshots"]
    assert snapshots == []


def test_images_are_promoted_when_all_are_proven(factory: Factory) -> None:
    former = factory.images()["web"]["ImageId"]
    run = factory.bake()
    assert run.returncode == 0, run.output
    images = factory.images()
    assert images["web"]["ImageId"] == former, "what is baked and was not disproved is proved again, not baked again"
    assert factory.promoted() == {tier: images[tier]["ImageId"] for tier in TIERS}
    assert {tags(images[tier])["Proof"] for tier in TIERS} == {"passed"}
    assert factory.instances() == []


@pytest.mark.parametrize("tier", TIERS)
def test_an_image_tells_what_it_was_made_of_and_is_encrypted(factory: Factory, tier: str) -> None:
    image = factory.images()[tier]
    ec2, s3 = factory.client("ec2"), factory.client("s3")
    report = s3.get_object(Bucket=BUCKET, Key=f"images/{image['Name']}/report.json")["Body"].read()
    base = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["debian-13-amd64-sandbox"]}])["Images"][0]
    assert (
        tags(image).items()
        >= (
            OWN
            | {
                "Role": tier,
                "BaseImage": base["ImageId"],
                "ContentDigest": image["Name"].rpartition("-")[2],
                "ReportDigest": f"sha256:{hashlib.sha256(report).hexdigest()}",
                "BuilderHostKey": "SHA256:of-the-builder",
            }
        ).items()
    )
    assert {"Commit", "Builder"} <= set(tags(image))
    assert s3.head_object(Bucket=BUCKET, Key=f"images/{image['Name']}/sbom.cdx.json")["ContentLength"] > 0
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]])["Snapshots"]
    key = factory.client("kms").describe_key(KeyId=f"alias/{PREFIX}-general")["KeyMetadata"]["Arn"]
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, key)


@pytest.mark.parametrize("tier", TIERS)
def test_the_other_region_has_a_copy_of_the_same_making(factory: Factory, tier: str) -> None:
    original, copy = factory.images()[tier], factory.images(DR)[tier]
    made_of = ("BaseImage", "ContentDigest", "Commit", "ReportDigest", "Proof")
    assert copy["Name"] == original["Name"]
    assert {name: tags(copy)[name] for name in made_of} == {name: tags(original)[name] for name in made_of}
    assert factory.promoted(DR)[tier] == copy["ImageId"]
    snapshot_id = copy["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    (snapshot,) = factory.client("ec2", DR).describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert tags(snapshot)["Stack"] == "sandbox-us-west-2"


def test_the_same_content_is_baked_once_and_what_a_killed_run_left_goes(factory: Factory) -> None:
    assert factory.bake().clean
    ec2 = factory.client("ec2")
    for role in ("builder", "probe"):
        ec2.run_instances(
            ImageId=factory.images()["web"]["ImageId"],
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": pairs(OWN | {"Role": role, "Tier": "web"})}],
        )
    assert len(factory.instances()) == 2
    run = factory.bake()
    assert run.returncode == 0, run.output
    assert factory.instances() == []


def test_a_copy_that_fails_takes_the_others_with_it(factory: Factory) -> None:
    before, copies = factory.promoted(DR), factory.names(DR)
    assert factory.bake(limit="primary", base_of_another_content="two").returncode == 0
    image = factory.images()["app"]["ImageId"]
    assert factory.emulator.control("PUT", f"images/{PRIMARY}/{image}", {"state": "failed"})[0] == 200
    run = factory.bake(limit="dr")
    assert run.returncode == 2
    assert "no image was copied. Copy the images that are missing: One or more items failed" in told(run), run.output
    assert (factory.promoted(DR), factory.names(DR)) == (before, copies)
    assert factory.emulator.control("PUT", f"images/{PRIMARY}/{image}", {"state": "available"})[0] == 200


def test_a_refused_image_is_not_promoted_again(factory: Factory) -> None:
    image = factory.images()["web"]
    factory.client("ec2").create_tags(Resources=[image["ImageId"]], Tags=[{"Key": "Proof", "Value": "refused"}])
    before = factory.emulator.version
    run = factory.bake(limit="primary", base_of_another_content="two")
    assert run.returncode == 2
    assert f"{image['Name']} did not serve when it was rolled out, and was taken back" in told(run)
    assert factory.emulator.version - before <= 0
    factory.client("ec2").create_tags(Resources=[image["ImageId"]], Tags=[{"Key": "Proof", "Value": "passed"}])


def test_images_that_nothing_uses_go_and_others_stay(factory: Factory) -> None:
    ec2 = factory.client("ec2")
    used, first = factory.promoted(), factory.names()

    def register(name: str, **marks: str) -> str:
        source = ec2.describe_images(ImageIds=[used["web"]])["Images"][0]["ImageId"]
        image = str(ec2.copy_image(SourceImageId=source, SourceRegion=PRIMARY, Name=f"{PREFIX}-web-{name}")["ImageId"])
        ec2.create_tags(Resources=[image], Tags=pairs(OWN | {"Role": "web"} | marks))
        return image

    held = register("0")
    others = register("1", Environment="production")
    in_template = register("2")
    template = {"LaunchTemplateName": "of-somebody-else", "LaunchTemplateData": {"ImageId": in_template}}
    ec2.create_launch_template(**template)
    ec2.create_launch_template_version(
        LaunchTemplateName="of-somebody-else", SourceVersion="1", LaunchTemplateData={"ImageId": used["web"]}
    )
    running = register("3")
    ec2.run_instances(ImageId=running, MinCount=1, MaxCount=1)
    own = {"LaunchTemplateName": f"{PREFIX}-web", "LaunchTemplateData": {"ImageId": held}}
    ec2.create_launch_template(**own)
    ec2.create_launch_template_version(LaunchTemplateName=f"{PREFIX}-web", SourceVersion="1", LaunchTemplateData={"ImageId": used["web"]})
    ec2.modify_launch_template(LaunchTemplateName=f"{PREFIX}-web", DefaultVersion="2")
    time.sleep(1.1)  # images tell the second of their making
    latest = [register(str(number)) for number in range(4, 7)]

    version = factory.emulator.version
    plan = factory.bake("--check", limit="primary", base_of_another_content="two")
    assert plan.returncode == 2, plan.output
    assert factory.emulator.version == version
    run = factory.bake(limit="primary", base_of_another_content="two")
    assert run.returncode == 0, run.output

    left = {image["ImageId"] for image in ec2.describe_images(Owners=["self"])["Images"]}
    assert {others, in_template, running, *latest, *used.values()} <= left
    assert held not in left
    assert factory.names() & first, "the app tier has no more than it may keep"
    versions = ec2.describe_launch_template_versions(LaunchTemplateName=f"{PREFIX}-web")["LaunchTemplateVersions"]
    assert [found["VersionNumber"] for found in versions] == [2]
    assert factory.bake(limit="primary", base_of_another_content="two").clean
