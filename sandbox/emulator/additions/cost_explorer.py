# SPDX-License-Identifier: GPL-3.0-or-later
"""Cost anomaly monitors and subscriptions, and cost allocation tags.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_CreateAnomalyMonitor.html
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_CreateAnomalySubscription.html
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_UpdateCostAllocationTagsStatus.html
moto 5.2.5 has none of it. A key of a tag counts as known, and inactive, as soon as somebody asks for it; AWS needs a day.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from typing import Any

from moto.ce.models import CostExplorerBackend
from moto.ce.responses import CostExplorerResponse
from moto.core.exceptions import JsonRESTError

from sandbox.emulator.additions.patching import add, wrap

MONITOR, SUBSCRIPTION = "Monitor", "Subscription"


@functools.cache
def install() -> None:
    @wrap(CostExplorerBackend, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.anomaly_monitors, self.anomaly_subscriptions, self.cost_allocation_tags = {}, {}, {}

    for kind in (MONITOR, SUBSCRIPTION):
        low = kind.lower()
        add(CostExplorerResponse, f"create_anomaly_{low}")(_creator(kind))
        add(CostExplorerResponse, f"get_anomaly_{low}s")(_reader(kind))
        add(CostExplorerResponse, f"update_anomaly_{low}")(_changer(kind))
        add(CostExplorerResponse, f"delete_anomaly_{low}")(_remover(kind))

    @add(CostExplorerResponse, "list_cost_allocation_tags")
    def list_cost_allocation_tags(self: Any) -> str:
        known = self.ce_backend.cost_allocation_tags
        for key in self._get_param("TagKeys", []):
            known.setdefault(key, "Inactive")
        asked = self._get_param("TagKeys", list(known))
        tags = [{"TagKey": key, "Type": "UserDefined", "Status": known[key]} for key in asked]
        return json.dumps({"CostAllocationTags": tags})

    @add(CostExplorerResponse, "update_cost_allocation_tags_status")
    def update_cost_allocation_tags_status(self: Any) -> str:
        given = self._get_param("CostAllocationTagsStatus")
        self.ce_backend.cost_allocation_tags |= {tag["TagKey"]: tag["Status"] for tag in given}
        return json.dumps({"Errors": []})


def _things(response: Any, kind: str) -> dict[str, dict[str, Any]]:
    """ARN -> thing."""
    backend = response.ce_backend
    return backend.anomaly_monitors if kind == MONITOR else backend.anomaly_subscriptions


def _known(response: Any, kind: str, arns: list[str]) -> list[str]:
    for arn in arns:
        if arn not in _things(response, kind):
            raise JsonRESTError(f"Unknown{kind}Exception", f"The {kind.lower()} {arn} does not exist.")
    return arns


def _creator(kind: str) -> Callable[[Any], str]:
    def create(self: Any) -> str:
        given = self._get_param(f"Anomaly{kind}")
        arn = f"arn:aws:ce::{self.current_account}:anomaly{kind.lower()}/{uuid.uuid4()}"
        dimension = given.get("MonitorDimension")
        if dimension and any(one.get("MonitorDimension") == dimension for one in _things(self, kind).values()):
            raise JsonRESTError("LimitExceededException", "Limit exceeded on dimensional spend monitor creation")
        _known(self, MONITOR, given.get("MonitorArnList", []))
        _things(self, kind)[arn] = {**given, f"{kind}Arn": arn}
        self.ce_backend.tag_resource(arn, self._get_param("ResourceTags", []))
        return json.dumps({f"{kind}Arn": arn})

    return create


def _reader(kind: str) -> Callable[[Any], str]:
    def get(self: Any) -> str:
        things = _things(self, kind)
        wanted = _known(self, kind, self._get_param(f"{kind}ArnList", list(things)))
        return json.dumps({f"Anomaly{kind}s": [things[arn] for arn in wanted]})

    return get


def _changer(kind: str) -> Callable[[Any], str]:
    def update(self: Any) -> str:
        (arn,) = _known(self, kind, [self._get_param(f"{kind}Arn")])
        _things(self, kind)[arn] |= json.loads(self.body)
        return json.dumps({f"{kind}Arn": arn})

    return update


def _remover(kind: str) -> Callable[[Any], str]:
    def delete(self: Any) -> str:
        (arn,) = _known(self, kind, [self._get_param(f"{kind}Arn")])
        del _things(self, kind)[arn]
        for subscription in self.ce_backend.anomaly_subscriptions.values():  # AWS takes the monitor out of them
            subscription["MonitorArnList"] = [one for one in subscription["MonitorArnList"] if one != arn]
        return "{}"

    return delete
