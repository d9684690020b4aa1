# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that ship: they validate, and what must stay closed is closed in their tables."""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.indivillage.infra.plugins.plugin_utils.network import network_acl_entries, subnet_plan

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ["sandbox", "development", "staging", "production"]
UNSET = {"aws_account_id"}  # what whoever owns the account has to fill in

PLAY = """
- hosts: stacks
  gather_facts: false
  tasks:
    - indivillage.infra.validate_environment:
      run_once: true
"""


def ansible(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def validate(inventory: Path, tmp_path: Path, *arguments: str) -> list[str]:
    """Return the problems the validation tells, none when the inventory is sound."""
    play = tmp_path / "validate.yml"
    play.write_text(PLAY)
    result = ansible("ansible-playbook", "-i", str(inventory), str(play), *arguments)
    problems = re.findall(r"^ +\d+\. (.+)$", result.stdout, re.MULTILINE)
    assert (result.returncode != 0) == bool(problems), result.stdout + result.stderr
    return problems


def variables(environment: str) -> dict[str, dict[str, Any]]:
    result = ansible("ansible-inventory", "-i", f"inventories/{environment}/hosts.yml", "--list")
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout)["_meta"]["hostvars"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_sound_once_its_account_is_filled_in(environment: str, tmp_path: Path) -> None:
    problems = validate(ROOT / "inventories" / environment / "hosts.yml", tmp_path)

    assert {problem.split(": ")[1].split(" ")[0] for problem in problems} == (set() if environment == "sandbox" else UNSET), problems
    assert all(f"inventories/{environment}/" in problem and "CHANGE_ME" in problem for problem in problems)


def test_all_faults_are_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    inventory = tmp_path / "inventories" / "sandbox"
    base = ROOT / "inventories"
    subprocess.run(["cp", "-a", str(base), str(tmp_path)], check=True)  # links inside stay relative
    environment = inventory / "group_vars" / "all" / "10_environment.yml"
    environment.write_text(
        environment.read_text()
        + "cloudwatch_agent_metrics: {mem: {measurment: [used]}}\n"
        + "aws_netwrk_cidr: 10.0.0.0/16\navailability_zones: [a]\naws_storage_noncurrent_days: many\n"
    )
    lines = len(environment.read_text().splitlines())

    problems = validate(inventory / "hosts.yml", tmp_path)

    assert len(problems) == 5
    for line, words in (
        (lines - 3, "mem.measurment is no key that the agent knows there. Did you mean measurement?"),
        (lines - 3, "mem.measurement is missing"),
        (lines - 2, "Did you mean aws_network_cidr?"),
        (lines - 1, "1 of at least 2 zones"),
        (lines, "convert to int"),
    ):
        assert any(f"10_environment.yml:{line}: " in text and words in text for text in problems), words


def test_without_inventory_files_the_same_is_told_without_places(tmp_path: Path) -> None:
    stacks = variables("sandbox")
    flat = tmp_path / "hosts.yml"
    flat.write_text("#!/bin/sh\ncat <<'END'\n" + json.dumps({"stacks": {"hosts": list(stacks)}, "_meta": {"hostvars": stacks}}) + "\nEND\n")
    flat.chmod(0o755)

    problems = validate(flat, tmp_path, "-e", "aws_netwrk_cidr=1", "-e", "aws_storage_noncurrent_days=many")

    assert [problem.split(": ")[0] for problem in problems] == ["extra variables (-e)"] * 2
    assert "Did you mean aws_network_cidr?" in problems[0]


def test_the_address_plan_has_no_overlap_and_every_subnet_fits() -> None:
    tables = yaml.safe_load((ROOT / "inventories/_base/group_vars/network.yml").read_text())
    defaults = yaml.safe_load((ROOT / "roles/aws_network/defaults/main.yml").read_text())
    networks = [ipaddress.ip_network(cidr) for kinds in tables["address_plan"].values() for cidr in kinds.values()]

    assert not [pair for pair in itertools.combinations(networks, 2) if pair[0].overlaps(pair[1])]
    for network in networks:
        assert len(subnet_plan(str(network), defaults["aws_network_tiers"], tables["availability_zones"])) == 12


def flows() -> set[tuple[str, str, int]]:
    tables = yaml.safe_load((ROOT / "inventories/_base/group_vars/network.yml").read_text())
    return {(flow["source"], flow["destination"], tables["ports"][flow["port"]]) for flow in tables["security_flows"]}


@pytest.mark.parametrize(
    ("source", "destination", "port"),
    [
        ("web", "database", 5432),
        ("web", "cache", 6379),
        ("app", "bastion", 22),
        ("web", "app", 22),
        ("web", "app", 8443),
        ("bastion", "cache", 6379),
        ("web", "app", 9100),
        ("app", "web", 9100),
        ("internal_load_balancer", "app", 8444),
        ("web", "app", 8444),
        ("web", "monitoring", 9090),
        ("app", "monitoring", 9093),
        ("monitoring", "web", 22),
        ("monitoring", "app", 8443),
    ],
)
def test_no_flow_opens_what_must_be_closed(source: str, destination: str, port: int) -> None:
    assert (source, destination, port) not in flows()


def test_the_internet_reaches_the_public_load_balancer_and_nothing_else() -> None:
    assert {(destination, port) for source, destination, port in flows() if source == "internet"} == {
        ("public_load_balancer", 80),
        ("public_load_balancer", 443),
    }


@pytest.mark.parametrize(
    ("source", "destination", "port"),
    [
        ("public_load_balancer", "web", 443),
        ("web", "internal_load_balancer", 443),
        ("internal_load_balancer", "app", 8443),
        ("app", "database", 5432),
        ("app", "cache", 6379),
        ("bastion", "web", 22),
        ("bastion", "app", 22),
        ("bastion", "database", 5432),
        ("bastion", "monitoring", 22),
        ("monitoring", "web", 9100),
        ("monitoring", "app", 9100),
        ("monitoring", "app", 8444),
        ("monitoring", "web", 9113),
        ("monitoring", "bastion", 9100),
    ],
)
def test_the_flows_of_the_site_are_there(source: str, destination: str, port: int) -> None:
    assert (source, destination, port) in flows()


def test_the_data_tier_hears_of_nobody_but_the_app_tier_and_the_bastion() -> None:
    tables = yaml.safe_load((ROOT / "inventories/_base/group_vars/network.yml").read_text())
    defaults = yaml.safe_load((ROOT / "roles/aws_network/defaults/main.yml").read_text())
    plan = subnet_plan("10.2.0.0/16", defaults["aws_network_tiers"], ["a"])
    data = next(acl for acl in defaults["aws_network_acls"] if acl["tier"] == "data")
    entries = network_acl_entries(data["ingress"], tables["ports"], {"vpc": ["10.2.0.0/16"], "internet": ["0.0.0.0/0"]}, plan)

    assert {(entry["cidr"], entry["from_port"]) for entry in entries} == {
        ("10.2.20.0/24", 5432),
        ("10.2.20.0/24", 6379),
        ("10.2.0.0/24", 5432),
        ("10.2.30.0/24", 1024),
    }


# What hosts call: images of containers, secrets, logs and metrics, Session Manager and patching, keys, queues, identities.
GATEWAY_ENDPOINTS = {"s3", "dynamodb"}
INTERFACE_ENDPOINTS = {
    *("ecr.api", "ecr.dkr", "secretsmanager", "logs", "monitoring"),
    *("ssm", "ssmmessages", "ec2messages", "kms", "sqs", "sts"),
}


def test_no_aws_service_is_called_through_the_internet() -> None:
    defaults = yaml.safe_load((ROOT / "roles/aws_network/defaults/main.yml").read_text())
    assert set(defaults["aws_network_gateway_endpoints"]) == GATEWAY_ENDPOINTS
    assert set(defaults["aws_network_interface_endpoints"]) == INTERFACE_ENDPOINTS
    narrowed = [
        path.relative_to(ROOT)
        for path in (ROOT / "inventories").rglob("*.yml")
        # The others save money: docs/environments.md and the inventories say what goes through the NAT gateway there.
        if "production" in path.parts and re.search(r"^aws_network_(gateway|interface)_endpoints:", path.read_text(), re.MULTILINE)
    ]
    assert narrowed == []


def test_the_replication_role_may_copy_exactly_what_is_copied() -> None:
    """The buckets are the primary stack's, the role is the environment's: neither sees the other's variables."""
    buckets = yaml.safe_load((ROOT / "roles/aws_storage/defaults/main.yml").read_text())["aws_storage_buckets"]
    identity = yaml.safe_load((ROOT / "roles/aws_identity/defaults/main.yml").read_text())
    copies = {bucket["name"]: bucket["replica"]["bucket"] for bucket in buckets if "replica" in bucket}
    assert copies == {name: f"{name}-replica" for name in identity["aws_identity_replicated_buckets"]}
    standby = yaml.safe_load((ROOT / "inventories/_base/stack_vars/dr.yml").read_text())["aws_storage_buckets"]
    assert set(copies.values()) <= {bucket["name"] for bucket in standby}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_web_hosts_ask_for_what_cloudfront_sends_exactly_where_there_is_an_edge(environment: str) -> None:
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(ROOT / "inventories" / environment / "hosts.yml")])
    host = next(iter(inventory.get_hosts("primary")))
    known = VariableManager(loader, inventory).get_vars(host=host)
    templar = Templar(loader, known)
    files = templar.template(known["host_secrets_files"])
    nginx = {(entry["path"], entry["secret_name"], entry["field"]) for entry in files if "nginx.service" in entry["units"]}
    secret = f"/indivillage/{environment}/edge/accepted"
    edge = environment != "sandbox"

    assert ("aws_edge" in templar.template(known["stack_layers"])) is edge
    assert templar.template(known["web_tier_origin_header"]) == ("X-Origin-Verify" if edge else "")
    assert nginx == (
        {("/run/host-secrets/origin-value", secret, "value"), ("/run/host-secrets/origin-other", secret, "other")} if edge else set()
    )
    assert templar.template(known["web_tier_origin_files"]) == ["/run/host-secrets/origin-value", "/run/host-secrets/origin-other"]
    assert any(entry["secret_name"].endswith("/monitoring/users") for entry in files) is ("monitoring" in known["aws_compute_tiers"])
