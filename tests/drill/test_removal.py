# SPDX-License-Identifier: GPL-3.0-or-later
"""Prune, destroy and drift on the whole sandbox: what is undeclared is listed and nothing else, and in the end nothing is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.drill.support.emulator import DrillEmulator, running
from tests.drill.support.runs import ROOT, Project
from tests.drill.support.snapshot import Snapshot, remains, take
from tests.integration.removal.world import TAGS, TRUST, tag_list, tagged

pytestmark = pytest.mark.emulator

REMOVER = "aws_removal"


@dataclass
class Result:
    """What a playbook said."""

    returncode: int
    output: str
    plan: dict[str, Any]

    @property
    def deletions(self) -> set[tuple[str, str]]:
        """(stack, resource) of everything that the plan would remove."""
        return {(entry["host"], entry["item"]) for entry in self.plan["entries"] if entry["role"] == REMOVER}


class Environment:
    """The provisioned sandbox on an emulator of its own."""

    def __init__(self, project: Project, directory: Path) -> None:
        self.project, self.directory = project, directory
        self.inventory = directory / "layers.yml"
        # Images are baked on hosts, which a drill does not have: its own stand for them.
        declared = yaml.safe_load((ROOT / "inventories/sandbox/group_vars/all/10_environment.yml").read_text())
        stack = {"stack_without": [*declared["stack_without"], "aws_images"]}
        self.inventory.write_text(json.dumps({"all": {"hosts": {"sandbox-us-east-1": stack}}}))

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.project.emulator.client(service, region)

    def command(self, playbook: str, *options: str) -> list[str]:
        inventories = ["-i", f"inventories/{self.project.environment}/hosts.yml", "-i", str(self.inventory)]
        directory = ["-e", f"plan_directory={self.directory / 'plans'}"]
        return [str(Path(sys.executable).with_name("ansible-playbook")), f"playbooks/{playbook}.yml", *inventories, *directory, *options]

    def begin(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        record = self.directory / "record"
        record.touch()
        return subprocess.Popen(
            self.command(playbook, *options),
            cwd=ROOT,
            env=self.project.surroundings(record) | {"USER": "ada"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *options: str) -> Result:
        process = self.begin(playbook, *options)
        output, _nothing = process.communicate(timeout=1800)
        file = self.directory / "plans" / self.project.environment / "plan.json"
        return Result(process.returncode, output, json.loads(file.read_text()) if file.exists() else {"entries": []})


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Snapshot]]:
    """The environment after one apply, and what the account held before that."""
    with running() as emulator:
        project = Project(emulator, tmp_path_factory.mktemp("state")).prepare()
        empty = take(emulator.client)
        project.apply()
        yield project, empty


@pytest.fixture
def environment(provisioned: tuple[Project, Snapshot], tmp_path: Path) -> Iterator[Environment]:
    """A copy for each test."""
    project = provisioned[0].copy()
    yield Environment(project, tmp_path)
    project.emulator.discard()


def add_extras(emulator: DrillEmulator) -> set[tuple[str, str]]:
    """Something of ours that nobody declares, of every kind that can stand alone; as prune has to name it."""
    client = emulator.client
    ec2 = client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["indivillage-sandbox-vpc"]}])["Vpcs"]
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.10.99.0/24", TagSpecifications=tagged("subnet"))["Subnet"]["SubnetId"]
    group = ec2.create_security_group(
        VpcId=vpc["VpcId"], GroupName="extra", Description="extra", TagSpecifications=tagged("security-group")
    )["GroupId"]
    volume = ec2.create_volume(Size=1, AvailabilityZone="us-east-1a", TagSpecifications=tagged("volume"))["VolumeId"]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))["AllocationId"]
    table = ec2.create_route_table(VpcId=vpc["VpcId"], TagSpecifications=tagged("route-table"))["RouteTable"]["RouteTableId"]
    client("sqs").create_queue(QueueName="indivillage-sandbox-extra", tags=TAGS)
    client("s3").create_bucket(Bucket="indivillage-sandbox-extra")
    client("s3").put_bucket_tagging(Bucket="indivillage-sandbox-extra", Tagging={"TagSet": tag_list()})
    client("iam").create_role(RoleName="indivillage-sandbox-extra", AssumeRolePolicyDocument=TRUST, Tags=tag_list())
    client("ssm").put_parameter(Name="/indivillage/sandbox/extra", Value="x", Type="String", Tags=tag_list())
    client("secretsmanager", "us-west-2").create_secret(Name="/indivillage/sandbox/extra", SecretString="x", Tags=tag_list())
    key = client("kms", "us-west-2").create_key(Tags=[{"TagKey": key, "TagValue": value} for key, value in TAGS.items()])
    # One instance more of a declared group: AWS has made it for the group, with our tags.
    client("autoscaling").set_desired_capacity(AutoScalingGroupName="indivillage-sandbox-app", DesiredCapacity=3)
    east, west = "sandbox-us-east-1", "sandbox-us-west-2"
    return {
        (east, f"subnet {subnet}"),
        (east, f"security group {group}"),
        (east, f"volume {volume}"),
        (east, f"address {address}"),
        (east, f"route table {table}"),
        (east, "queue indivillage-sandbox-extra"),
        (east, "bucket indivillage-sandbox-extra"),
        (east, "parameter /indivillage/sandbox/extra"),
        (west, "secret /indivillage/sandbox/extra"),
        (west, f"key {key['KeyMetadata']['KeyId']}"),
        ("sandbox-global", "role indivillage-sandbox-extra"),
    }


def digest_of(result: Result) -> str:
    return str(result.plan["digest"])


def states(environment: Environment) -> set[str]:
    """The states of what AWS shows after its end."""
    found = set()
    for region in ("us-east-1", "us-west-2"):
        ec2, kms = environment.client("ec2", region), environment.client("kms", region)
        found |= {item["State"]["Name"] for one in ec2.describe_instances()["Reservations"] for item in one["Instances"]}
        found |= {item["State"] for item in ec2.describe_nat_gateways()["NatGateways"]}
        found |= {item["State"].lower() for item in ec2.describe_vpc_endpoints()["VpcEndpoints"]}
        keys = (kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"])
        found |= {key["KeyState"] for key in keys if key["KeyManager"] == "CUSTOMER"}
    return found


def test_prune_lists_what_nobody_declares_and_removes_that_alone(environment: Environment) -> None:
    assert environment.run("prune", "--check").deletions == set(), "nothing is undeclared after an apply"
    extras = add_extras(environment.project.emulator)

    listed = environment.run("prune", "--check")
    assert listed.returncode == 2, listed.output
    assert listed.deletions == extras

    refused = environment.run("prune")
    assert refused.returncode != 0
    assert "is changed only by an approved plan" in " ".join(refused.output.split())

    done = environment.run("prune", "-e", f"approved_plan=sha256:{digest_of(listed)}")
    assert done.returncode == 0, done.output
    assert environment.run("prune", "--check").deletions == set()
    assert environment.project.plan("-i", str(environment.inventory)).changes == set()


def test_prune_refuses_to_look_at_a_part(environment: Environment) -> None:
    limited = environment.run("prune", "--check", "--limit", "sandbox-us-east-1")

    assert limited.returncode != 0
    assert "no --limit" in " ".join(limited.output.split())


def test_destroy_leaves_nothing_also_after_it_was_killed(environment: Environment, provisioned: tuple[Project, Snapshot]) -> None:
    assert environment.run("destroy").returncode != 0, "no confirmation was given"
    confirmed = ("-e", "destroy_environment=sandbox")

    process = environment.begin("destroy", *confirmed)
    environment.project.emulator.kill_after(environment.project.emulator.calls().writes + 40, process.pid)
    process.wait(timeout=900)
    assert process.returncode == -signal.SIGKILL
    if process.stdout:
        process.stdout.close()

    assert (again := environment.run("destroy", *confirmed)).returncode == 0, again.output
    assert (history := environment.run("remove_history", *confirmed)).returncode == 0, history.output
    assert states(environment) <= {"terminated", "deleted", "PendingDeletion"}
    assert remains(take(environment.project.emulator.client), provisioned[1]) == {}
    assert json.loads((environment.directory / "plans/sandbox/runs.json").read_text())


def test_production_needs_two_people_and_final_snapshots(environment: Environment) -> None:
    as_production = {"environment_name": "production", "aws_database_multi_az": True, "aws_database_backup_retention_days": 30}
    production = ("-e", json.dumps({**as_production, "aws_cache_replicas": 1, "destroy_environment": "production"}))
    refused = environment.run("destroy", *production, "-e", "destroy_confirmed_by=Ada")

    assert refused.returncode != 0
    assert "removed by two people" in " ".join(refused.output.split())


def test_drift_is_told_by_exit_code_text_and_topic(environment: Environment) -> None:
    topic = environment.client("sns").create_topic(Name="drift")["TopicArn"]
    queue = environment.client("sqs").create_queue(QueueName="drift")["QueueUrl"]
    environment.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:drift")
    options = ("--tags", "provision", "--skip-tags", "images", "-e", f"drift_topic_arn={topic}")

    assert environment.run("detect_drift", *options).returncode == 0
    environment.client("s3").delete_bucket_policy(Bucket="indivillage-sandbox-uploads")
    found = environment.run("detect_drift", *options)

    assert found.returncode == 2, found.output
    assert "sandbox-us-east-1: change s3 bucket indivillage-sandbox-uploads" in found.output
    (message,) = environment.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert "sandbox is not as it is declared" in json.loads(message["Body"])["Message"]
