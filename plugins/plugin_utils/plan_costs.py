# SPDX-License-Identifier: GPL-3.0-or-later
"""What one planned task adds to a month's bill: from the calls that the worker recorded, or from what a removal would remove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Cost, Item, Thing, Unpriced, cost, table
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs_of_calls import is_unknown, items

# Kinds of owned_resource that cost by the month, and what of the price table they are; None where nobody has read the size that matters.
REMOVED = {
    **{"ec2:natgateway": "nat_gateway", "ec2:elastic-ip": "public_ipv4", "kms:key": "key", "secretsmanager:secret": "secret"},
    "cloudwatch:alarm": "alarm_metric",
    **dict.fromkeys(
        ("autoscaling:autoScalingGroup", "ec2:instance", "ec2:volume", "ec2:vpc-endpoint", "elasticloadbalancing:loadbalancer")
    ),
    **dict.fromkeys(("rds:db", "elasticache:replicationgroup")),
}


def cost_of(plan: Mapping[str, Any], arguments: Mapping[str, Any] | None = None) -> Cost:
    """The cost of a task by its plan, as the worker or owned_resource report it; the arguments of the latter say what it removes."""
    calls, sized = list(plan.get("calls", ())), plan.get("costs")
    if sized is None and plan.get("action") == "delete":
        return cost(_removed(str((arguments or {}).get("kind")), str(plan.get("resource"))))
    if not calls:  # a module that says what it would do without doing it
        return cost(_item(one) for told in sized or () for one in told)
    return cost(item for call, told in zip(calls, sized or [None] * len(calls), strict=True) for item in _of_call(call, told))


def _removed(kind: str, resource: str) -> Iterator[Item]:
    if kind in REMOVED:
        priced = REMOVED[kind]
        yield Thing(priced, "", -1) if priced else Unpriced(f"{resource}, which goes")


def _of_call(call: Mapping[str, Any], told: list[dict[str, Any]] | None) -> list[Item]:
    """What a call adds; without the worker's word for it, what its own parameters tell."""
    service, operation, region = call["service"], call["operation"], call["region"]
    found = items(service, operation, call["parameters"]) if told is None else [_item(one) for one in told]
    if found and region and region not in table().regions:
        return [Unpriced(f"{service}:{operation} in {region}")]
    return [Unpriced(f"{service}:{operation}")] if is_unknown(service, operation) else found


def _item(told: Mapping[str, Any]) -> Item:
    return Unpriced(told["unpriced"]) if "unpriced" in told else Thing(told["kind"], told["size"], told["count"])
