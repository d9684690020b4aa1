# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that show only when several network variables are looked at together."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_network import network_problems
from hypothesis import given
from hypothesis import strategies as st

VALUES: dict[str, Any] = {
    "environment_name": "production",
    "stack_kind": "primary",
    "aws_network_cidr": "10.2.0.0/16",
    "aws_network_tiers": {"public": 0, "web": 10, "app": 20, "data": 30},
    "aws_network_acls": [
        {"tier": "data", "ingress": [{"peer": "app", "port": "postgresql"}], "egress": [{"peer": "vpc", "port": "ephemeral"}]}
    ],
    "availability_zones": ["a", "b", "c"],
    "address_plan": {"production": {"primary": "10.2.0.0/16", "dr": "10.3.0.0/16"}, "staging": {"primary": "10.1.0.0/16"}},
    "ports": {"ssh": 22, "postgresql": 5432},
    "security_groups": ["app", "database", "bastion"],
    "security_networks": {"internet": ["0.0.0.0/0"], "administrators": ["10.0.0.0/8"]},
    "security_flows": [
        {"name": "queries", "source": "app", "destination": "database", "port": "postgresql"},
        {"name": "administrators", "source": "administrators", "destination": "bastion", "port": "ssh"},
    ],
}


def told(others: dict[str, Any] | None = None, **changes: Any) -> list[tuple[str, str]]:
    found = list(network_problems({**copy.deepcopy(VALUES), **changes}, others or {}))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def flow(**changes: str) -> list[dict[str, str]]:
    return [{"name": "x", "source": "app", "destination": "database", "port": "postgresql", **changes}]


def test_a_sound_network_has_no_problem() -> None:
    assert told(others={"production-us-west-2": "10.3.0.0/16"}) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_network_cidr", "10.2.0.5/16", "no IPv4 network"),
        ("aws_network_cidr", "10.2/16", "no IPv4 network"),
        ("aws_network_cidr", "fd00::/16", "no IPv4 network"),
        ("aws_network_cidr", "10.0.0.0/8", "from /16 to /28"),
        ("aws_network_cidr", "8.8.0.0/16", "public addresses"),
        ("aws_network_cidr", "10.2.0.0/20", "outside 10.2.0.0/20"),
        ("aws_network_cidr", "10.1.0.0/16", "overlaps 10.1.0.0/16 of staging primary"),
        ("aws_network_cidr", "10.1.128.0/17", "overlaps 10.1.0.0/16 of staging primary"),
        ("aws_network_tiers", {"public": 0, "web": 1, "app": 20, "data": 30}, "overlap"),
        ("availability_zones", ["a"], "1 of at least 2"),
        ("availability_zones", [], "0 of at least 2"),
        ("availability_zones", ["a", "a"], "twice"),
        ("ports", {**VALUES["ports"], "ssh": 0}, "ssh the number 0"),
        ("ports", {**VALUES["ports"], "ssh": 70000}, "ssh the number 70000"),
        ("ports", {**VALUES["ports"], "ssh": "22"}, "ssh the number '22'"),
        ("ports", {**VALUES["ports"], "ssh": True}, "ssh the number True"),
        ("security_flows", flow(source="ap"), "source of 'x' be 'ap'"),
        ("security_flows", flow(destination="cache"), "destination of 'x' be 'cache'"),
        ("security_flows", flow(port="mysql"), "the port 'mysql'"),
        ("security_flows", flow(source="internet", destination="internet"), "from a network to a network"),
        ("security_flows", flow() + flow(), "two flows called 'x'"),
        ("security_flows", flow() + flow(name="y"), "one rule twice, as 'x' and as 'y'"),
        ("aws_network_acls", [{"tier": "app", "ingress": [{"peer": "dmz", "port": "ssh"}], "egress": []}], "'dmz'"),
        ("aws_network_acls", [{"tier": "app", "ingress": [{"peer": "vpc", "port": "sssh"}], "egress": []}], "'sssh'"),
        ("aws_network_acls", [{"tier": "app", "ingress": [{"peer": "app", "port": "ssh"}] * 7, "egress": []}], "needs 21 rules"),
    ],
)
def test_a_fault_is_told_at_its_variable(variable: str, value: Any, words: str) -> None:
    found = told(**{variable: value})

    assert any(name == variable and words in text for name, text in found), found


def test_ssh_from_everywhere_is_refused() -> None:
    found = told(security_networks={"internet": ["0.0.0.0/0"], "administrators": ["0.0.0.0/0"]})
    assert found == [("administrator_cidrs", "opens ssh to the whole internet.")]


def test_a_range_that_is_none_is_told() -> None:
    assert "'10.0.0/8'" in told(security_networks={"internet": ["0.0.0.0/0"], "administrators": ["10.0.0/8"]})[0][1]


def test_stacks_of_one_environment_may_not_overlap() -> None:
    assert "production-us-west-2" in told(others={"production-us-west-2": "10.2.128.0/17"})[0][1]


PEER = {"region": "us-west-2", "cidr": "10.3.0.0/16", "stack": "production-us-west-2"}


def test_a_region_that_is_joined_soundly() -> None:
    assert told(others={"production-us-west-2": "10.3.0.0/16"}, aws_network_transit_peers=[PEER], aws_network_transit_asn=64513) == []


@pytest.mark.parametrize(
    ("peers", "words"),
    [
        ([PEER | {"region": "us-east-1"}], "joins us-east-1 to itself"),
        ([PEER, PEER], "names us-west-2 twice"),
        ([PEER | {"cidr": "10.3.0/16"}], "gives us-west-2 the network '10.3.0/16', which is none"),
        ([PEER | {"cidr": "10.4.0.0/16"}], "which no other stack of the environment has"),
        ([PEER | {"cidr": "10.2.128.0/17"}], "overlaps the network of this region"),
        ([PEER, PEER | {"region": "eu-west-1", "cidr": "10.3.128.0/17"}], "overlaps the network of us-west-2"),
    ],
)
def test_a_region_that_cannot_be_joined(peers: list[dict[str, str]], words: str) -> None:
    found = told(others={"production-us-west-2": "10.3.0.0/16"}, stack_region="us-east-1", aws_network_transit_peers=peers)
    assert any(name == "aws_network_transit_peers" and words in text for name, text in found), found


def test_a_number_that_belongs_to_somebody_else() -> None:
    assert told(aws_network_transit_asn=7224) == [("aws_network_transit_asn", "is 7224, which is no private number.")]


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["10.2.0.0/16", "a", "app", "vpc", "ssh"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "source", "port", "peer", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(variable=st.sampled_from(sorted({*VALUES, "aws_network_transit_peers"})), value=NONSENSE)
def test_no_nonsense_breaks_the_checks(variable: str, value: Any) -> None:
    told(others={"other": value}, **{variable: value})
