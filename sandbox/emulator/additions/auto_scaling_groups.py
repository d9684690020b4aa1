# SPDX-License-Identifier: GPL-3.0-or-later
"""Auto Scaling groups: where and from what members are launched, which ones leave, and who gets traffic.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html (balance over Availability Zones)
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
moto 5.2.5 launches everything into the first subnet from the template's default version, ignores overrides and the share
of Spot, gives a mixed group an instance too few when its shares are no whole numbers, removes members at random, leaves them
registered with target groups and replacements unregistered, forgets a mixed instances policy that an update does not repeat,
ignores several attributes, keeps tags in the order of arrival, records no activities, has no DisableMetricsCollection, and ends a
member before its load balancers have finished with it.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import Activity, AutoScalingBackend, FakeAutoScalingGroup, InstanceState, TerminateInstanceActivity
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from sandbox.emulator.additions.connection_draining import is_draining
from sandbox.emulator.additions.patching import add, replace_property, wrap

GROUP_NAME_TAG = "aws:autoscaling:groupName"
_LEAVING = "Terminating"
_MOST_ACTIVITIES = 200  # AWS keeps six weeks of them
_EXTRA_ATTRIBUTES = {  # parameter -> attribute: stored and returned, without effect here
    "CapacityRebalance": "capacity_rebalance",
    "DefaultCooldown": "default_cooldown",
    "DefaultInstanceWarmup": "default_instance_warmup",
    "MaxInstanceLifetime": "max_instance_lifetime",
    "TerminationPolicies": "termination_policies",
}


def subnet_ids(group: Any) -> list[str]:
    return [subnet.strip() for subnet in (group.vpc_zone_identifier or "").split(",") if subnet.strip()]


def next_subnet(candidates: list[str], taken: Iterable[str]) -> str:
    """The candidate with the fewest members; the first one named wins a tie."""
    members = Counter(taken)
    return min(candidates, key=lambda subnet: members[subnet])


def scale_in_order(states: list[Any]) -> list[Any]:
    """Members in the order in which they leave: from the fullest zone the oldest one, again and again; protected ones last."""
    waiting = [state for state in states if not state.protected_from_scale_in]
    zones = Counter(state.availability_zone for state in states)
    leaving = []
    while waiting:
        chosen = min(waiting, key=lambda state: (-zones[state.availability_zone], state.instance.launch_time))
        zones[chosen.availability_zone] -= 1
        waiting.remove(chosen)
        leaving.append(chosen)
    return leaving + [state for state in states if state.protected_from_scale_in]


@dataclass(frozen=True)
class LaunchSettings:
    """From what the next member is launched; `mixed` is the mixed instances policy, empty when the group has none."""

    template: Any
    version: Any
    mixed: dict[str, Any]

    @property
    def overridden_type(self) -> str | None:
        """Instance type of the first override: the prioritised strategy with capacity for all."""
        overrides = (self.mixed.get("LaunchTemplate") or {}).get("Overrides") or [{}]
        return overrides[0].get("InstanceType")

    @property
    def identity(self) -> tuple[str, str]:
        return self.template.id, str(self.version.number)


def launch_settings(group: Any) -> LaunchSettings:
    """The group's own settings, unless a running instance refresh brings another configuration."""
    override = getattr(group, "launch_override", None)
    if not override:
        return LaunchSettings(
            group.ec2_launch_template,
            group.ec2_launch_template.get_version(group.launch_template_version),
            group.mixed_instances_policy or {},
        )
    mixed = override.get("MixedInstancesPolicy") or {}
    wanted = override.get("LaunchTemplate") or mixed["LaunchTemplate"]["LaunchTemplateSpecification"]
    backend = group.ec2_backend
    template = (
        backend.get_launch_template(wanted["LaunchTemplateId"])
        if wanted.get("LaunchTemplateId")
        else backend.get_launch_template_by_name(wanted["LaunchTemplateName"])
    )
    return LaunchSettings(template, template.get_version(wanted.get("Version") or "$Default"), mixed)


def launches_spot(group: Any, mixed: dict[str, Any]) -> bool:
    """Whether the next member of a mixed group is a Spot instance, by base capacity and percentage above it."""
    distribution = mixed.get("InstancesDistribution")
    if not distribution:
        return False
    base = int(distribution.get("OnDemandBaseCapacity") or 0)
    percentage = distribution.get("OnDemandPercentageAboveBaseCapacity")
    percentage = 100 if percentage is None else int(percentage)
    desired = int(group.desired_capacity or 0)
    on_demand_wanted = base + math.ceil(max(0, desired - base) * percentage / 100)
    on_demand = sum(state.instance.lifecycle != "spot" for state in group.active_instances())
    return on_demand >= on_demand_wanted


def launch_member(group: Any) -> None:
    """Start one instance for the group, in the subnet with the fewest members."""
    settings = launch_settings(group)
    template, version = settings.template, settings.version
    candidates = subnet_ids(group)
    reservation = group.ec2_backend.run_instances(
        version.image_id,
        1,
        version.user_data,
        version.security_groups,
        instance_type=settings.overridden_type or version.instance_type,
        is_instance_type_default=False,
        region_name=group.region,
        tags={"instance": version.instance_tags | group.get_propagated_tags() | {GROUP_NAME_TAG: group.name}},
        placement=None if candidates else group.availability_zones[0],
        subnet_id=next_subnet(candidates, (state.instance.subnet_id for state in group.active_instances())) if candidates else None,
        launch_template={"LaunchTemplateId": template.id, "Version": str(version.number)},
        instance_market_options="spot" if launches_spot(group, settings.mixed) else None,
        associate_public_ip=None,
    )
    instance = reservation.instances[0]
    instance.autoscaling_group = group
    instance.launched_from = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": str(version.number)}
    group.instance_states.append(InstanceState(instance, protected_from_scale_in=group.new_instances_protected_from_scale_in))
    record(group, f"Launching a new EC2 instance: {instance.id}", "The group had fewer instances than its desired capacity.")


def discharge(group: Any, state: Any, cause: str) -> None:
    """Take one member out of service and end it when its target groups have finished with it; the caller decides about a replacement."""
    state.lifecycle_state = _LEAVING
    record(group, f"Terminating EC2 instance: {state.instance.id}", cause)
    group.autoscaling_backend.update_attached_target_groups(group.name)
    end_drained(group)


def leaving(group: Any) -> list[Any]:
    """Members that get no new requests and may still finish those that they have."""
    return [state for state in group.instance_states if state.lifecycle_state == _LEAVING]


def end_drained(group: Any) -> bool:
    """Terminate the leaving members that no target group waits for; True when there were any."""
    known = group.autoscaling_backend.elbv2_backend.target_groups
    target_groups = [known[arn] for arn in group.target_group_arns if arn in known]
    ended = [state for state in leaving(group) if not is_draining(target_groups, state.instance.id)]
    group.instance_states = [state for state in group.instance_states if state not in ended]
    if ended:
        group.ec2_backend.terminate_instances([state.instance.id for state in ended])
    return bool(ended)


def record(group: Any, description: str, cause: str) -> None:
    """Keep one scaling activity, newest first."""
    activity = Activity(description, cause, group, status_code="Successful")
    activity.progress = 100
    kept = group.autoscaling_backend.__dict__.setdefault("sandbox_activities", [])
    kept.insert(0, activity)
    del kept[_MOST_ACTIVITIES:]


def _sort_tags(group: Any) -> None:
    group.tags = sorted(group.tags, key=lambda tag: tag["Key"])


@functools.cache
def install() -> None:
    _install_membership()
    _install_targets()
    _install_attributes()
    _install_calls()


def _install_membership() -> None:
    @wrap(FakeAutoScalingGroup, "replace_autoscaling_group_instances")
    def launch(original: Any, self: Any, count_needed: int, propagated_tags: dict[str, str]) -> None:
        if "Launch" in self._suspended_processes:
            return
        if self.ec2_launch_template is None:
            original(self, count_needed, propagated_tags)
            return
        for _ in range(count_needed):
            launch_member(self)

    @wrap(FakeAutoScalingGroup, "set_desired_capacity")
    def set_desired_capacity(_original: Any, self: Any, new_capacity: int | None) -> None:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        surplus = len(self.active_instances()) - (self.desired_capacity or 0)
        if surplus < 0:
            self.replace_autoscaling_group_instances(-surplus, self.get_propagated_tags())
        removable = [state for state in scale_in_order(self.active_instances()) if not state.protected_from_scale_in]
        for state in removable[: max(surplus, 0)]:
            discharge(self, state, "The group had more instances than its desired capacity.")
        if self.name in self.autoscaling_backend.autoscaling_groups:
            self.autoscaling_backend.update_attached_elbs(self.name)
            self.autoscaling_backend.update_attached_target_groups(self.name)

    @wrap(AutoScalingBackend, "notify_terminate_instances")
    def notify_terminate_instances(original: Any, self: Any, instance_ids: list[str]) -> None:
        affected = [
            group for group in self.autoscaling_groups.values() if any(state.instance.id in instance_ids for state in group.instance_states)
        ]
        original(self, instance_ids)
        for group in affected:
            self.update_attached_target_groups(group.name)

    @wrap(AutoScalingBackend, "terminate_instance")
    def terminate_instance(_original: Any, self: Any, instance_id: str, should_decrement: bool) -> TerminateInstanceActivity:
        for group in self.autoscaling_groups.values():
            for state in group.active_instances():
                if state.instance.id == instance_id:
                    size = group.desired_capacity
                    discharge(group, state, "an instance was taken out of service in response to a user request")
                    group.set_desired_capacity(size - 1 if should_decrement else size)
                    return TerminateInstanceActivity(state.instance, size)
        raise AutoscalingClientError("ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}")

    @wrap(AutoScalingBackend, "delete_auto_scaling_group")
    def delete_auto_scaling_group(original: Any, self: Any, group_name: str) -> None:
        group = self.autoscaling_groups.get(group_name)
        original(self, group_name)
        for state in group.instance_states:  # a forced deletion waits for nothing
            group.ec2_backend.terminate_instances([state.instance.id])

    # What a member was launched from; moto answers with the template's default version.
    replace_property(InstanceState, "launch_template", lambda state: getattr(state.instance, "launched_from", None))


def _introduced(group: Any) -> dict[str, set[str]]:
    """ARN of a target group -> ids of the members that have been registered with it."""
    found: dict[str, set[str]] = group.__dict__.setdefault("sandbox_introduced", {})
    return found


def _install_targets() -> None:
    @wrap(AutoScalingBackend, "update_attached_target_groups")
    def update_attached_target_groups(_original: Any, self: Any, group_name: str) -> None:
        """Register the members that came and deregister those that this group launched and has let go.

        Each is registered once: one that somebody takes out stays out until he puts it in again.
        """
        group = self.autoscaling_groups[group_name]
        members = {state.instance.id: state.instance for state in group.active_instances()}
        known = self.elbv2_backend.target_groups
        introduced = {arn: names for arn, names in _introduced(group).items() if arn in group.target_group_arns}
        group.sandbox_introduced = introduced
        for target_group in (known[arn] for arn in group.target_group_arns if arn in known):
            met = introduced.setdefault(target_group.arn, set(target_group.targets))
            former = [
                {"Id": target_id}
                for target_id in target_group.targets
                if target_id not in members and getattr(self.ec2_backend.get_instance_by_id(target_id), "autoscaling_group", None) is group
            ]
            new = [
                {"Id": instance.id, "Port": target_group.port}
                for instance in members.values()
                if instance.id not in met and instance.state == "running"
            ]
            target_group.deregister(former)
            target_group.register(new)
            met.update(target["Id"] for target in new)

    @wrap(AutoScalingBackend, "detach_load_balancer_target_groups")
    def detach_load_balancer_target_groups(original: Any, self: Any, group_name: str, target_group_arns: list[str]) -> None:
        original(self, group_name, target_group_arns)
        for arn in target_group_arns:  # attached again, all are registered again
            _introduced(self.autoscaling_groups[group_name]).pop(arn, None)


def _install_attributes() -> None:
    @wrap(FakeAutoScalingGroup, "update")
    def update(original: Any, self: Any, *, mixed_instances_policy: dict[str, Any] | None = None, **named: Any) -> None:
        if not mixed_instances_policy and not named.get("launch_template") and not named.get("launch_config_name"):
            kept = self.mixed_instances_policy
            original(self, mixed_instances_policy=None, **named)
            self.mixed_instances_policy = kept
        else:
            original(self, mixed_instances_policy=mixed_instances_policy, **named)

    for operation in ("create_auto_scaling_group", "update_auto_scaling_group"):

        @wrap(AutoScalingResponse, operation)
        def store(original: Any, self: Any) -> Any:
            answer = original(self)
            group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
            for parameter, attribute in _EXTRA_ATTRIBUTES.items():
                if (value := self._get_param(parameter)) is not None:
                    setattr(group, attribute, value)
            _sort_tags(group)
            return answer

    @wrap(AutoScalingBackend, "create_or_update_tags")
    def create_or_update_tags(original: Any, self: Any, tags: list[dict[str, str]]) -> None:
        original(self, tags)
        for name in {tag["ResourceId"] for tag in tags}:
            _sort_tags(self.autoscaling_groups[name])


def _install_calls() -> None:
    @add(AutoScalingResponse, "disable_metrics_collection")
    def disable_metrics_collection(self: Any) -> ActionResult:
        group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
        unwanted = self._get_param("Metrics", [])
        group.metrics = [metric for metric in group.metrics if unwanted and metric not in unwanted]
        return EmptyResult()

    @wrap(AutoScalingResponse, "describe_scaling_activities")
    def describe_scaling_activities(_original: Any, self: Any) -> ActionResult:
        name = self._get_param("AutoScalingGroupName")
        kept = getattr(self.autoscaling_backend, "sandbox_activities", [])
        return ActionResult({"Activities": [activity for activity in kept if name in (None, activity.auto_scaling_group_name)]})
