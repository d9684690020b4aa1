# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/topology/<environment>.svg: an environment's networks, tiers, and who may talk to whom, drawn from the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from scripts.pages.inventory import Stack, stacks

WIDTH, LEFT, ROW, HEAD, GAP = 1360, 190, 118, 150, 40
BOX_WIDTH, BOX_HEIGHT = 150, 56
# Where a security group's members stand: the tier's row, and the place in it from 0 to 1.
PLACES: dict[str, tuple[str, float]] = {
    "public_load_balancer": ("public", 0.22),
    "bastion": ("public", 0.95),
    "web": ("web", 0.22),
    "internal_load_balancer": ("app", 0.0),
    "app": ("app", 0.17),
    "worker": ("app", 0.34),
    "functions": ("app", 0.5),
    "scanner": ("app", 0.67),
    "monitoring": ("app", 0.83),
    "endpoints": ("app", 1.0),
    "database": ("data", 0.45),
    "cache": ("data", 0.15),
    "quarantine": ("web", 0.95),
}
OUTSIDE = {"internet": 0.22, "administrators": 0.95}
COLOURS = {"internet": "#b45309", "administrators": "#7c3aed", "bastion": "#7c3aed", "public_load_balancer": "#0369a1", "web": "#0f766e"}
OTHERS = "#334155"
STYLE = """\
text { font: 12px sans-serif; fill: #0f172a } .title { font-size: 18px; font-weight: bold } .name { font-weight: bold }
.small { font-size: 10.5px; fill: #475569 } .vpc { fill: #f8fafc; stroke: #64748b; stroke-width: 1.5 }
.tier { fill: #eef2f7; stroke: #cbd5e1 }
.box { fill: #fff; stroke: #334155; stroke-width: 1.2 } .outside { fill: #fff7ed; stroke: #b45309; stroke-width: 1.2 }
.flow { fill: none; stroke-width: 1.5 }
"""


class NoPlaceError(Exception):
    """A security group that the map does not know; the text says what to add."""


@dataclass(frozen=True)
class Point:
    x: float
    y: float


def drawing(environment: str) -> str:
    """The environment's map as one SVG document."""
    regional = [stack for stack in stacks(environment) if stack.kind != "global" and "aws_network" in stack.layers]
    tiers = max(len(stack.value("aws_network_tiers")) for stack in regional)
    height = HEAD + tiers * ROW + 120 + max(_notes(stack).count("\n") for stack in regional) * 15
    width = len(regional) * (WIDTH + GAP) + GAP
    body = [part for number, stack in enumerate(regional) for part in _region(stack, GAP + number * (WIDTH + GAP))]
    markers = "".join(
        f'<marker id="arrow{number}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{colour}"/></marker>'
        for number, colour in enumerate(_palette())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="Topology of {environment}">\n<!-- Made by python -m scripts.pages; do not edit. -->\n<style>{STYLE}</style>\n'
        f'<defs>{markers}</defs>\n<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _palette() -> list[str]:
    return [*dict.fromkeys(COLOURS.values()), OTHERS]


def _region(stack: Stack, left: float) -> Iterator[str]:
    tiers: list[str] = list(stack.value("aws_network_tiers"))
    right = left + WIDTH
    top = HEAD
    title = f"{stack.environment} {stack.region}{' (standby)' if stack.kind == 'dr' else ''}"
    yield _text(left, 26, title, "title")
    yield _text(left, 44, f"{stack.value('domain_name')} · VPC {stack.value('aws_network_cidr')}", "small")
    yield f'<rect class="vpc" x="{left}" y="{top - 14}" width="{WIDTH}" height="{len(tiers) * ROW + 22}" rx="8"/>'
    for number, tier in enumerate(tiers):
        yield from _tier(stack, tier, left + 8, top + number * ROW)
    nodes = {name: _place(stack, name, tiers, left, right) for name in stack.value("aws_security_groups_groups")}
    nodes |= {name: Point(_across(left, right, where), 84) for name, where in OUTSIDE.items()}
    yield from _flows(stack, nodes)
    for name, centre in nodes.items():
        yield from _box(name, centre, _about(stack, name))
    y = top + len(tiers) * ROW + 34
    for number, line in enumerate(_notes(stack).splitlines()):
        yield _text(left, y + number * 15, line, "small")


def _tier(stack: Stack, tier: str, x: float, y: float) -> Iterator[str]:
    first = stack.value("aws_network_tiers")[tier]
    base = str(stack.value("aws_network_cidr")).rsplit(".", 2)[0]
    yield f'<rect class="tier" x="{x}" y="{y}" width="{WIDTH - 16}" height="{ROW - 12}" rx="6"/>'
    yield _text(x + 10, y + 20, f"{tier} subnets", "name")
    for number, zone in enumerate(stack.shared["availability_zones"]):
        yield _text(x + 10, y + 38 + number * 15, f"{stack.region}{zone}  {base}.{first + number}.0/24", "small")
    yield _text(x + 10, y + 40 + len(stack.shared["availability_zones"]) * 15, f"way out: {_way_out(stack, tier)}", "small")


def _way_out(stack: Stack, tier: str) -> str:
    if tier == "public":
        return "internet gateway"
    if tier == "data":
        return "none"
    gateways = stack.value("aws_network_nat_gateways")
    return {"none": "none", "one": "one NAT gateway", "per_zone": "NAT gateway per zone"}[gateways]


def _across(left: float, right: float, where: float) -> float:
    start, end = left + LEFT + BOX_WIDTH / 2, right - 20 - BOX_WIDTH / 2
    return start + where * (end - start)


def _place(stack: Stack, name: str, tiers: list[str], left: float, right: float) -> Point:
    if name not in PLACES:
        raise NoPlaceError(f"security group {name!r} has no place on the map: give it one in PLACES of {__name__}")
    tier, where = PLACES[name]
    return Point(_across(left, right, where), HEAD + tiers.index(tier) * ROW + (ROW - 12) / 2)


def _about(stack: Stack, name: str) -> str:
    """The second line of a box: what of the declaration matters most."""
    value = stack.value
    about = ""
    if name in OUTSIDE:
        networks = stack.shared["security_networks"][name]
        about = networks[0] if len(networks) == 1 else f"{len(networks)} networks"
    elif tier := (value("aws_compute_tiers") or {}).get(name):
        about = f"{tier['min']}-{tier['max']} x {tier['instance_type']}"
    elif (tasks := (value("aws_containers_desired_counts") or {}).get(name)) is not None:
        about = f"{tasks} on Fargate"
    elif name == "functions" and "aws_functions" in stack.layers:
        about = "AWS Lambda"
    elif name == "database" and (instance_class := value("aws_database_instance_class")):
        about = f"{instance_class}{', Multi-AZ' if value('aws_database_multi_az') else ''}"
    elif name == "cache" and (node_type := value("aws_cache_node_type")):
        about = f"{1 + value('aws_cache_replicas')} x {node_type}"
    elif name == "bastion" and (bastion_type := value("aws_compute_bastion_instance_type")):
        about = f"{value('aws_compute_bastions')} x {bastion_type}"
    elif name == "endpoints":
        about = f"{len(value('aws_network_interface_endpoints'))} AWS services"
    elif name.endswith("load_balancer") and "aws_load_balancing" in stack.layers:
        about = "ALB, TLS"
    return about or "nothing yet, group only"


def _box(name: str, centre: Point, about: str) -> Iterator[str]:
    x, y = centre.x - BOX_WIDTH / 2, centre.y - BOX_HEIGHT / 2
    kind = "outside" if name in OUTSIDE else "box"
    yield f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
    yield _text(centre.x, centre.y - 4, name.replace("_", " "), "name", middle=True)
    yield _text(centre.x, centre.y + 14, about, "small", middle=True)


def _flows(stack: Stack, nodes: dict[str, Point]) -> Iterator[str]:
    """One arrow for each pair, with all its ports; what goes out to the internet is told below, not drawn."""
    ports: dict[tuple[str, str], list[str]] = {}
    for flow in stack.value("aws_security_groups_flows"):
        if flow["destination"] != "internet":
            ports.setdefault((flow["source"], flow["destination"]), []).append(str(stack.shared["ports"][flow["port"]]))
    for (source, destination), numbers in ports.items():
        colour = COLOURS.get(source, OTHERS)
        start, end = _edges(nodes[source], nodes[destination])
        bend = Point((start.x + end.x) / 2, (start.y + end.y) / 2)
        label = Point(end.x + (bend.x - end.x) * 0.35 + 4, end.y + (bend.y - end.y) * 0.35)
        if abs(start.y - end.y) < BOX_HEIGHT:
            label = Point(min(start.x, end.x) + 6, end.y - 5)
        elif abs(start.y - end.y) > 2 * ROW:  # around what stands between
            bend = Point(max(start.x, end.x) + BOX_WIDTH, start.y + (end.y - start.y) * 0.75)
            label = Point(end.x + 34, end.y - 16)
        yield (
            f'<path class="flow" stroke="{colour}" marker-end="url(#arrow{_palette().index(colour)})" '
            f'd="M{start.x:.0f} {start.y:.0f} Q{bend.x:.0f} {bend.y:.0f} {end.x:.0f} {end.y:.0f}"/>'
        )
        told = escape(", ".join(sorted(numbers, key=int)))
        yield f'<text class="small" x="{label.x:.0f}" y="{label.y:.0f}" style="fill:{colour}">{told}</text>'


def _edges(source: Point, destination: Point) -> tuple[Point, Point]:
    """Where an arrow leaves one box and meets the other: the sides that face each other."""
    if abs(source.y - destination.y) < BOX_HEIGHT:
        way = 1 if destination.x > source.x else -1
        return Point(source.x + way * BOX_WIDTH / 2, source.y), Point(destination.x - way * BOX_WIDTH / 2, destination.y)
    way = 1 if destination.y > source.y else -1
    lean = max(-BOX_WIDTH / 3, min(BOX_WIDTH / 3, (source.x - destination.x) / 6))
    return Point(source.x - lean, source.y + way * BOX_HEIGHT / 2), Point(destination.x + lean, destination.y - way * BOX_HEIGHT / 2)


def _notes(stack: Stack) -> str:
    """What has no place in the picture."""
    outward: dict[str, list[int]] = {}
    for flow in stack.value("aws_security_groups_flows"):
        if flow["destination"] == "internet":
            outward.setdefault(flow["source"], []).append(stack.shared["ports"][flow["port"]])
    ways = [f"{source} {', '.join(map(str, sorted(found)))}" for source, found in outward.items()]
    lines = [f"To the internet: {'; '.join(ways)}"]
    named = [("Buckets", "aws_storage_buckets"), ("Queues, each with one for dead letters", "aws_messaging_queues")]
    lines += [f"{title}: {', '.join(one['name'] for one in stack.value(name))}" for title, name in named if stack.value(name)]
    lines.append(f"Gateway endpoints: {', '.join(stack.value('aws_network_gateway_endpoints'))}")
    services: list[str] = stack.value("aws_network_interface_endpoints")
    return "\n".join([*lines, f"Interface endpoints: {', '.join(services)}"])


def _text(x: float, y: float, text: str, style: str, *, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}"{anchor}>{escape(text)}</text>'
