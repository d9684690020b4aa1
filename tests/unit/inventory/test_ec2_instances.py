# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the dynamic inventory; whole inventories are read in tests/integration/inventory."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible_collections.indivillage.infra.plugins.plugin_utils import instances as plugin

ACCOUNT = "123456789012"
REGION, OTHER_REGION = "us-east-1", "us-west-2"

SETTINGS = plugin.Settings(
    account_id=ACCOUNT,
    project_name="indivillage",
    environment_name="sandbox",
    regions=(REGION, OTHER_REGION),
    states=("running",),
    remote_user="admin",
    private_key_file="/keys/id",
    known_hosts_file="/state/known_hosts",
    bastion_address="public",
    minimum_hosts={REGION: {"bastion": 1, "web": 2}},
)


def record(identifier: str, role: str, **changes: Any) -> plugin.Record:
    values = {
        "instance_id": identifier,
        "instance_region": REGION,
        "instance_availability_zone": f"{REGION}a",
        "instance_tier": role,
        "instance_role": role,
        "instance_autoscaling_group": "",
        "instance_image_id": "ami-1",
        "instance_private_ip": "10.0.0.9",
        "instance_public_ip": "203.0.113.9",
        "instance_launched": "2026-01-02T00:00:00+00:00",
        "instance_state": "running",
        "instance_health": "none",
    }
    return {**values, **changes}


def test_a_group_for_every_property_that_is_known() -> None:
    groups = plugin.group_names(
        record("i-1", "web", instance_autoscaling_group="indivillage-sandbox-web", instance_health="unhealthy.draining")
    )
    assert groups == [
        "instances",
        "tier_web",
        "role_web",
        "region_us_east_1",
        "az_us_east_1a",
        "asg_indivillage_sandbox_web",
        "image_ami_1",
        "state_running",
        "health_unhealthy_draining",
    ]
    assert not [name for name in plugin.group_names(record("i-1", "web")) if name.startswith("asg_")]


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([], "none"),
        (["healthy"], "healthy"),
        (["healthy", "unhealthy"], "unhealthy"),
        (["healthy", "initial"], "initial"),
        (["healthy", "new-word"], "new-word"),
    ],
)
def test_an_instance_is_as_healthy_as_its_worst_target(states: list[str], worst: str) -> None:
    assert plugin.worst_state(states) == worst


def test_shortage_names_region_role_found_and_wanted() -> None:
    records = [
        record("i-1", "bastion"),
        record("i-2", "web"),
        record("i-3", "web", instance_region=OTHER_REGION),
        record("i-4", "web", instance_state="stopped"),
    ]
    assert plugin.shortage(records, SETTINGS) == ["sandbox us-east-1: role web has 1 running hosts, at least 2 are declared"]
    assert plugin.shortage([*records, record("i-5", "web")], SETTINGS) == []


def test_the_oldest_running_bastion_of_a_region_is_taken() -> None:
    bastions = plugin.bastions_by_region(
        [
            record("i-new", "bastion", instance_launched="2026-03-01T00:00:00+00:00"),
            record("i-old", "bastion", instance_launched="2026-02-01T00:00:00+00:00"),
            record("i-off", "bastion", instance_launched="2026-01-01T00:00:00+00:00", instance_state="stopped"),
            record("i-web", "web"),
            record("i-far", "bastion", instance_region=OTHER_REGION),
        ]
    )
    assert {region: bastion["instance_id"] for region, bastion in bastions.items()} == {REGION: "i-old", OTHER_REGION: "i-far"}


def test_hosts_go_through_the_bastion_and_check_both_keys_by_id() -> None:
    bastion = record("i-b", "bastion")
    variables = plugin.connection_variables(record("i-w", "web"), bastion, SETTINGS)
    assert variables["ansible_host"] == "10.0.0.9"
    assert variables["ansible_ssh_private_key_file"] == "/keys/id"
    words = shlex.split(variables["ansible_ssh_common_args"])
    assert "HostKeyAlias=i-w" in words
    jump = shlex.split(next(word for word in words if word.startswith("ProxyCommand=")).removeprefix("ProxyCommand="))
    assert jump[:3] == ["ssh", "-W", "[%h]:%p"]
    assert jump[-1] == "admin@203.0.113.9"
    assert {"HostKeyAlias=i-b", "/keys/id", 'UserKnownHostsFile="/state/known_hosts"'} <= set(jump)


def test_a_bastion_is_reached_directly_at_the_chosen_address() -> None:
    bastion = record("i-b", "bastion")
    public = plugin.connection_variables(bastion, bastion, SETTINGS)
    private = plugin.connection_variables(bastion, bastion, replace(SETTINGS, bastion_address="private"))
    assert (public["ansible_host"], private["ansible_host"]) == ("203.0.113.9", "10.0.0.9")
    assert "ProxyCommand" not in public["ansible_ssh_common_args"]


OPTIONS = {
    "account_id": ACCOUNT,
    "project_name": "p",
    "environment_name": "e",
    "regions": [REGION],
    "states": ["running"],
    "remote_user": "admin",
    "private_key_file": "",
    "known_hosts_file": "~/known",
    "bastion_address": "public",
    "minimum_hosts": {},
}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("account_id", "CHANGE_ME"),
        ("account_id", None),
        ("project_name", ""),
        ("regions", []),
        ("regions", "us-east-1"),
        ("states", ["runing"]),
        ("bastion_address", "both"),
        ("minimum_hosts", {REGION: 2}),
        ("minimum_hosts", {REGION: {"web": "2"}}),
        ("minimum_hosts", {OTHER_REGION: {"web": 2}}),
    ],
)
def test_a_wrong_option_is_named(option: str, value: Any) -> None:
    plugin.Settings.from_options(OPTIONS)
    with pytest.raises(AnsibleParserError, match=option):
        plugin.Settings.from_options({**OPTIONS, option: value})
