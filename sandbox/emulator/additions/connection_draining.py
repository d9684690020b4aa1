# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection draining: a deregistered target gets no new requests and finishes those that it has.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
moto 5.2.5 forgets a target at once. Here one that had been healthy is `draining` until the load balancer has let go of it and
the group's deregistration delay has passed since. AWS ends sooner when no request is under way; nobody counts them here.
Without real load balancers there is nothing to finish.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from moto.elbv2.models import ELBv2Backend, FakeTargetGroup, elbv2_backends

from sandbox.emulator.additions.patching import wrap
from sandbox.emulator.clock import every_second
from sandbox.emulator.runtime import runtime
from sandbox.settings import ACCOUNT_ID, REGIONS


def draining(target_group: Any) -> dict[str, float | None]:
    """Targets that are draining -> when the load balancer let go of them (monotonic seconds), None while it has not."""
    found: dict[str, float | None] = target_group.__dict__.setdefault("sandbox_draining", {})
    return found


def is_draining(target_groups: Any, instance_id: str) -> bool:
    """Whether any of the target groups still waits for requests of this instance."""
    return any(instance_id in draining(target_group) for target_group in target_groups)


def advance(target_group: Any, used: bool, now: float) -> bool:
    """One look at a target group, which a listener uses or not; True when a target has finished."""
    waiting, before = draining(target_group), len(draining(target_group))
    known = runtime.target_health.get(target_group.arn, {}) if used else {}
    delay_seconds = float(target_group.attributes["deregistration_delay.timeout_seconds"])
    for name in list(waiting):
        if waiting[name] is None and name not in known:
            waiting[name] = now
        released = waiting[name]
        if not _runs(target_group, name) or (released is not None and now - released >= delay_seconds):
            del waiting[name]
    return len(waiting) < before


def tick() -> bool:
    changed = False
    for region in REGIONS:
        backend = elbv2_backends[ACCOUNT_ID][region]
        for arn, target_group in backend.target_groups.items():
            if draining(target_group):
                changed |= advance(target_group, backend._any_listener_using(arn), time.monotonic())
    return changed


@functools.cache
def install() -> None:
    @wrap(FakeTargetGroup, "deregister")
    def deregister(original: Any, self: Any, targets: list[dict[str, Any]]) -> None:
        busy = [] if runtime.standalone else [target["Id"] for target in targets if _is_busy(self, target)]
        original(self, targets)
        draining(self).update(dict.fromkeys(busy))

    @wrap(FakeTargetGroup, "register")
    def register(original: Any, self: Any, targets: list[dict[str, Any]]) -> None:
        original(self, targets)
        for target in targets:
            draining(self).pop(target["Id"], None)

    @wrap(FakeTargetGroup, "health_for")
    def health_for(original: Any, self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        health = original(self, target, ec2_backend)
        if target["Id"] in draining(self):
            health.status, health.reason = "draining", "Target.DeregistrationInProgress"
            health.description = "Target deregistration is in progress"
        return health

    @wrap(ELBv2Backend, "describe_target_health")
    def describe_target_health(original: Any, self: Any, target_group_arn: str, targets: list[dict[str, Any]]) -> Any:
        found = original(self, target_group_arn, targets)
        if targets:
            return found
        target_group = self.target_groups[target_group_arn]
        leaving = [{"Id": name, "Port": target_group.port} for name in draining(target_group)]
        return found + [target_group.health_for(target, self.ec2_backend) for target in leaving]

    every_second(tick)


def _is_busy(target_group: Any, target: dict[str, Any]) -> bool:
    """Whether a target may have requests under way: it runs, and its load balancer has found it healthy."""
    if target["Id"] not in target_group.targets:
        return False
    return _runs(target_group, target["Id"]) and target_group.health_for(target, target_group.ec2_backend).status == "healthy"


def _runs(target_group: Any, name: str) -> bool:
    """Whether the target can still answer; one that is no instance always can."""
    instance = target_group.ec2_backend.get_instance_by_id(name)
    return instance is None or instance.state == "running"
