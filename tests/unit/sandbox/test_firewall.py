# SPDX-License-Identifier: GPL-3.0-or-later
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
import worlds

from sandbox.firewall import render
from sandbox.model import Route, RouteTable, Rule, Vpc, World
from sandbox.plan import instance_spec


def table(world: World) -> str:
    return render(world, [instance_spec(world, instance) for instance in world.instances], 4566)


def chain(world: World, name: str) -> list[str]:
    match = re.search(rf"  chain {name} {{\n(.*?)\n  }}", table(world), re.DOTALL)
    assert match, f"no chain {name}"
    return [line.strip() for line in match[1].splitlines()]


def test_the_table_is_replaced_in_one_transaction() -> None:
    assert table(worlds.world()).splitlines()[:3] == [
        "table inet indivillage_sandbox",
        "delete table inet indivillage_sandbox",
        "table inet indivillage_sandbox {",
    ]


def test_forwarded_packets_meet_the_rules_in_the_order_of_aws() -> None:
    assert chain(worlds.world(), "forward") == [
        "type filter hook forward priority filter - 5; policy accept;",
        'iifname != "iv*" oifname != "iv*" accept',
        "ip daddr 169.254.0.0/16 counter drop",
        "meta nfproto ipv6 drop",
        "jump sources",
        "jump acl",
        "ct state established,related accept",
        'iifname != "iv*" counter drop',
        "jump routing",
        "jump egress",
        "jump ingress",
    ]


def test_replication_passes_the_rules_of_all_networks() -> None:
    replica = replace(instance_spec(worlds.world(), worlds.WEB_1), sources=(("10.11.30.215", 5432),))
    rendered = render(worlds.world(), [replica], 4566)
    assert "ip saddr 10.10.10.4 ip daddr 10.11.30.215 tcp dport 5432 accept" in rendered
    assert "ip saddr 10.11.30.215 ip daddr 10.10.10.4 tcp sport 5432 ct state established accept" in rendered


def test_security_groups_allow_by_source_and_drop_the_rest() -> None:
    assert chain(worlds.world(), "ingress") == [
        "ip daddr @sg_bastion ip saddr 198.18.0.0/24 tcp dport 22 return",
        "ip daddr @sg_web ip saddr @sg_bastion tcp dport 22 return",
        "ip daddr @guarded counter drop",
    ]
    assert chain(worlds.world(), "egress") == [
        "ip saddr @sg_bastion return",
        "ip saddr @sg_web tcp dport 443 return",
        "ip saddr @guarded counter drop",
    ]


def test_sets_hold_the_addresses_of_the_members() -> None:
    text = table(worlds.world())
    assert "set sg_bastion { type ipv4_addr; elements = { 10.10.0.4 } }" in text
    assert "set guarded { type ipv4_addr; elements = { 10.10.0.4, 10.10.10.4 } }" in text


def test_a_group_without_members_allows_nobody() -> None:
    world = worlds.world(instances=(worlds.WEB_1,))
    assert "set sg_bastion { type ipv4_addr; }" in table(world)
    assert chain(world, "ingress") == ["ip daddr @sg_web ip saddr @sg_bastion tcp dport 22 return", "ip daddr @guarded counter drop"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule("udp", 1000, 2000, ("10.0.0.0/8",)), "ip daddr @sg_web ip saddr 10.0.0.0/8 udp dport 1000-2000 return"),
        (Rule("icmp", 0, 65535, ("0.0.0.0/0",)), "ip daddr @sg_web meta l4proto icmp return"),
        (Rule("-1", 0, 65535, (), ("sg-web",)), "ip daddr @sg_web ip saddr @sg_web return"),
    ],
)
def test_every_kind_of_rule_has_its_match(rule: Rule, text: str) -> None:
    world = worlds.world(security_groups=(replace(worlds.WEB_GROUP, ingress=(rule,)),), instances=(worlds.WEB_1,))
    assert chain(world, "ingress")[0] == text


def test_network_acls_are_evaluated_by_number_at_the_border_of_their_subnet() -> None:
    world = worlds.world()
    assert chain(world, "acl") == [
        "ip saddr 10.10.10.0/24 ip daddr != 10.10.10.0/24 jump acl_1_out",
        "ip daddr 10.10.10.0/24 ip saddr != 10.10.10.0/24 jump acl_1_in",
    ]
    assert chain(world, "acl_1_in") == ["ip saddr 10.10.0.0/16 tcp dport 22 return", "drop", "counter drop"]
    assert chain(world, "acl_1_out") == ["return", "counter drop"]


def test_only_a_subnet_with_a_route_has_an_outside() -> None:
    assert chain(worlds.world(), "leaving") == ["ip saddr 10.10.0.0/24 ip daddr != @vpcs return", "counter drop"]
    assert chain(worlds.world(), "entering") == ["ip daddr 10.10.0.0/24 ip saddr != @vpcs return", "counter drop"]


def test_a_nat_gateway_lets_out_but_not_in() -> None:
    tables = (RouteTable("rtb-main", worlds.VPC.id, True, (), (Route("0.0.0.0/0", "nat-1"),)),)
    world = worlds.world(route_tables=tables)
    assert chain(world, "leaving")[:2] == [
        "ip saddr 10.10.0.0/24 ip daddr != @vpcs return",
        "ip saddr 10.10.10.0/24 ip daddr != @vpcs return",
    ]
    assert chain(world, "entering") == ["counter drop"]


def test_another_vpc_is_reached_by_peering_and_transit_gateway_only() -> None:
    other = Vpc("vpc-other", "us-west-2", "10.11.0.0/16")
    tables = (RouteTable("rtb-main", worlds.VPC.id, True, (), (Route("10.11.0.0/16", "tgw-1"), Route("0.0.0.0/0", "nat-1"))),)
    world = worlds.world(vpcs=(worlds.VPC, other), route_tables=tables, subnets=(worlds.WEB,))
    assert chain(world, "leaving") == [
        "ip saddr 10.10.10.0/24 ip daddr 10.11.0.0/16 ip daddr @vpcs return",
        "ip saddr 10.10.10.0/24 ip daddr != @vpcs return",
        "counter drop",
    ]


def test_the_gateway_answers_names_metadata_and_the_api_to_its_own_vpc_only() -> None:
    assert chain(worlds.world(), "gateway") == [
        "type filter hook input priority filter - 5; policy accept;",
        'iifname "lo" accept',
        'iifname != "iv*" ip daddr @vpcs counter drop',
        'iifname != "iv*" accept',
        "ct state established,related accept",
        "ip saddr 10.10.0.0/16 ip daddr 10.10.0.1 meta l4proto { tcp, udp } th dport 53 accept",
        "ip saddr 10.10.0.0/16 ip daddr 10.10.0.1 tcp dport { 8169, 4566 } accept",
        "ip saddr 10.10.0.0/16 ip daddr 10.10.0.1 icmp type echo-request accept",
        "counter drop",
    ]


def test_an_empty_world_still_keeps_packets_from_the_metadata_address() -> None:
    assert "ip daddr 169.254.0.0/16 counter drop" in chain(World(), "forward")


@pytest.mark.skipif(not shutil.which("nft"), reason="nftables is not installed")
@pytest.mark.parametrize("world", [World(), worlds.world()], ids=["empty", "small"])
def test_nft_accepts_the_table(world: World) -> None:
    result = subprocess.run(["nft", "--check", "-f", "-"], input=table(world), capture_output=True, text=True, check=False)
    if "Operation not permitted" in result.stderr:
        pytest.skip("nft --check needs root here")
    assert not result.stderr
