# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory's tables to subnets, network ACL entries and security group rules."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.network import (
    NetworkPlanError,
    network_acl_entries,
    security_group_rules,
    subnet_plan,
)
from hypothesis import given
from hypothesis import strategies as st

TIERS = {"public": 0, "web": 10, "app": 20, "data": 30}
PORTS = {"ssh": 22, "https": 443, "postgresql": 5432}
NETWORKS = {"internet": ["0.0.0.0/0"], "administrators": ["10.0.0.0/8", "172.16.0.0/12"]}
FLOWS = [
    {"name": "visitors", "source": "internet", "destination": "balancer", "port": "https"},
    {"name": "requests", "source": "balancer", "destination": "web", "port": "https"},
    {"name": "administrators", "source": "administrators", "destination": "bastion", "port": "ssh"},
    {"name": "updates", "source": "web", "destination": "internet", "port": "https"},
]
IDS = {"balancer": "sg-1", "web": "sg-2", "bastion": "sg-3"}


def test_every_tier_has_a_subnet_in_every_zone() -> None:
    plan = subnet_plan("10.2.0.0/16", TIERS, ["a", "b", "c"])

    assert len(plan) == 12
    assert plan[0] == {"tier": "public", "zone": "a", "cidr": "10.2.0.0/24"}
    assert {"tier": "data", "zone": "c", "cidr": "10.2.32.0/24"} in plan


@pytest.mark.parametrize(
    ("cidr", "tiers", "message"),
    [
        ("10.2.0.0/20", TIERS, "outside 10.2.0.0/20"),
        ("10.2.0.0/16", {"public": 0, "web": 1}, "overlap"),
        ("10.2.0.0/16", {"public": -1}, "outside"),
        ("10.2.0.1/16", TIERS, "no IPv4 network|not an IPv4 network"),
        ("10.2.0.0/25", TIERS, "smaller than one /24"),
        ("nonsense", TIERS, "not an IPv4 network"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(cidr: str, tiers: dict[str, int], message: str) -> None:
    with pytest.raises(NetworkPlanError, match=message):
        subnet_plan(cidr, tiers, ["a", "b"])


@given(
    prefix=st.integers(16, 24),
    first=st.lists(st.integers(0, 300), min_size=1, max_size=5),
    zones=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True),
)
def test_whatever_is_planned_lies_inside_and_apart(prefix: int, first: list[int], zones: list[str]) -> None:
    network = ipaddress.IPv4Network(f"10.128.0.0/{prefix}")
    try:
        plan = subnet_plan(str(network), {f"tier{index}": number for index, number in enumerate(first)}, zones)
    except NetworkPlanError:
        return
    subnets = [ipaddress.IPv4Network(subnet["cidr"]) for subnet in plan]
    assert all(subnet.subnet_of(network) for subnet in subnets)
    assert len(set(subnets)) == len(subnets) == len(first) * len(zones)


def test_acl_rules_become_numbered_entries() -> None:
    subnets = [{"tier": "app", "cidr": "10.2.20.0/24"}, {"tier": "app", "cidr": "10.2.21.0/24"}]

    entries = network_acl_entries(
        [{"peer": "app", "port": "postgresql"}, {"peer": "internet", "port": "ephemeral"}], PORTS, NETWORKS, subnets
    )

    assert entries == [
        {"number": 100, "protocol": "tcp", "cidr": "10.2.20.0/24", "from_port": 5432, "to_port": 5432},
        {"number": 110, "protocol": "tcp", "cidr": "10.2.21.0/24", "from_port": 5432, "to_port": 5432},
        {"number": 120, "protocol": "tcp", "cidr": "0.0.0.0/0", "from_port": 1024, "to_port": 65535},
    ]


@pytest.mark.parametrize("rule", [{"peer": "nobody", "port": "ssh"}, {"peer": "internet", "port": "telnet"}])
def test_an_acl_rule_with_an_unknown_name_is_refused(rule: dict[str, str]) -> None:
    with pytest.raises(NetworkPlanError, match=r"nobody|telnet"):
        network_acl_entries([rule], PORTS, NETWORKS)


def test_rules_go_by_reference_between_groups_and_by_address_to_networks() -> None:
    rules = security_group_rules(FLOWS, "web", PORTS, NETWORKS, IDS)

    assert rules == {
        "ingress": [{"protocol": "tcp", "from_port": 443, "to_port": 443, "description": "requests", "peer": "sg-1"}],
        "egress": [{"protocol": "tcp", "from_port": 443, "to_port": 443, "description": "updates", "peer": "0.0.0.0/0"}],
    }
    assert [rule["peer"] for rule in security_group_rules(FLOWS, "bastion", PORTS, NETWORKS, IDS)["ingress"]] == NETWORKS["administrators"]


@pytest.mark.parametrize(
    "flow",
    [
        {"name": "x", "source": "web", "destination": "nobody", "port": "https"},
        {"name": "x", "source": "web", "destination": "bastion", "port": "telnet"},
    ],
)
def test_a_flow_with_an_unknown_name_is_refused(flow: dict[str, Any]) -> None:
    with pytest.raises(NetworkPlanError, match=r"nobody|telnet"):
        security_group_rules([flow], "web", PORTS, NETWORKS, IDS)
