#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_rollout
version_added: 0.1.0
short_description: Bring the instances of an Auto Scaling group to a launch template version
description:
  - Starts an instance refresh when the group, or one of its instances, is not at the wanted version of the group's launch template;
    watches it to its end; rolls it back when it does not end well or in time.
  - The new version is given to the refresh as its desired configuration. AWS writes it into the group only when the refresh has succeeded,
    so that a group whose rollout failed goes on launching the version that worked.
  - An instance refresh towards the same version that is already running is watched, one towards another version is cancelled first.
options:
  name:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  launch_template_version:
    description: Version number to roll out. The newest version when left out.
    type: int
  min_healthy_percentage:
    description: Part of the desired capacity that stays healthy and in service. With V(100) new instances start before old ones go.
    type: int
    default: 100
  max_healthy_percentage:
    description: How far the group may exceed its desired capacity meanwhile, at most 100 more than O(min_healthy_percentage).
    type: int
    default: 200
  instance_warmup_seconds:
    description: How long a new instance must be in service before the next are replaced. The group's own value when left out.
    type: int
  wait_timeout_seconds:
    description: How long the refresh may take before it is rolled back, and how long the rollback may take.
    type: int
    default: 1800
  poll_seconds:
    description: Time between two looks at the refresh.
    type: int
    default: 5
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Roll the newest image out to the web tier
  indivillage.infra.asg_rollout:
    name: indivillage-production-web
    min_healthy_percentage: 100
    instance_warmup_seconds: 60
    wait_timeout_seconds: 1800
"""

RETURN = r"""
version:
  description: The launch template version that was wanted.
  returned: always
  type: int
  sample: 7
outdated:
  description: Ids of the instances that were not at that version.
  returned: always
  type: list
  elements: str
  sample: [i-0123456789abcdef0]
refresh:
  description: The instance refresh, empty when none was needed and in check mode.
  returned: always
  type: dict
  sample: {instance_refresh_id: 08b91cf7-8fa6-48af-b6a6-d227f40f1b9b, status: Successful, percentage_complete: 100}
"""

from typing import Any

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until

RUNNING = {"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"}


class Rollout:
    """One Auto Scaling group and the version it is to reach."""

    def __init__(self, params: dict[str, Any], autoscaling: Any, ec2: Any) -> None:
        self.params = params
        self.autoscaling = autoscaling
        self.ec2 = ec2
        self.name: str = params["name"]

        group = self._group()
        self.policy: dict[str, Any] | None = group.get("MixedInstancesPolicy")
        template = _template(group)
        if not template:
            raise ResourceError("the group has no launch template; only groups with one can be rolled out.")
        self.template_id: str = template["LaunchTemplateId"]
        self.version = self._resolve(str(params["launch_template_version"] or "$Latest"))
        self.current_version = self._resolve(template.get("Version", "$Default"))
        self.outdated: list[str] = sorted(
            instance["InstanceId"]
            for instance in group["Instances"]
            if not instance["LifecycleState"].startswith("Terminat") and not self._is_new(instance)
        )

    def _group(self) -> dict[str, Any]:
        groups: list[dict[str, Any]] = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        if not groups:
            raise ResourceError("there is no Auto Scaling group of that name in this region.")
        return groups[0]

    def _resolve(self, version: str) -> int:
        versions = self.ec2.describe_launch_template_versions(LaunchTemplateId=self.template_id, Versions=[version])
        if not versions["LaunchTemplateVersions"]:
            raise ResourceError(f"launch template {self.template_id} has no version {version}.")
        return int(versions["LaunchTemplateVersions"][0]["VersionNumber"])

    def _is_new(self, instance: dict[str, Any]) -> bool:
        template = instance.get("LaunchTemplate", {})
        return template.get("LaunchTemplateId") == self.template_id and str(template.get("Version")) == str(self.version)

    @property
    def needed(self) -> bool:
        return bool(self.outdated) or self.current_version != self.version

    def run(self) -> dict[str, Any]:
        """Refresh the group and return the finished refresh; ResourceError when it was rolled back or failed."""
        refresh_id = self._adopt_or_cancel() or self._start()
        try:
            wait_until(lambda: not self._is_running(refresh_id), "the refresh to end", self.params["wait_timeout_seconds"], self._poll)
        except ResourceError as timeout:
            reason = self._reason(self._refresh(refresh_id))
            self.autoscaling.rollback_instance_refresh(AutoScalingGroupName=self.name)
            wait_until(lambda: not self._is_running(refresh_id), "the rollback to end", self.params["wait_timeout_seconds"], self._poll)
            end = self._refresh(refresh_id)
            raise ResourceError(f"{timeout} {reason} The rollback ended as {end['Status']}.") from timeout
        refresh = self._refresh(refresh_id)
        if refresh["Status"] != "Successful":
            raise ResourceError(f"the refresh ended as {refresh['Status']}. {self._reason(refresh)}")
        return refresh

    def _adopt_or_cancel(self) -> str | None:
        """The id of a running refresh towards the wanted version; one towards another version is cancelled."""
        latest = self.autoscaling.describe_instance_refreshes(AutoScalingGroupName=self.name, MaxRecords=1)["InstanceRefreshes"]
        if not latest or latest[0]["Status"] not in RUNNING:
            return None
        refresh_id: str = latest[0]["InstanceRefreshId"]
        if latest[0]["Status"] in {"Pending", "InProgress", "Baking"}:
            if _template(latest[0].get("DesiredConfiguration", {})).get("Version") == str(self.version):
                return refresh_id
            self.autoscaling.cancel_instance_refresh(AutoScalingGroupName=self.name)
        wait_until(lambda: not self._is_running(refresh_id), "an earlier refresh to end", self.params["wait_timeout_seconds"], self._poll)
        return None

    def _start(self) -> str:
        preferences = {
            "MinHealthyPercentage": self.params["min_healthy_percentage"],
            "MaxHealthyPercentage": self.params["max_healthy_percentage"],
            "SkipMatching": True,
            "AutoRollback": True,
        }
        if self.params["instance_warmup_seconds"] is not None:
            preferences["InstanceWarmup"] = self.params["instance_warmup_seconds"]
        answer = self.autoscaling.start_instance_refresh(
            AutoScalingGroupName=self.name, Strategy="Rolling", DesiredConfiguration=self._desired(), Preferences=preferences
        )
        return str(answer["InstanceRefreshId"])

    def _desired(self) -> dict[str, Any]:
        template = {"LaunchTemplateId": self.template_id, "Version": str(self.version)}
        if self.policy is None:
            return {"LaunchTemplate": template}
        within = self.policy["LaunchTemplate"] | {"LaunchTemplateSpecification": template}
        return {"MixedInstancesPolicy": self.policy | {"LaunchTemplate": within}}

    @property
    def _poll(self) -> float:
        return float(self.params["poll_seconds"])

    def _refresh(self, refresh_id: str) -> dict[str, Any]:
        answer = self.autoscaling.describe_instance_refreshes(AutoScalingGroupName=self.name, InstanceRefreshIds=[refresh_id])
        refresh: dict[str, Any] = answer["InstanceRefreshes"][0]
        return refresh

    def _is_running(self, refresh_id: str) -> bool:
        return self._refresh(refresh_id)["Status"] in RUNNING

    def _reason(self, refresh: dict[str, Any]) -> str:
        waiting = [
            f"{instance['InstanceId']} ({instance['LifecycleState']}, {instance['HealthStatus']})"
            for instance in self._group()["Instances"]
            if self._is_new(instance) and (instance["LifecycleState"], instance["HealthStatus"]) != ("InService", "Healthy")
        ]
        return (
            f"AWS says: {refresh.get('StatusReason', 'nothing')}. {refresh.get('PercentageComplete', 0)} % were replaced;"
            f" new instances not in service: {', '.join(waiting) or 'none'}."
        )


def _template(holder: dict[str, Any]) -> dict[str, Any]:
    """The launch template that a group or a desired configuration names: directly or, with several instance types, in its policy."""
    if "MixedInstancesPolicy" in holder:
        return dict(holder["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"])
    return dict(holder.get("LaunchTemplate", {}))


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"required": True},
            "launch_template_version": {"type": "int"},
            "min_healthy_percentage": {"type": "int", "default": 100},
            "max_healthy_percentage": {"type": "int", "default": 200},
            "instance_warmup_seconds": {"type": "int"},
            "wait_timeout_seconds": {"type": "int", "default": 1800},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    with reporting(module, f"read Auto Scaling group '{module.params['name']}'"):
        rollout = Rollout(module.params, aws_client(module, "autoscaling"), aws_client(module, "ec2"))
    result: dict[str, Any] = {"changed": rollout.needed, "version": rollout.version, "outdated": rollout.outdated, "refresh": {}}
    if rollout.needed:
        result["diff"] = {
            "before": {"launch_template_version": rollout.current_version, "outdated": rollout.outdated},
            "after": {"launch_template_version": rollout.version, "outdated": []},
        }
    if rollout.needed and not module.check_mode:
        with reporting(module, f"roll out version {rollout.version} to Auto Scaling group '{rollout.name}'"):
            result["refresh"] = camel_dict_to_snake_dict(rollout.run())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
