# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the tables of the inventory to what EC2 wants to be told: subnets, network ACL entries, security group rules.

Pure functions. The filters hand them to the roles, and the validation uses them to find faults before anything is written.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SUBNET_PREFIX = 24
FIRST_RULE_NUMBER = 100
RULE_NUMBER_STEP = 10
EPHEMERAL = (1024, 65535)  # from where clients, load balancers and NAT gateways call: what an answer must be able to reach


class NetworkPlanError(ValueError):
    """The tables do not describe a network; the text says which entry, and why."""


def subnet_plan(cidr: str, tiers: Mapping[str, int], zones: Sequence[str]) -> list[dict[str, str]]:
    """Give every tier one /24 in every availability zone.

    cidr is the VPC's network. tiers maps a tier to the number of its first /24 inside that network; its other zones
    follow. zones are the letters of the availability zones. Returns dictionaries of tier, zone and cidr, in the order
    of tiers and zones. Raises NetworkPlanError when the network is no network, a subnet lies outside it or two are the same.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise NetworkPlanError(f"{cidr!r} is not an IPv4 network: {error}") from error
    if network.prefixlen > SUBNET_PREFIX:
        raise NetworkPlanError(f"{cidr} is smaller than one /{SUBNET_PREFIX} subnet")
    available = 2 ** (SUBNET_PREFIX - network.prefixlen)
    taken: dict[int, str] = {}
    plan = []
    for tier, first in tiers.items():
        for offset, zone in enumerate(zones):
            number, name = first + offset, f"{tier}-{zone}"
            if not 0 <= number < available:
                raise NetworkPlanError(
                    f"subnet {name} is number {number}, outside {cidr}, which holds {available} subnets of /{SUBNET_PREFIX}"
                )
            if number in taken:
                raise NetworkPlanError(f"subnets {taken[number]} and {name} overlap: both are number {number} of {cidr}")
            taken[number] = name
            address = network.network_address + number * 2 ** (32 - SUBNET_PREFIX)
            plan.append({"tier": tier, "zone": zone, "cidr": f"{address}/{SUBNET_PREFIX}"})
    return plan


def network_acl_entries(
    rules: Iterable[Mapping[str, str]],
    ports: Mapping[str, int],
    networks: Mapping[str, Sequence[str]],
    subnets: Iterable[Mapping[str, str]] = (),
) -> list[dict[str, Any]]:
    """Expand rules of {peer, port} to the entries of indivillage.infra.ec2_network_acl, numbered in their order.

    port is a key of ports, or C(ephemeral). peer is a key of networks, or a tier of subnets (as subnet_plan gives them);
    each of its CIDRs becomes one entry. Raises NetworkPlanError for a peer or port that nobody declared.
    """
    peers = {name: list(cidrs) for name, cidrs in networks.items()}
    for subnet in subnets:
        peers.setdefault(subnet["tier"], []).append(subnet["cidr"])
    entries: list[dict[str, Any]] = []
    for rule in rules:
        first, last = EPHEMERAL if rule["port"] == "ephemeral" else (_port(ports, rule["port"]),) * 2
        if rule["peer"] not in peers:
            raise NetworkPlanError(f"network ACL rule {dict(rule)}: no network or tier is called {rule['peer']!r} ({', '.join(peers)})")
        for cidr in peers[rule["peer"]]:
            number = FIRST_RULE_NUMBER + RULE_NUMBER_STEP * len(entries)
            entries.append({"number": number, "protocol": "tcp", "cidr": cidr, "from_port": first, "to_port": last})
    return entries


def security_group_rules(
    flows: Iterable[Mapping[str, str]],
    group: str,
    ports: Mapping[str, int],
    networks: Mapping[str, Sequence[str]],
    group_ids: Mapping[str, str],
) -> dict[str, list[dict[str, Any]]]:
    """The ingress and egress rules of one security group, as indivillage.infra.ec2_security_group takes them.

    flows are {name, source, destination, port}; a source or destination is a key of group_ids (rule by reference) or of
    networks (one rule per CIDR). Raises NetworkPlanError for a name or port that nobody declared.
    """

    def rules(own: str, other: str) -> list[dict[str, Any]]:
        found = []
        for flow in flows:
            if flow[own] != group:
                continue
            port = _port(ports, flow["port"])
            rule = {"protocol": "tcp", "from_port": port, "to_port": port, "description": flow["name"]}
            if flow[other] in group_ids:
                found.append({**rule, "peer": group_ids[flow[other]]})
            elif flow[other] in networks:
                found.extend({**rule, "peer": cidr} for cidr in networks[flow[other]])
            else:
                raise NetworkPlanError(f"flow {flow['name']!r}: {other} {flow[other]!r} is neither a security group nor a network")
        return found

    flows = list(flows)
    return {"ingress": rules("destination", "source"), "egress": rules("source", "destination")}


def _port(ports: Mapping[str, int], name: str) -> int:
    if name not in ports:
        raise NetworkPlanError(f"no port is called {name!r}; the table `ports` has {', '.join(ports)}")
    return ports[name]
