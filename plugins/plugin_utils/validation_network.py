# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults that show only when several network variables are looked at together: addresses, zones, flows and network ACLs.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.network import NetworkPlanError, network_acl_entries, subnet_plan
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

LEAST_ZONES = 2
VPC_PREFIXES = range(16, 29)  # what AWS accepts
ACL_RULES = 20  # AWS's quota for each direction
EVERYWHERE = ("0.0.0.0/0", "::/0")
PRIVATE_ASNS = (range(64512, 65535), range(4200000000, 4294967295))


def network_problems(values: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the network of a stack.

    values: the stack's variables with the roles' defaults. others: the networks of the environment's other stacks, by stack.
    """
    ports, networks = _mapping(values.get("ports")), _mapping(values.get("security_networks"))
    cidr = values.get("aws_network_cidr")
    yield from _cidr_problems(cidr)
    yield from _zone_problems(values.get("availability_zones"))
    yield from _plan_problems(values)
    yield from _overlap_problems(cidr, values, others)
    yield from _transit_problems(cidr, values, others)
    yield from _port_problems(ports)
    yield from _range_problems(networks)
    yield from _flow_problems(values, ports, networks)
    yield from _acl_problems(values, ports, networks)


def _network(value: Any) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(value: Any, keys: Sequence[str]) -> list[Mapping[str, str]]:
    """The entries of a list that are dictionaries and have all keys as text."""
    if not isinstance(value, list):
        return []
    return [entry for entry in value if isinstance(entry, Mapping) and all(isinstance(entry.get(key), str) for key in keys)]


def _cidr_problems(cidr: Any) -> Iterator[Problem]:
    if not isinstance(cidr, str):
        return
    network = _network(cidr)
    if network is None:
        try:
            hint = f"Its network is {ipaddress.IPv4Interface(cidr).network}."
        except ValueError:
            hint = "Write it like 10.2.0.0/16."
        yield Problem("aws_network_cidr", f"is {cidr!r}, which is no IPv4 network.", hint)
    elif network.prefixlen not in VPC_PREFIXES:
        yield Problem("aws_network_cidr", f"is {cidr}; AWS makes VPCs from /16 to /28.", "Use a /16, which the subnet plan is made for.")
    elif not network.is_private:
        yield Problem(
            "aws_network_cidr", f"is {cidr}, which are public addresses of somebody else.", "Use a private range, such as 10.2.0.0/16."
        )


def _zone_problems(zones: Any) -> Iterator[Problem]:
    if not isinstance(zones, list):
        return
    if len(set(map(str, zones))) != len(zones):
        yield Problem("availability_zones", f"names a zone twice: {', '.join(map(str, zones))}.", "Name each zone once.")
    elif len(zones) < LEAST_ZONES:
        yield Problem(
            "availability_zones",
            f"has {len(zones)} of at least {LEAST_ZONES} zones; load balancers and databases need two.",
            "Add a zone, for example [a, b, c].",
        )


def _plan_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    cidr, tiers, zones = values.get("aws_network_cidr"), values.get("aws_network_tiers"), values.get("availability_zones")
    if not (_network(cidr) and isinstance(tiers, Mapping) and isinstance(zones, list)):
        return
    if not all(isinstance(number, int) for number in tiers.values()):
        return
    try:
        subnet_plan(str(cidr), tiers, zones)
    except NetworkPlanError as error:
        variable = "aws_network_tiers" if "overlap" in str(error) else "aws_network_cidr"
        yield Problem(variable, f"does not fit the subnet plan: {error}.", "Change aws_network_tiers, or the network in address_plan.")


def _overlap_problems(cidr: Any, values: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[Problem]:
    own = _network(cidr)
    if own is None:
        return
    plan = {
        f"{environment} {kind}": network
        for environment, kinds in _mapping(values.get("address_plan")).items()
        for kind, network in _mapping(kinds).items()
        if environment != values.get("environment_name")
    }
    networks = {name: _network(other) for name, other in {**plan, **others}.items()}
    overlaps = [f"{other} of {name}" for name, other in networks.items() if other is not None and own.overlaps(other)]
    if overlaps:
        yield Problem(
            "aws_network_cidr",
            f"is {cidr} and overlaps {', '.join(overlaps)}; joined networks need addresses of their own.",
            "Choose a free network in address_plan (inventories/_base/group_vars/network.yml).",
        )


def _transit_problems(cidr: Any, values: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[Problem]:
    variable, own = "aws_network_transit_peers", _network(cidr)
    asn = values.get("aws_network_transit_asn")
    if isinstance(asn, int) and not any(asn in numbers for numbers in PRIVATE_ASNS):
        yield Problem(
            "aws_network_transit_asn", f"is {asn}, which is no private number.", "Use one of 64512 to 65534, another in each region."
        )
    joined: dict[str, ipaddress.IPv4Network] = {}
    for peer in _entries(values.get(variable), ("region", "cidr")):
        region, network = peer["region"], _network(peer["cidr"])
        if region == values.get("stack_region"):
            yield Problem(variable, f"joins {region} to itself.", "Name the other region.")
        if region in joined:
            yield Problem(variable, f"names {region} twice.", "Name each region once.")
        if network is None:
            yield Problem(variable, f"gives {region} the network {peer['cidr']!r}, which is none.", "Write it like 10.3.0.0/16.")
            continue
        if network not in map(_network, others.values()):
            yield Problem(
                variable,
                f"joins {network} of {region}, which no other stack of the environment has.",
                "Name its network as address_plan does.",
            )
        overlapping = [name for name, other in joined.items() if network.overlaps(other)]
        if own is not None and network.overlaps(own):
            overlapping.append("this region")
        if overlapping:
            yield Problem(
                variable,
                f"joins {network} of {region}, which overlaps the network of {', '.join(overlapping)}.",
                "Joined networks need addresses of their own: see address_plan.",
            )
        joined[region] = network


def _port_problems(ports: Mapping[str, Any]) -> Iterator[Problem]:
    for name, number in ports.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 65536:
            yield Problem("ports", f"gives {name} the number {number!r}.", "A port is a number from 1 to 65535.")


def _range_problems(networks: Mapping[str, Any]) -> Iterator[Problem]:
    for name, cidrs in networks.items():
        for cidr in cidrs if isinstance(cidrs, list) else [cidrs]:
            variable = "administrator_cidrs" if name == "administrators" else "security_networks"
            if _network(cidr) is None:
                yield Problem(variable, f"has {cidr!r}, which is no IPv4 network ({name}).", "Write it like 192.0.2.0/24.")
            elif name == "administrators" and cidr in EVERYWHERE:
                yield Problem(variable, "opens ssh to the whole internet.", "Name the networks your administrators come from.")


def _flow_problems(values: Mapping[str, Any], ports: Mapping[str, Any], networks: Mapping[str, Any]) -> Iterator[Problem]:
    groups = values.get("security_groups")
    if not isinstance(groups, list):
        return
    known = [str(name) for name in [*groups, *networks]]
    seen: set[str] = set()
    rules: dict[tuple[str, str, Any], str] = {}
    for flow in _entries(values.get("security_flows"), ("name", "source", "destination", "port")):
        name = flow["name"]
        if name in seen:
            yield Problem(
                "security_flows", f"has two flows called {name!r}.", "Call them differently; the name becomes the rule's description."
            )
        seen.add(name)
        first = rules.setdefault((flow["source"], flow["destination"], ports.get(flow["port"], flow["port"])), name)
        if first != name:
            yield Problem(
                "security_flows", f"has one rule twice, as {first!r} and as {name!r}.", "Keep one; a port may have several names."
            )
        for side in ("source", "destination"):
            if flow[side] not in known:
                yield Problem(
                    "security_flows",
                    f"lets the {side} of {name!r} be {flow[side]!r}, which is no group and no network.",
                    f"Use one of {', '.join(known)}.",
                )
        if flow["source"] in networks and flow["destination"] in networks:
            yield Problem("security_flows", f"has {name!r} from a network to a network.", "One side of a flow must be a security group.")
        if flow["port"] not in ports:
            yield Problem(
                "security_flows", f"lets {name!r} use the port {flow['port']!r}, which is not in ports.", f"Use one of {', '.join(ports)}."
            )


def _acl_problems(values: Mapping[str, Any], ports: Mapping[str, Any], networks: Mapping[str, Any]) -> Iterator[Problem]:
    tiers, zones = _mapping(values.get("aws_network_tiers")), values.get("availability_zones")
    acls = values.get("aws_network_acls")
    if not isinstance(acls, list) or not isinstance(zones, list):
        return
    subnets = [{"tier": tier, "cidr": ""} for tier in tiers for _zone in zones]
    peers = {"vpc": [""]} | {name: cidrs if isinstance(cidrs, list) else [cidrs] for name, cidrs in networks.items()}
    for acl in acls:
        for direction in ("ingress", "egress"):
            rules = _entries(_mapping(acl).get(direction), ("peer", "port"))
            try:
                entries = network_acl_entries(rules, ports, peers, subnets)
            except NetworkPlanError as error:
                yield Problem(
                    "aws_network_acls", f"has a fault in {direction} of {_mapping(acl).get('tier')}: {error}.", "Correct the rule."
                )
                continue
            if len(entries) > ACL_RULES:
                yield Problem(
                    "aws_network_acls",
                    f"needs {len(entries)} rules for {direction} of {_mapping(acl).get('tier')}; AWS allows {ACL_RULES}.",
                    "Merge peers, or use fewer administrator_cidrs.",
                )
