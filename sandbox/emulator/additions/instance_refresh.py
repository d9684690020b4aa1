# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance refresh: members are replaced batch by batch, each batch waiting for the health of the one before.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html
moto 5.2.5 has none of these calls. Supported here: MinHealthyPercentage, MaxHealthyPercentage, InstanceWarmup,
SkipMatching, AutoRollback, alarms and a desired configuration. Not supported: checkpoints, standby and protected instances.
"""

from __future__ import annotations

import functools
import math
import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import ActionResult
from moto.core.utils import utcnow

from sandbox.emulator.additions.auto_scaling_groups import discharge, launch_member, launch_settings, leaving
from sandbox.emulator.additions.auto_scaling_health import age_seconds, target_states
from sandbox.emulator.additions.patching import add
from sandbox.emulator.clock import every_second
from sandbox.settings import ACCOUNT_ID, REGIONS

STALL_SECONDS = 3600  # AWS gives up after an hour without progress
_NO_ROLLBACK = "A rollback needs a desired configuration with a launch template version given by its number"
_NONE_RUNNING = "No in progress or pending Instance Refresh found"
_RUNNING = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress"})
_SUCCESS = {"InProgress": "Successful", "RollbackInProgress": "RollbackSuccessful"}
_FAILURE = {"InProgress": "Failed", "RollbackInProgress": "RollbackFailed"}


@dataclass
class InstanceRefresh:
    """One refresh of one group; `outdated` are the members still to be replaced, `kept` those that need no
    replacement, `launched` the new ones."""

    group: Any
    preferences: dict[str, Any]
    desired_configuration: dict[str, Any]
    instance_refresh_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "Pending"
    status_reason: str | None = None
    start_time: datetime = field(default_factory=utcnow)
    end_time: datetime | None = None
    total: int = 0
    outdated: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    launched: set[str] = field(default_factory=set)
    progress_time: datetime = field(default_factory=utcnow)

    strategy = "Rolling"

    @property
    def auto_scaling_group_name(self) -> str:
        return str(self.group.name)

    @property
    def instances_to_update(self) -> int:
        return len(self.outdated)

    @property
    def percentage_complete(self) -> int:
        return 100 if not self.total else 100 * (self.total - len(self.outdated)) // self.total

    @property
    def running(self) -> bool:
        return self.status in _RUNNING

    # -- one step ---------------------------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Do what can be done now; True when members changed."""
        if self.status == "Pending":
            self._begin("InProgress", self.desired_configuration)
        if self.status == "Cancelling":
            self._end("Cancelled", "Cancelled by a user")
            return False
        members = {state.instance.id: state for state in self.group.active_instances()}
        if reason := self._reason_to_fail(members):
            return self._fail(reason)
        self.outdated &= members.keys()
        if not all(self._healthy(members[name]) for name in members.keys() - self.outdated):
            if (utcnow() - self.progress_time).total_seconds() > STALL_SECONDS:
                return self._fail("no instance became healthy for an hour")
            return False
        if not self.outdated:
            if not leaving(self.group):
                self._succeed()
            return False
        self.progress_time = utcnow()
        self._replace_batch(members)
        self.launched = {state.instance.id for state in self.group.active_instances()} - self.outdated - self.kept
        return True

    def cancel(self) -> None:
        self.status = "Cancelling"

    def roll_back(self, reason: str) -> None:
        """Return to the group's own configuration, which stands unchanged until a refresh succeeds."""
        self.status_reason = reason
        self._begin("RollbackInProgress", {})

    # -- details ----------------------------------------------------------------------------------------------------

    def _begin(self, status: str, configuration: dict[str, Any]) -> None:
        """Take stock: every member is outdated unless it matches the wanted template and matching ones are skipped."""
        self.status = status
        self.group.launch_override = configuration
        members = self.group.active_instances()
        self.outdated = {state.instance.id for state in members if not self._matches(state)}
        self.kept = {state.instance.id for state in members} - self.outdated
        self.launched = set()
        self.total = len(self.outdated)
        self.progress_time = utcnow()

    def _reason_to_fail(self, members: dict[str, Any]) -> str:
        lost = self.launched - members.keys()
        if lost:
            return f"the new instance {min(lost)} failed its health checks and was replaced"
        names = self.preferences.get("AlarmSpecification", {}).get("Alarms", []) if self.status == "InProgress" else []
        alarms = cloudwatch_backends[ACCOUNT_ID][self.group.region].alarms
        ringing = [name for name in names if name in alarms and alarms[name].state_value == "ALARM"]
        return f"the alarm {ringing[0]} is in alarm" if ringing else ""

    def _matches(self, state: Any) -> bool:
        rolling_back = self.status == "RollbackInProgress"
        if not (self.preferences.get("SkipMatching") or rolling_back):
            return False
        source = getattr(state.instance, "launched_from", None) or {}
        return (source.get("LaunchTemplateId"), source.get("Version")) == launch_settings(self.group).identity

    def _healthy(self, state: Any) -> bool:
        warmup = self.preferences.get("InstanceWarmup")
        if warmup is None:
            warmup = getattr(self.group, "default_instance_warmup", None) or self.group.health_check_grace_period or 0
        # Members that were there before have warmed up already.
        warm = state.instance.id in self.kept or age_seconds(state.instance) >= int(warmup)
        return warm and state.health_status == "Healthy" and set(target_states(self.group, state.instance.id)) <= {"healthy", "unused"}

    def _replace_batch(self, members: dict[str, Any]) -> None:
        """Terminate members beyond the desired capacity, else launch ahead if that is allowed, else terminate what may be missing."""
        desired = max(1, int(self.group.desired_capacity or 0))
        maximum = int(self.preferences.get("MaxHealthyPercentage") or 100)
        size = len(members) - desired
        if size <= 0 and maximum > 100:
            for _ in range(min(max(1, desired * (maximum - 100) // 100), len(self.outdated))):
                launch_member(self.group)
            self.group.autoscaling_backend.update_attached_target_groups(self.group.name)
            return
        if size <= 0:
            minimum = math.ceil(desired * int(self.preferences["MinHealthyPercentage"]) / 100)
            size = max(1, sum(self._healthy(state) for state in members.values()) - minimum)
        oldest = sorted(self.outdated, key=lambda name: members[name].instance.launch_time)
        for name in oldest[:size]:
            discharge(self.group, members[name], "an instance was taken out of service in response to an instance refresh")
            self.outdated.discard(name)
        self.group.set_desired_capacity(self.group.desired_capacity)

    def _fail(self, reason: str) -> bool:
        if self.status == "InProgress" and self.preferences.get("AutoRollback"):
            self.roll_back(f"Rolling back: {reason}")
            return True
        self._end(_FAILURE[self.status], reason)
        return False

    def _succeed(self) -> None:
        if self.status == "InProgress":
            template = self.desired_configuration.get("LaunchTemplate")
            mixed = self.desired_configuration.get("MixedInstancesPolicy")
            if template or mixed:
                self.group.mixed_instances_policy = _single_identity(mixed)
                self.group._set_launch_configuration(None, _one_identity(template), self.group.mixed_instances_policy)
        self._end(_SUCCESS[self.status], self.status_reason)

    def _end(self, status: str, reason: str | None) -> None:
        self.status, self.status_reason, self.end_time = status, reason, utcnow()
        self.group.launch_override = None


def _one_identity(template: dict[str, Any] | None) -> dict[str, Any] | None:
    """moto wants a template's id or its name, not both."""
    if template and template.get("LaunchTemplateId"):
        return {key: value for key, value in template.items() if key != "LaunchTemplateName"}
    return template


def _single_identity(mixed: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same for the template inside a mixed instances policy, in a copy that the group may keep."""
    if not mixed:
        return None
    policy = deepcopy(mixed)
    policy["LaunchTemplate"]["LaunchTemplateSpecification"] = _one_identity(policy["LaunchTemplate"]["LaunchTemplateSpecification"])
    return policy


def refreshes(backend: Any) -> list[InstanceRefresh]:
    """All refreshes of a region, newest first."""
    found: list[InstanceRefresh] = backend.__dict__.setdefault("sandbox_instance_refreshes", [])
    return found


def _running(backend: Any, name: str) -> InstanceRefresh | None:
    return next((refresh for refresh in refreshes(backend) if refresh.auto_scaling_group_name == name and refresh.running), None)


def _group(response: Any) -> Any:
    name = response._get_param("AutoScalingGroupName")
    group = response.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        raise AutoscalingClientError("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def _can_roll_back(configuration: dict[str, Any]) -> bool:
    """AWS can return only from a desired configuration whose template version is given by its number."""
    mixed = configuration.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification", {})
    version = (configuration.get("LaunchTemplate") or mixed).get("Version", "$Default")
    return not str(version).startswith("$")


def tick() -> bool:
    running = [refresh for region in REGIONS for refresh in refreshes(autoscaling_backends[ACCOUNT_ID][region]) if refresh.running]
    changes = [refresh.advance() for refresh in running]
    return any(changes)


@functools.cache
def install() -> None:
    @add(AutoScalingResponse, "start_instance_refresh")
    def start(self: Any) -> ActionResult:
        group = _group(self)
        if _running(self.autoscaling_backend, group.name):
            raise AutoscalingClientError("InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution")
        preferences = {"MinHealthyPercentage": 90} | dict(self._get_param("Preferences", {}))
        configuration = dict(self._get_param("DesiredConfiguration", {}))
        if preferences.get("AutoRollback") and not _can_roll_back(configuration):
            raise AutoscalingClientError("ValidationError", _NO_ROLLBACK)
        refresh = InstanceRefresh(group, preferences, configuration)
        refreshes(self.autoscaling_backend).insert(0, refresh)
        return ActionResult({"InstanceRefreshId": refresh.instance_refresh_id})

    @add(AutoScalingResponse, "describe_instance_refreshes")
    def describe(self: Any) -> ActionResult:
        group, wanted = _group(self), self._get_param("InstanceRefreshIds", [])
        found = [
            refresh
            for refresh in refreshes(self.autoscaling_backend)
            if refresh.auto_scaling_group_name == group.name and (not wanted or refresh.instance_refresh_id in wanted)
        ]
        return ActionResult({"InstanceRefreshes": found[: self._get_int_param("MaxRecords", 50)]})

    @add(AutoScalingResponse, "cancel_instance_refresh")
    def cancel(self: Any) -> ActionResult:
        refresh = _running(self.autoscaling_backend, _group(self).name)
        if refresh is None:
            raise AutoscalingClientError("ActiveInstanceRefreshNotFound", _NONE_RUNNING)
        refresh.cancel()
        return ActionResult({"InstanceRefreshId": refresh.instance_refresh_id})

    @add(AutoScalingResponse, "rollback_instance_refresh")
    def roll_back(self: Any) -> ActionResult:
        refresh = _running(self.autoscaling_backend, _group(self).name)
        if refresh is None:
            raise AutoscalingClientError("ActiveInstanceRefreshNotFound", _NONE_RUNNING)
        if not _can_roll_back(refresh.desired_configuration):
            raise AutoscalingClientError("IrreversibleInstanceRefresh", _NO_ROLLBACK)
        refresh.roll_back("Rolling back: requested by a user")
        return ActionResult({"InstanceRefreshId": refresh.instance_refresh_id})

    every_second(tick)
