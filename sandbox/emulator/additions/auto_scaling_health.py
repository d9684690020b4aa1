# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacement of unhealthy members, and groups that return to their desired capacity.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
moto 5.2.5 replaces terminated instances only: neither a stopped instance, nor one that its load balancer finds unhealthy,
nor one marked by SetInstanceHealth.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.core.utils import utcnow

from sandbox.emulator.additions.auto_scaling_groups import discharge, end_drained
from sandbox.emulator.clock import every_second
from sandbox.settings import ACCOUNT_ID, REGIONS


def age_seconds(instance: Any) -> float:
    return float((utcnow() - instance.launch_time).total_seconds())


def target_states(group: Any, instance_id: str) -> list[str]:
    """What the group's target groups say about one instance."""
    known = group.autoscaling_backend.elbv2_backend.target_groups
    return [
        known[arn].health_for({"Id": instance_id}, group.ec2_backend).status
        for arn in group.target_group_arns
        if arn in known and instance_id in known[arn].targets
    ]


def verdict(group: Any, state: Any) -> str | None:
    """Why this member must be replaced, or None."""
    if state.instance.state not in ("pending", "running"):
        return f"an instance was taken out of service in response to an EC2 health check: it is {state.instance.state}"
    if state.health_status != "Healthy":
        return "an instance was taken out of service in response to a user health-check"
    in_grace = age_seconds(state.instance) < int(group.health_check_grace_period or 0)
    if "ELB" in group.health_check_type and not in_grace and "unhealthy" in target_states(group, state.instance.id):
        return "an instance was taken out of service in response to an ELB system health check failure"
    return None


def keep_healthy(group: Any) -> bool:
    """One look at a group; True when its members changed."""
    suspended = set(group._suspended_processes)
    before = [state.instance.id for state in group.instance_states]
    end_drained(group)
    if not suspended & {"HealthCheck", "ReplaceUnhealthy", "Terminate"}:
        for state in group.active_instances():
            if reason := verdict(group, state):
                state.health_status = "Unhealthy"
                discharge(group, state, reason)
    if len(group.active_instances()) < int(group.desired_capacity or 0):
        group.set_desired_capacity(group.desired_capacity)
    return [state.instance.id for state in group.instance_states] != before


def tick() -> bool:
    groups = [group for region in REGIONS for group in autoscaling_backends[ACCOUNT_ID][region].autoscaling_groups.values()]
    changes = [keep_healthy(group) for group in groups]
    return any(changes)


@functools.cache
def install() -> None:
    every_second(tick)
