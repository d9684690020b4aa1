# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole inventories, read by Ansible's own commands from an emulated AWS on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
import yaml

from tests.support.servers import moto

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
ACCOUNT = "123456789012"  # the emulator's
REGION, OTHER_REGION = "us-east-1", "us-west-2"
PARSER_ERROR = 4

Inventory = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture
def endpoint(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    requests.post(f"{server}/moto-api/reset", timeout=10)
    return server


class Directory:
    """An inventory directory whose plugin options and account can be changed between readings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = path / "cache"

    def write(self, account: str = ACCOUNT, **changes: Any) -> None:
        variables = {
            "aws_account_id": account,
            "project_name": "indivillage",
            "environment_name": "sandbox",
            "primary_region": REGION,
            "dr_region": OTHER_REGION,
        }
        options = {
            "plugin": "indivillage.infra.ec2_instances",
            "account_id": "{{ aws_account_id }}",
            "project_name": "{{ project_name }}",
            "environment_name": "{{ environment_name }}",
            "regions": ["{{ primary_region }}", "{{ dr_region }}"],
            "known_hosts_file": "{{ inventory_dir }}/state/known_hosts",
            "minimum_hosts": "{{ {primary_region: {'web': 2}} }}",
            "cache_plugin": "ansible.builtin.jsonfile",
            "cache_connection": "{{ inventory_dir }}/cache",
            **changes,
        }
        (self.path / "group_vars/all").mkdir(parents=True, exist_ok=True)
        (self.path / "group_vars/all/10_environment.yml").write_text(yaml.safe_dump(variables))
        (self.path / "instances.yml").write_text(yaml.safe_dump(options))

    def run(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / command), "-i", str(self.path / "instances.yml"), *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def read(self) -> dict[str, Any]:
        """The whole inventory as `ansible-inventory --list` prints it."""
        result = self.run("ansible-inventory", "--list")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def refused(self, **environment: str) -> str:
        """The one error with which reading stops."""
        result = self.run("ansible-inventory", "--list", environment=environment)
        assert result.returncode == PARSER_ERROR
        assert result.stderr.count("[ERROR]") == 1
        assert "[WARNING]" not in result.stderr
        return result.stderr.replace("\n", " ")


@pytest.fixture
def directory(tmp_path: Path, endpoint: str) -> Directory:
    directory = Directory(tmp_path)
    directory.write()
    return directory


def launch(region: str = REGION, environment: str = "sandbox", role: str = "web", count: int = 1) -> list[str]:
    tags = {"Project": "indivillage", "Environment": environment, "Role": role, "Tier": role}
    instances = boto3.client("ec2", region).run_instances(
        ImageId="ami-12c6146b",
        MinCount=count,
        MaxCount=count,
        InstanceType="t3.micro",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}],
    )["Instances"]
    return [instance["InstanceId"] for instance in instances]


def hosts(listing: dict[str, Any], group: str = "instances") -> set[str]:
    return set(listing.get(group, {}).get("hosts", []))


def test_nothing_provisioned_is_an_inventory_without_hosts(directory: Directory) -> None:
    assert hosts(directory.read()) == set()


def test_all_regions_but_only_this_environment_and_running(directory: Directory) -> None:
    east, west, stopped = launch(count=2), launch(OTHER_REGION), launch()
    launch(environment="production")
    boto3.client("ec2", REGION).stop_instances(InstanceIds=stopped)
    listing = directory.read()
    assert hosts(listing) == hosts(listing, "role_web") == {*east, *west}
    assert hosts(listing, "region_us_west_2") == set(west)
    directory.write(states=["running", "stopped"])
    assert hosts(directory.read(), "state_stopped") == set(stopped)


def test_aliases_are_unique_and_stay_when_a_neighbour_goes(directory: Directory) -> None:
    def aliases() -> dict[str, str]:
        return {name: variables["instance_alias"]["__ansible_unsafe"] for name, variables in directory.read()["_meta"]["hostvars"].items()}

    gone, *_others = launch(count=3)
    before = aliases()
    assert len(set(before.values())) == 3
    boto3.client("ec2", REGION).terminate_instances(InstanceIds=[gone])
    assert aliases() == {name: alias for name, alias in before.items() if name != gone}


def test_groups_by_target_health(directory: Directory) -> None:
    behind, alone = launch(count=2)
    elbv2 = boto3.client("elbv2", REGION)
    vpc = boto3.client("ec2", REGION).describe_instances(InstanceIds=[behind])["Reservations"][0]["Instances"][0]["VpcId"]
    (group,) = elbv2.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance")["TargetGroups"]
    elbv2.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": behind}])
    listing = directory.read()
    assert hosts(listing, "health_healthy") == {behind}
    assert hosts(listing, "health_none") == {alone}


def test_a_tag_is_never_a_template(directory: Directory) -> None:
    (host,) = launch(role="{{ 1 + 1 }}")
    result = directory.run("ansible", host, "-c", "local", "-m", "ansible.builtin.debug", "-a", "var=instance_role")
    assert "{{ 1 + 1 }}" in result.stdout


def test_another_account_stops_naming_both_and_the_files(directory: Directory) -> None:
    directory.write(account="210987654321")
    error = directory.refused()
    assert all(text in error for text in (ACCOUNT, "210987654321", "instances.yml", "10_environment.yml"))


def test_the_account_is_checked_although_the_list_is_cached(directory: Directory) -> None:
    directory.write(cache=True)
    directory.read()
    stranger = boto3.client("sts", REGION).assume_role(RoleArn="arn:aws:iam::210987654321:role/other", RoleSessionName="test")[
        "Credentials"
    ]
    error = directory.refused(
        AWS_ACCESS_KEY_ID=stranger["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=stranger["SecretAccessKey"],
        AWS_SESSION_TOKEN=stranger["SessionToken"],
    )
    assert "Wrong AWS account: the credentials in use belong to 210987654321" in error


def test_missing_credentials_stop(directory: Directory, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    error = directory.refused(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_SHARED_CREDENTIALS_FILE=nowhere, AWS_CONFIG_FILE=nowhere)
    assert "No AWS credentials found for environment sandbox" in error


def test_an_endpoint_that_does_not_answer_names_the_command_that_starts_it(directory: Directory) -> None:
    error = directory.refused(AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in error
    assert "make sandbox-up" in error


def test_an_undefined_variable_stops_and_is_named(directory: Directory) -> None:
    directory.write(account_id="{{ aws_acount_id }}")
    assert "aws_acount_id" in directory.refused()


def test_kept_until_refreshed(directory: Directory) -> None:
    """One play run: the cached list is used until `meta: refresh_inventory`, which really reads anew, and replaces what is kept."""
    directory.write(cache=True)
    (first,) = launch()
    assert hosts(directory.read()) == {first}
    (second,) = launch()
    assert hosts(directory.read()) == {first}
    playbook = directory.path / "refresh.yml"
    state = "{{ groups.instances | length }} short={{ instances_shortage | length }}"
    tasks = [
        {"name": "Show before", "ansible.builtin.debug": {"msg": f"before={state}"}},
        {"name": "Refresh", "ansible.builtin.meta": "refresh_inventory"},
        {"name": "Show after", "ansible.builtin.debug": {"msg": f"after={state}"}},
    ]
    playbook.write_text(yaml.safe_dump([{"name": "Refresh", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    result = directory.run("ansible-playbook", str(playbook))
    assert "before=1 short=1" in result.stdout, result.stderr
    assert "after=2 short=0" in result.stdout
    launch()
    assert hosts(directory.read()) == {first, second}


def test_environments_regions_and_states_do_not_share_what_is_kept(directory: Directory) -> None:
    for changes in ({}, {"environment_name": "staging"}, {"regions": [REGION]}, {"states": ["stopped"]}):
        directory.write(cache=True, **changes)
        directory.read()
    kept = [path.name for path in directory.cache.iterdir()]
    assert len(kept) == 4
    assert all(ACCOUNT in name for name in kept)
    assert sum("staging" in name for name in kept) == 1
