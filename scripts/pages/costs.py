# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/costs.md: what the environments cost a month as they are declared, against their budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import (
    Cost,
    Item,
    Thing,
    Unpriced,
    alarm_metrics,
    containers,
    cost,
    database,
    described,
    gathered,
    instances,
    price,
    table,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import entries_of, is_of_cloudwatch, metrics_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import instances as instances_of

from scripts.pages.environments import REAL
from scripts.pages.inventory import Stack, stacks

HEAD = """\
# What the environments cost

Made from the inventories and the price table by `python -m scripts.pages`; do not edit. US dollars a month of {hours} hours, by prices
of {date}: {source}.
A plan tells by the same prices what a change adds ([planning](planning.md)).

An estimate has what costs as long as it is there. Assumed is that tiers run at their desired capacity, that spot capacity costs
{spot:.0%} of the same on demand and is of the tier's own type, and that storage has the size that it begins with. What grows with
traffic and stored bytes is not in it; its rates are at the end.
"""


# ---- What a stack's roles make that costs ----------------------------------------------------------------------------------------


def _keys(stack: Stack) -> Iterator[Item]:
    yield Thing("key", "", len(stack.value("aws_keys_keys")))
    yield Thing("secret")  # the bastion's ssh key


def _network(stack: Stack) -> Iterator[Item]:
    zones = len(stack.value("availability_zones"))
    gateways = {"none": 0, "one": 1, "per_zone": zones}[stack.value("aws_network_nat_gateways")]
    yield Thing("nat_gateway", "", gateways)
    yield Thing("public_ipv4", "", gateways)
    yield Thing("interface_endpoint", "", zones * len(stack.value("aws_network_interface_endpoints")))
    # The VPC's own, and a peering that the primary region pays for.
    peers = len(stack.value("aws_network_transit_peers"))
    yield Thing("transit_gateway_attachment", "", bool(peers) + (peers if stack.kind == "primary" else 0))


def _database(stack: Stack) -> Iterator[Item]:
    storage = stack.value("aws_database_allocated_storage_gib")
    if stack.region == stack.value("aws_database_primary_region"):
        yield from database(stack.value("aws_database_instance_class"), storage, multi_az=stack.value("aws_database_multi_az"))
        copies = len(stack.value("secret_replica_regions") or [])
        yield Thing("secret", "", 2 * (1 + copies))  # the application's credentials, and the administrator's
    for replica in stack.value("aws_database_replicas"):
        size = replica.get("instance_class", stack.value("aws_database_instance_class"))
        yield from database(size, storage, multi_az=replica.get("multi_az", False))


def _cache(stack: Stack) -> Iterator[Item]:
    yield Thing("cache_node", stack.value("aws_cache_node_type"), 1 + stack.value("aws_cache_replicas"))
    yield Thing("secret")


def _load_balancing(stack: Stack) -> Iterator[Item]:
    yield Thing("application_load_balancer", "", 2)
    yield Thing("public_ipv4", "", len(stack.value("availability_zones")))  # the internal one has none


def _compute(stack: Stack) -> Iterator[Item]:
    watched = 0
    for tier in stack.value("aws_compute_tiers").values():
        yield from instances(tier["desired"], tier["instance_type"], 100 - int(stack.value("aws_compute_spot_percentage")))
        yield Thing("volume", "", tier["desired"] * tier["root_volume_gib"])
        watched += tier["desired"]
    bastions = stack.value("aws_compute_bastions")
    yield Thing("instance", stack.value("aws_compute_bastion_instance_type"), bastions)
    yield Thing("volume", "", bastions * stack.value("aws_compute_bastion_root_volume_gib"))
    yield Thing("public_ipv4", "", bastions)
    if stack.value("aws_compute_detailed_monitoring"):
        yield Thing("detailed_monitoring", "", watched + bastions)


def _containers(stack: Stack) -> Iterator[Item]:
    spot = stack.value("aws_containers_spot_percentage") == 100
    counts = stack.value("aws_containers_desired_counts")
    for service in stack.value("aws_containers_services"):
        yield from containers(counts.get(service["name"], 0), service["cpu"], service["memory_mib"], spot=spot)


def _edge(stack: Stack) -> Iterator[Item]:
    """A zone, checks and a firewall for the distribution once; a firewall for each region's load balancer."""
    yield Thing("web_acl")
    yield Thing("web_acl_rule", "", len(stack.value("aws_edge_firewall_rules")))
    if stack.kind == "global":
        yield Thing("hosted_zone")
        yield Thing("health_check", "", len(stack.value("aws_edge_origins")))
        yield Thing("health_check_feature", "", len(stack.value("aws_edge_origins")))  # by https
        # What CloudFront sends, and what the origins of every region accept.
        yield Thing("secret", "", 2 + len(stack.value("secret_replica_regions") or []))
        yield Thing("shield_advanced", "", int(stack.value("aws_edge_shield_advanced")))


def _monitoring(stack: Stack) -> Iterator[Item]:
    own = entries_of(stack.value("aws_monitoring_alarms"), {"kind": stack.kind, "layers": stack.layers})
    made = [entry for entry in own if is_of_cloudwatch(entry)]
    over_others = [entry for entry in made if not metrics_of(entry)]
    for entry in made:
        metrics = alarm_metrics(len(metrics_of(entry)), of_anomaly=bool(entry.get("threshold_metric_id")))
        yield Thing("alarm_metric", "", len(instances_of(entry)) * metrics)
    yield Thing("composite_alarm", "", sum(len(instances_of(entry)) for entry in over_others))
    yield Thing(
        "dashboard", "", len([one for one in stack.value("aws_monitoring_dashboards") if stack.kind in one.get("stacks", [stack.kind])])
    )
    if stack.kind == "primary" and "monitoring" in (stack.value("aws_compute_tiers") or {}):
        # Who may read metrics, with copies; the password; the database's login; Grafana's; what channels of alerts want to know.
        yield Thing("secret", "", 5 + len(stack.value("aws_monitoring_secret_replica_regions")))


def _free(_stack: Stack) -> Iterator[Item]:
    """Nothing of it costs as long as it is only there."""
    return iter(())


ESTIMATES: dict[str, Callable[[Stack], Iterator[Item]]] = {
    "aws_keys": _keys,
    "aws_network": _network,
    "aws_security_groups": _free,
    "aws_storage": _free,
    "aws_messaging": _free,
    "aws_database": _database,
    "aws_cache": _cache,
    "aws_load_balancing": _load_balancing,
    "aws_images": _free,  # builders live for minutes
    "aws_compute": _compute,
    "aws_identity": _free,
    "aws_account": _free,
    "aws_audit": _free,  # by what they record and look at
    "aws_backup": _free,  # by what is stored
    "aws_containers": _containers,
    "aws_cost": _free,
    "aws_edge": _edge,
    "aws_functions": _free,  # by requests
    "aws_monitoring": _monitoring,
    "aws_patching": _free,
}


def items(stack: Stack) -> dict[str, list[Item]]:
    """What each role of a stack makes that costs; a role that nobody has estimated is told as not priced."""
    made = {role: ESTIMATES[role](stack) if role in ESTIMATES else iter([Unpriced(f"role {role}")]) for role in stack.layers}
    return {role: found for role, given in made.items() if (found := gathered(given))}


def estimate(environment: str) -> Cost:
    """What an environment costs as it is declared."""
    return cost(item for stack in stacks(environment) for found in items(stack).values() for item in found)


# ---- Budgets ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """What an environment may cost."""

    usd: int
    expected: dict[str, int]
    """The part that is meant for what no estimate has."""
    exception: str
    """Why it may be more than the specification says; empty when it is not."""


@cache
def declared_budgets() -> Any:
    """What budgets.yml says."""
    return yaml.safe_load(Path(__file__).with_name("budgets.yml").read_text(encoding="utf-8"))


def budget(environment: str) -> Budget:
    """The budget of an environment, raised where an exception says so."""
    data = declared_budgets()
    given, exception = data["budgets"][environment], data["exceptions"].get(environment, {})
    return Budget(exception.get("usd", given["usd"]), given["expected"], exception.get("reason", ""))


# ---- The page --------------------------------------------------------------------------------------------------------------------


def page() -> str:
    """The whole page."""
    known = table()
    spot = price(Thing("spot_instance", "t3.medium")), price(Thing("instance", "t3.medium"))
    head = HEAD.format(date=known.date.isoformat(), source=known.source, hours=known.hours_a_month, spot=(spot[0] or 0) / (spot[1] or 1))
    lines = [head, "| | estimate | budget | left for traffic and stored bytes | of which the budget expects |", "|---|---:|---:|---:|---:|"]
    lines += [_summary(environment) for environment in REAL]
    lines += [f"\n{environment}: {reason}" for environment in REAL if (reason := budget(environment).exception)]
    for environment in REAL:
        lines.append(f"\n## {environment}")
        for stack in stacks(environment):
            lines += _stack(stack)
    lines += ["\n## What is left out\n", "| | rate in USD |", "|---|---|", *map(_rate, known.left_out)]
    return "\n".join(lines) + "\n"


def _summary(environment: str) -> str:
    total, allowed = estimate(environment), budget(environment)
    unpriced = f" and what is not priced: {', '.join(total.unpriced)}" if total.unpriced else ""
    expected = ", ".join(f"{name} {usd}" for name, usd in allowed.expected.items())
    return f"| {environment} | {total.usd:,.0f}{unpriced} | {allowed.usd:,} | {allowed.usd - total.usd:,.0f} | {expected} |"


def _stack(stack: Stack) -> Iterator[str]:
    made = items(stack)
    if not made:
        return
    total = cost(item for found in made.values() for item in found)
    yield f"\n### {stack.name}: {total.usd:,.2f}\n"
    yield from ("| role | what | count | one | all |", "|---|---|---:|---:|---:|")
    for role, found in made.items():
        yield from (_row(role, item) for item in found)


def _row(role: str, item: Item) -> str:
    if isinstance(item, Unpriced):
        return f"| {role} | {item.what} | | not priced | |"
    unit, one = table().prices[item.kind].unit, price(item)
    count = f"{item.count:,g}{f' {unit}' if unit else ''}"
    if one is None:
        return f"| {role} | {described(item)} | {count} | not priced | |"
    return f"| {role} | {described(item)} | {count} | {one:,.{3 if round(one, 2) != round(one, 3) else 2}f} | {one * item.count:,.2f} |"


def _rate(rate: dict[str, Any]) -> str:
    parts: Iterable[str] = (f"{rate['usd']:g} for each {rate['unit']}" if "usd" in rate else rate["unit"], str(rate.get("besides", "")))
    return f"| {rate['name']} | {'; '.join(filter(None, parts))} |"
