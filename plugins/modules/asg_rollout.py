#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_rollout
version_added: 0.1.0
short_description: Bring the instances of Auto Scaling groups to the newest version of their launch templates
description:
  - Starts an instance refresh of each group which is, itself or by one of its instances, not at the newest version of its launch template;
    watches all of them to their ends; rolls back what does not end well or in time.
  - The new version is given to the refresh as its desired configuration. AWS writes it into the group only when the refresh has succeeded,
    so that a group whose rollout failed goes on launching the version that worked.
  - A version that AWS has rolled back is deleted, so that the template's newest version, and its default one, is again the one that runs.
  - An instance refresh towards the same version that is already running is watched, one towards another version is cancelled first.
options:
  names:
    description: Names of the Auto Scaling groups. Their refreshes run side by side.
    type: list
    elements: str
    required: true
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
  alarms:
    description: Names of CloudWatch alarms. A refresh during which one of them is in alarm is rolled back.
    type: list
    elements: str
    default: []
  progress_file:
    description: File on the control node to which each step of a refresh is added as a line. The action plugin of the same name shows them.
    type: path
  wait_timeout_seconds:
    description: How long a refresh may take before it is rolled back, and how long the rollback may take.
    type: int
    default: 1800
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Roll the newest images out to the tiers
  indivillage.infra.asg_rollout:
    names: [indivillage-production-web, indivillage-production-app]
    min_healthy_percentage: 100
    instance_warmup_seconds: 60
    wait_timeout_seconds: 1800
"""

RETURN = r"""
groups:
  description: What was found and done, by the group's name.
  returned: always
  type: dict
  sample:
    indivillage-production-web:
      version: 7
      outdated: [i-0123456789abcdef0]
      refresh: {instance_refresh_id: 08b91cf7-8fa6-48af-b6a6-d227f40f1b9b, status: Successful, percentage_complete: 100}
refused:
  description: The groups that went back to their former version, by name.
  returned: when a rollout has failed
  type: dict
  sample:
    indivillage-production-web: {image_id: ami-0123456789abcdef0, former_image_id: ami-0fedcba9876543210, version: 8, former_version: 7}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until

FORWARD = {"Pending", "InProgress", "Baking"}
RUNNING = FORWARD | {"Cancelling", "RollbackInProgress"}


class Rollout:
    """One Auto Scaling group on its way to the newest version of its launch template."""

    def __init__(self, name: str, params: dict[str, Any], autoscaling: Any, ec2: Any) -> None:
        self.name = name
        self.params = params
        self.autoscaling = autoscaling
        self.ec2 = ec2
        self.refresh_id = ""
        self.told = ""

        group = self._group()
        template = _template(group)
        if not template:
            raise ResourceError("the group has no launch template; only groups with one can be rolled out.")
        self.policy: dict[str, Any] | None = group.get("MixedInstancesPolicy")
        self.template_id: str = template["LaunchTemplateId"]
        self.version, self.image_id = self._resolve("$Latest")
        self.current_version, self.current_image_id = self._resolve(template.get("Version", "$Default"))
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

    def _resolve(self, version: str) -> tuple[int, str]:
        """Number and image of a version. AWS refuses to look for one that is not there; a template that is only planned has none."""
        answer = self.ec2.describe_launch_template_versions(LaunchTemplateId=self.template_id, Versions=[version])
        found = [(int(one["VersionNumber"]), one["LaunchTemplateData"].get("ImageId", "")) for one in answer["LaunchTemplateVersions"]]
        return max(found, default=(0, ""))

    def _is_new(self, instance: dict[str, Any]) -> bool:
        template = instance.get("LaunchTemplate", {})
        return template.get("LaunchTemplateId") == self.template_id and str(template.get("Version")) == str(self.version)

    @property
    def needed(self) -> bool:
        return bool(self.outdated) or self.current_version != self.version

    def start(self) -> None:
        """Have a refresh towards the newest version running: a new one, or one that somebody else has started."""
        latest = self.autoscaling.describe_instance_refreshes(AutoScalingGroupName=self.name, MaxRecords=1)["InstanceRefreshes"]
        if latest and latest[0]["Status"] in RUNNING:
            self.refresh_id = latest[0]["InstanceRefreshId"]
            if latest[0]["Status"] in FORWARD:
                if _template(latest[0].get("DesiredConfiguration", {})).get("Version") == str(self.version):
                    return
                self.autoscaling.cancel_instance_refresh(AutoScalingGroupName=self.name)
            self._await("an earlier refresh to end")
        self.refresh_id = self.autoscaling.start_instance_refresh(
            AutoScalingGroupName=self.name,
            Strategy="Rolling",
            DesiredConfiguration=self._desired(),
            Preferences={
                "MinHealthyPercentage": self.params["min_healthy_percentage"],
                "MaxHealthyPercentage": self.params["max_healthy_percentage"],
                "SkipMatching": True,
                "AutoRollback": True,
                **({"AlarmSpecification": {"Alarms": self.params["alarms"]}} if self.params["alarms"] else {}),
                **({} if self.params["instance_warmup_seconds"] is None else {"InstanceWarmup": self.params["instance_warmup_seconds"]}),
            },
        )["InstanceRefreshId"]

    def finish(self) -> dict[str, Any]:
        """Watch the refresh to its end and return it; ResourceError when it was rolled back or failed."""
        try:
            self._await("the refresh to end")
        except ResourceError as timeout:
            story = f"{timeout} {self._reason()}"
            self.autoscaling.rollback_instance_refresh(AutoScalingGroupName=self.name)
            try:
                self._await("the rollback to end")
            except ResourceError as stuck:
                raise ResourceError(f"{story} {stuck}") from stuck
            raise ResourceError(f"{story} The rollback ended as {self._refresh()['Status']}.") from timeout
        refresh = self._refresh()
        if refresh["Status"] != "Successful":
            raise ResourceError(f"the refresh ended as {refresh['Status']}. {self._reason()}")
        return refresh

    def withdraw(self) -> dict[str, Any]:
        """Delete the version that was rolled back; what was refused, nothing when there is no former version or somebody has cancelled."""
        if self.version == self.current_version or self._refresh()["Status"] == "Cancelled":
            return {}
        self.ec2.modify_launch_template(LaunchTemplateId=self.template_id, DefaultVersion=str(self.current_version))
        self.ec2.delete_launch_template_versions(LaunchTemplateId=self.template_id, Versions=[str(self.version)])
        return {
            "version": self.version,
            "image_id": self.image_id,
            "former_version": self.current_version,
            "former_image_id": self.current_image_id,
        }

    def _desired(self) -> dict[str, Any]:
        template = {"LaunchTemplateId": self.template_id, "Version": str(self.version)}
        if self.policy is None:
            return {"LaunchTemplate": template}
        within = self.policy["LaunchTemplate"] | {"LaunchTemplateSpecification": template}
        return {"MixedInstancesPolicy": self.policy | {"LaunchTemplate": within}}

    def _refresh(self) -> dict[str, Any]:
        answer = self.autoscaling.describe_instance_refreshes(AutoScalingGroupName=self.name, InstanceRefreshIds=[self.refresh_id])
        refresh: dict[str, Any] = answer["InstanceRefreshes"][0]
        return refresh

    def _await(self, what: str) -> None:
        wait_until(self._ended, what, self.params["wait_timeout_seconds"], self.params["poll_seconds"])

    def _ended(self) -> bool:
        refresh = self._refresh()
        replaced = refresh.get("PercentageComplete", 0)
        line = f"{self.name}: version {self.version}, {refresh['Status']}, {replaced} % of the instances replaced"
        if self.params["progress_file"] and line != self.told:
            self.told = line
            with Path(self.params["progress_file"]).open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")
        return refresh["Status"] not in RUNNING

    def _reason(self) -> str:
        refresh = self._refresh()
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


class RefusedError(ResourceError):
    """Rollouts that failed; C(refused) tells of each group that has gone back what it went back from and to."""

    def __init__(self, text: str, refused: dict[str, dict[str, Any]]) -> None:
        super().__init__(text)
        self.refused = refused


def roll_out(rollouts: list[Rollout]) -> dict[str, dict[str, Any]]:
    """Refresh the groups side by side; the finished refreshes by group. RefusedError names every group that failed."""
    for rollout in rollouts:
        rollout.start()
    refreshes, failures, refused = {}, [], {}
    for rollout in rollouts:
        try:
            refreshes[rollout.name] = camel_dict_to_snake_dict(rollout.finish())
        except ResourceError as error:
            failures.append(f"{rollout.name}, version {rollout.version}: {error}")
            refused[rollout.name] = rollout.withdraw()
    if failures:
        raise RefusedError(" ".join(failures), {name: told for name, told in refused.items() if told})
    return refreshes


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "min_healthy_percentage": {"type": "int", "default": 100},
            "max_healthy_percentage": {"type": "int", "default": 200},
            "instance_warmup_seconds": {"type": "int"},
            "alarms": {"type": "list", "elements": "str", "default": []},
            "progress_file": {"type": "path"},
            "wait_timeout_seconds": {"type": "int", "default": 1800},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    autoscaling, ec2 = aws_client(module, "autoscaling"), aws_client(module, "ec2")
    rollouts = []
    for name in module.params["names"]:
        with reporting(module, f"read Auto Scaling group '{name}'"):
            rollouts.append(Rollout(name, module.params, autoscaling, ec2))
    needed = [rollout for rollout in rollouts if rollout.needed]
    refreshes: dict[str, dict[str, Any]] = {}
    if not module.check_mode:
        with reporting(module, "roll out the newest launch templates"):
            try:
                refreshes = roll_out(needed)
            except RefusedError as error:
                module.fail_json(msg=f"Could not roll out the newest launch templates: {error}", refused=error.refused)
    module.exit_json(
        changed=bool(needed),
        groups={
            rollout.name: {"version": rollout.version, "outdated": rollout.outdated, "refresh": refreshes.get(rollout.name, {})}
            for rollout in rollouts
        },
        diff={
            "before": {rollout.name: {"version": rollout.current_version, "outdated": rollout.outdated} for rollout in needed},
            "after": {rollout.name: {"version": rollout.version, "outdated": []} for rollout in needed},
        },
    )


if __name__ == "__main__":
    main()
