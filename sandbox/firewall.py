# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups, network ACLs, routes and the metadata redirect as one nftables table.

`render` is pure: the world and the wanted containers in, the text of `nft -f -` out. The table is replaced in one transaction, so there is
no moment without rules. Traffic between two containers passes the host's forward hook, also on one bridge (br_netfilter); the order there
is AWS's: network ACLs see every packet, security groups and routes only the first of a connection.

Known differences to AWS: the host itself reaches every container; a subnet with a route to an internet gateway has no need of public
addresses; ICMP types are not told apart; the AWS API and the metadata service are reached at the gateway and need no rule of a group.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain as concatenate

from sandbox.model import AclEntry, ContainerSpec, NetworkAcl, RouteTable, Rule, SecurityGroup, Subnet, World
from sandbox.settings import FIREWALL_TABLE, METADATA_PORT

ANYWHERE = "0.0.0.0/0"
PROTOCOLS_WITH_PORTS = ("tcp", "udp")
# Targets of routes that lead out of all VPCs, as against peerings and transit gateways, which lead into another one.
OUTSIDE_TARGETS = ("igw-", "nat-", "eni-", "i-")
INBOUND_TARGETS = ("igw-",)
INTER_VPC_TARGETS = ("pcx-", "tgw-")


class FirewallError(Exception):
    """nft refused the table."""


def render(world: World, specs: Iterable[ContainerSpec], emulator_port: int) -> str:
    """The whole table as input of `nft -f -`: made, emptied and filled in one transaction."""
    specs = tuple(specs)
    members: dict[str, set[str]] = {group.id: set() for group in world.security_groups}
    guarded: set[str] = set()
    for spec in specs:
        if spec.security_group_ids:
            guarded.add(spec.address)
        for group_id in spec.security_group_ids:
            members.setdefault(group_id, set()).add(spec.address)
    used = [group for group in world.security_groups if members[group.id]]
    chains = [
        _forward(),
        _chain("sources", _sources(specs)),
        _chain("acl", _acl_jumps(world)),
        *(_chain(_acl_name(acl, egress=egress), _acl_rules(acl, egress=egress)) for acl in world.network_acls for egress in (True, False)),
        _chain("routing", _routing(world)),
        _chain("leaving", _routes(world, leaving=True)),
        _chain("entering", _routes(world, leaving=False)),
        _chain("egress", _group_rules(used, set(members), egress=True)),
        _chain("ingress", _group_rules(used, set(members), egress=False)),
        _chain("metadata", _metadata()),
        _chain("gateway", _gateway(world, emulator_port)),
    ]
    sets = [
        _set("vpcs", (vpc.cidr for vpc in world.vpcs), interval=True),
        _set("guarded", guarded),
        *(_set(_set_name(group_id), addresses) for group_id, addresses in sorted(members.items())),
    ]
    body = "\n".join(concatenate(sets, chains))
    return f"table inet {FIREWALL_TABLE}\ndelete table inet {FIREWALL_TABLE}\ntable inet {FIREWALL_TABLE} {{\n{body}\n}}\n"


# --- the forward hook --------------------------------------------------------------------------------------------------------------


def _forward() -> str:
    return _chain(
        "forward",
        (
            "type filter hook forward priority filter - 5; policy accept;",
            'iifname != "iv*" oifname != "iv*" accept',
            "ip daddr 169.254.0.0/16 counter drop",
            "meta nfproto ipv6 drop",
            "jump sources",
            "jump acl",
            "ct state established,related accept",
            # From this machine's own networks nobody gets in: the outside of the sandbox is its internet network.
            'iifname != "iv*" counter drop',
            "jump routing",
            "jump egress",
            "jump ingress",
        ),
    )


def _sources(specs: Iterable[ContainerSpec]) -> Iterator[str]:
    """What AWS does between its own machines, such as replication, does not pass the rules of anybody's network."""
    for spec in specs:
        for address, port in spec.sources:
            yield f"ip saddr {spec.address} ip daddr {address} tcp dport {port} accept"
            yield f"ip saddr {address} ip daddr {spec.address} tcp sport {port} ct state established accept"


def _acl_jumps(world: World) -> Iterator[str]:
    for acl in world.network_acls:
        for subnet in _subnets(world, acl.subnet_ids):
            yield f"ip saddr {subnet.cidr} ip daddr != {subnet.cidr} jump {_acl_name(acl, egress=True)}"
            yield f"ip daddr {subnet.cidr} ip saddr != {subnet.cidr} jump {_acl_name(acl, egress=False)}"


def _acl_rules(acl: NetworkAcl, *, egress: bool) -> Iterator[str]:
    for entry in sorted(acl.entries, key=_acl_order):
        if entry.egress == egress:
            match = _peer(entry.cidr, "daddr" if egress else "saddr") + _protocol(entry.protocol, entry.from_port, entry.to_port)
            yield match + ("return" if entry.allow else "drop")
    yield "counter drop"


def _acl_order(entry: AclEntry) -> int:
    return entry.number


def _routing(world: World) -> Iterator[str]:
    for vpc in world.vpcs:
        yield f"ip saddr {vpc.cidr} ip daddr {vpc.cidr} return"
    yield "ip saddr @vpcs jump leaving"
    yield "ip daddr @vpcs jump entering"


def _routes(world: World, *, leaving: bool) -> Iterator[str]:
    """A first packet leaves a subnet only where a route of its table leads, and enters one from outside only by an internet gateway."""
    here, there = ("saddr", "daddr") if leaving else ("daddr", "saddr")
    outside_targets = OUTSIDE_TARGETS if leaving else INBOUND_TARGETS
    for table in world.route_tables:
        for subnet in _routed_subnets(world, table):
            for route in table.routes:
                match = f"ip {here} {subnet.cidr} {_peer(route.cidr, there)}"
                if route.target.startswith(outside_targets):
                    yield f"{match}ip {there} != @vpcs return"
                elif route.target.startswith(INTER_VPC_TARGETS):
                    yield f"{match}ip {there} @vpcs return"
    yield "counter drop"


def _routed_subnets(world: World, table: RouteTable) -> Sequence[Subnet]:
    if not table.main:
        return _subnets(world, table.subnet_ids)
    named = {subnet_id for other in world.route_tables for subnet_id in other.subnet_ids}
    return [
        subnet for subnet in world.subnets if subnet.vpc_id == table.vpc_id and (subnet.id in table.subnet_ids or subnet.id not in named)
    ]


def _group_rules(groups: Iterable[SecurityGroup], known: set[str], *, egress: bool) -> Iterator[str]:
    own, peer = ("saddr", "daddr") if egress else ("daddr", "saddr")
    for group in groups:
        for rule in group.egress if egress else group.ingress:
            yield from _group_rule(f"ip {own} @{_set_name(group.id)} ", peer, rule, known)
    yield f"ip {own} @guarded counter drop"


def _group_rule(own: str, peer: str, rule: Rule, known: set[str]) -> Iterator[str]:
    protocol = _protocol(rule.protocol, rule.from_port, rule.to_port)
    for cidr in rule.cidrs:
        yield f"{own}{_peer(cidr, peer)}{protocol}return"
    for group_id in rule.group_ids:
        if group_id in known:
            yield f"{own}ip {peer} @{_set_name(group_id)} {protocol}return"


# --- the host as gateway -----------------------------------------------------------------------------------------------------------


def _metadata() -> Sequence[str]:
    return (
        "type nat hook prerouting priority dstnat - 5; policy accept;",
        f'iifname "iv*" ip saddr @vpcs ip daddr 169.254.169.254 tcp dport 80 redirect to :{METADATA_PORT}',
    )


def _gateway(world: World, emulator_port: int) -> Iterator[str]:
    """What the containers may ask of the host: names, metadata and the AWS API, at their own gateway's address only."""
    yield "type filter hook input priority filter - 5; policy accept;"
    yield 'iifname "lo" accept'
    yield 'iifname != "iv*" ip daddr @vpcs counter drop'
    yield 'iifname != "iv*" accept'
    yield "ct state established,related accept"
    for vpc in world.vpcs:
        own = f"ip saddr {vpc.cidr} ip daddr {vpc.gateway}"
        yield f"{own} meta l4proto {{ tcp, udp }} th dport 53 accept"
        yield f"{own} tcp dport {{ {METADATA_PORT}, {emulator_port} }} accept"
        yield f"{own} icmp type echo-request accept"
    yield "counter drop"


# --- text --------------------------------------------------------------------------------------------------------------------------


def _subnets(world: World, subnet_ids: Sequence[str]) -> Sequence[Subnet]:
    return [subnet for subnet in world.subnets if subnet.id in subnet_ids]


def _peer(cidr: str, direction: str) -> str:
    return "" if cidr == ANYWHERE else f"ip {direction} {cidr} "


def _protocol(protocol: str, from_port: int, to_port: int) -> str:
    if protocol in PROTOCOLS_WITH_PORTS:
        ports = str(from_port) if from_port == to_port else f"{from_port}-{to_port}"
        return f"{protocol} dport {ports} "
    return "" if protocol == "-1" else f"meta l4proto {protocol} "


def _set_name(group_id: str) -> str:
    return group_id.replace("-", "_")


def _acl_name(acl: NetworkAcl, *, egress: bool) -> str:
    return f"{acl.id.replace('-', '_')}_{'out' if egress else 'in'}"


def _set(name: str, elements: Iterable[str], *, interval: bool = False) -> str:
    listed = ", ".join(sorted(elements))
    flags = " flags interval;" if interval else ""
    return f"  set {name} {{ type ipv4_addr;{flags}{f' elements = {{ {listed} }}' if listed else ''} }}"


def _chain(name: str, rules: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {rule}" for rule in rules), "  }"])


# --- the kernel --------------------------------------------------------------------------------------------------------------------


def apply(text: str) -> None:
    """Replace the table. Raises FirewallError with nft's message."""
    result = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    if result.returncode:
        raise FirewallError(f"nft refused the sandbox's table: {result.stderr.strip()[-800:]}")


def present() -> bool:
    """Whether the table is there; somebody may have flushed the ruleset."""
    return subprocess.run(["nft", "list", "tables", "inet"], capture_output=True, text=True, check=False).stdout.find(FIREWALL_TABLE) >= 0


def remove() -> None:
    """Remove the table, if it is there."""
    subprocess.run(["nft", "delete", "table", "inet", FIREWALL_TABLE], capture_output=True, check=False)
