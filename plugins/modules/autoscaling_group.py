#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: autoscaling_group
version_added: 0.1.0
short_description: Manage an Auto Scaling group of instances of a launch template
description:
  - Creates, changes and deletes one Auto Scaling group with its instance types, limits, target groups, metrics and tags.
  - A group that exists keeps the version of its launch template, which M(indivillage.infra.asg_rollout) changes, and its capacity within
    the limits, which scaling policies change.
  - Use it instead of M(amazon.aws.autoscaling_group), which updates every group in every run, so that nothing which was read before counts
    any more, and whose check mode says that every group would change.
  - It does not wait for instances; M(indivillage.infra.asg_health) does.
options:
  name:
    description: Name of the group.
    type: str
    required: true
  launch_template:
    description: Name of the launch template, of which a new group gets the newest version. Required to create.
    type: str
  instance_types:
    description:
      - Instance types from which AWS may choose, the preferred one first, in place of that of the launch template.
      - An empty list is a group of the launch template's own instance type.
    type: list
    elements: str
  instances_distribution:
    description: How many instances are paid on demand, and how types are chosen. Only with O(instance_types).
    type: dict
    suboptions:
      on_demand_base_capacity:
        description: So many instances are on demand.
        type: int
      on_demand_percentage_above_base_capacity:
        description: Of those beyond, so many of a hundred are.
        type: int
      on_demand_allocation_strategy:
        description: How the types of instances on demand are chosen, for example V(prioritized).
        type: str
      spot_allocation_strategy:
        description: How those of spot instances are chosen, for example V(price-capacity-optimized).
        type: str
  min_size:
    description: Fewest instances. Required to create.
    type: int
  max_size:
    description: Most instances. Required to create.
    type: int
  desired_capacity:
    description: Instances of a new group. A group that exists keeps its capacity, unless that is outside of the limits.
    type: int
  subnet_ids:
    description: Subnets in which instances start. Required to create.
    type: list
    elements: str
  target_group_arns:
    description: Target groups in which the instances are registered; others are detached.
    type: list
    elements: str
  health_check_type:
    description: Whether the load balancer's opinion counts besides that of EC2.
    type: str
    choices: [EC2, ELB]
  health_check_grace_seconds:
    description: Seconds during which a new instance may be unhealthy.
    type: int
  cooldown_seconds:
    description: Seconds between two activities of simple scaling policies.
    type: int
  termination_policies:
    description: By what the instance is chosen that has to go, the first criterion first.
    type: list
    elements: str
  metrics:
    description: Metrics of the group that are collected. Others are left alone.
    type: list
    elements: str
  suspended_processes:
    description: Processes that are suspended; all others are resumed.
    type: list
    elements: str
  propagate_tags:
    description: Whether instances get the tags of the group when they start.
    type: bool
    default: true
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Make the web tier
  indivillage.infra.autoscaling_group:
    name: indivillage-staging-web
    launch_template: indivillage-staging-web
    min_size: 2
    max_size: 6
    desired_capacity: 2
    subnet_ids: [subnet-0a, subnet-0b]
    health_check_type: ELB
    health_check_grace_seconds: 300
    tags:
      Tier: web
"""

RETURN = r"""
resource:
  description: The group. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {name: indivillage-staging-web, launch_template: indivillage-staging-web, min_size: 2, max_size: 6, desired_capacity: 3}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, aws_client, run

SETTINGS = {
    "min_size": "MinSize",
    "max_size": "MaxSize",
    "desired_capacity": "DesiredCapacity",
    "health_check_type": "HealthCheckType",
    "health_check_grace_seconds": "HealthCheckGracePeriod",
    "cooldown_seconds": "DefaultCooldown",
    "termination_policies": "TerminationPolicies",
}
DISTRIBUTION = {
    "on_demand_base_capacity": "OnDemandBaseCapacity",
    "on_demand_percentage_above_base_capacity": "OnDemandPercentageAboveBaseCapacity",
    "on_demand_allocation_strategy": "OnDemandAllocationStrategy",
    "spot_allocation_strategy": "SpotAllocationStrategy",
}
NEEDED = ("launch_template", "min_size", "max_size", "subnet_ids")
KIND_OF_TAGS = "auto-scaling-group"
WHAT_STARTS = {"launch_template", "instance_types", "instances_distribution"}


class Group(Resource):
    service = "autoscaling"
    kind = "Auto Scaling group"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "launch_template": {},
        "instance_types": {"type": "list", "elements": "str"},
        "instances_distribution": {
            "type": "dict",
            "options": {name: {"type": "str" if name.endswith("strategy") else "int"} for name in DISTRIBUTION},
        },
        "min_size": {"type": "int"},
        "max_size": {"type": "int"},
        "desired_capacity": {"type": "int"},
        "subnet_ids": {"type": "list", "elements": "str"},
        "target_group_arns": {"type": "list", "elements": "str"},
        "health_check_type": {"choices": ["EC2", "ELB"]},
        "health_check_grace_seconds": {"type": "int"},
        "cooldown_seconds": {"type": "int"},
        "termination_policies": {"type": "list", "elements": "str"},
        "metrics": {"type": "list", "elements": "str"},
        "suspended_processes": {"type": "list", "elements": "str"},
        "propagate_tags": {"type": "bool", "default": True},
    }
    properties = (*sorted(WHAT_STARTS), *SETTINGS, "subnet_ids", "target_group_arns", "metrics", "suspended_processes", "propagate_tags")
    ordered = frozenset({"instance_types", "termination_policies"})
    deferred = frozenset({"desired_capacity"})  # which scaling policies change at any time

    _group: dict[str, Any]
    """As AWS reports it; empty when it does not exist."""

    def declared(self) -> Properties:
        if self.params["instances_distribution"] and not self.params["instance_types"]:
            raise ResourceError("instances_distribution needs instance_types: without them all instances are of one type, and on demand.")
        wanted = super().declared()
        low, high = wanted["min_size"], wanted["max_size"]
        if low is not None and high is not None and low > high:
            raise ResourceError(f"min_size is {low}, and max_size {high} is less.")
        capacity = self._group.get("DesiredCapacity", wanted["desired_capacity"])
        if capacity is not None:
            capacity = max(capacity, low if low is not None else capacity)
            wanted["desired_capacity"] = min(capacity, high if high is not None else capacity)
        return wanted

    def find(self) -> Properties | None:
        groups = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        self._group = next((group for group in groups if group.get("Status") != "Delete in progress"), {})
        if not self._group:
            return None
        group, policy, template = self._group, self._group.get("MixedInstancesPolicy", {}), _template_of(self._group)
        tags, distribution = group.get("Tags", []), policy.get("InstancesDistribution", {})
        return {
            "name": self.name,
            "arn": group.get("AutoScalingGroupARN"),
            "launch_template": template.get("LaunchTemplateName", self.params["launch_template"] if template else None),
            "instance_types": [override["InstanceType"] for override in policy.get("LaunchTemplate", {}).get("Overrides", [])],
            "instances_distribution": {name: distribution.get(field) for name, field in DISTRIBUTION.items()},
            **{name: group.get(field) for name, field in SETTINGS.items()},
            "subnet_ids": list(filter(None, group.get("VPCZoneIdentifier", "").split(","))),
            "target_group_arns": group.get("TargetGroupARNs", []),
            "metrics": sorted({metric["Metric"] for metric in group.get("EnabledMetrics", [])} & set(self.params["metrics"] or [])),
            "suspended_processes": [process["ProcessName"] for process in group.get("SuspendedProcesses", [])],
            "propagate_tags": all(tag.get("PropagateAtLaunch", True) for tag in tags) if tags else self.params["propagate_tags"],
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        missing = [name for name in NEEDED if wanted.get(name) in (None, [])]
        if missing:
            raise ResourceError(f"{', '.join(missing)}: required to create it.")
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            **self._what_starts(wanted, self._newest(wanted["launch_template"])),
            **{field: wanted[name] for name, field in SETTINGS.items() if name in wanted},
            VPCZoneIdentifier=",".join(wanted["subnet_ids"]),
            **({"TargetGroupARNs": wanted["target_group_arns"]} if wanted.get("target_group_arns") else {}),
            **({"Tags": self._tags(tags)} if tags else {}),
        )
        self._collect_and_suspend(wanted)

    def update(self, current: Properties, changes: Properties) -> None:
        call = {field: changes[name] for name, field in SETTINGS.items() if name in changes}
        if "subnet_ids" in changes:
            call["VPCZoneIdentifier"] = ",".join(changes["subnet_ids"])
        if WHAT_STARTS & changes.keys():
            template = self._newest(changes["launch_template"]) if "launch_template" in changes else _template_of(self._group)
            declared = {name: self.params[name] for name in WHAT_STARTS if self.params[name] is not None}
            call |= self._what_starts({**current, **declared}, template)
        if call:
            self.client.update_auto_scaling_group(AutoScalingGroupName=self.name, **call)
        if "target_group_arns" in changes:
            self._attach(set(current["target_group_arns"]), set(changes["target_group_arns"]))
        if "propagate_tags" in changes:
            self.client.create_or_update_tags(Tags=self._tags(current["tags"]))
        self._collect_and_suspend(changes, current["suspended_processes"])

    def _newest(self, name: str) -> dict[str, str]:
        """The newest version of a launch template."""
        templates = aws_client(self.module, "ec2").describe_launch_templates(LaunchTemplateNames=[name])["LaunchTemplates"]
        return {"LaunchTemplateId": templates[0]["LaunchTemplateId"], "Version": str(templates[0]["LatestVersionNumber"])}

    def _what_starts(self, wanted: Properties, template: dict[str, str]) -> dict[str, Any]:
        named = {key: template[key] for key in ("LaunchTemplateId", "Version")}
        if not wanted.get("instance_types"):
            return {"LaunchTemplate": named}
        given = wanted.get("instances_distribution") or {}
        distribution = {DISTRIBUTION[name]: value for name, value in given.items() if value is not None}
        overrides = [{"InstanceType": kind} for kind in wanted["instance_types"]]
        policy = {"LaunchTemplate": {"LaunchTemplateSpecification": named, "Overrides": overrides}, "InstancesDistribution": distribution}
        return {"MixedInstancesPolicy": policy}

    def _attach(self, present: set[str], wanted: set[str]) -> None:
        if wanted - present:
            self.client.attach_load_balancer_target_groups(AutoScalingGroupName=self.name, TargetGroupARNs=sorted(wanted - present))
        if present - wanted:
            self.client.detach_load_balancer_target_groups(AutoScalingGroupName=self.name, TargetGroupARNs=sorted(present - wanted))

    def _collect_and_suspend(self, wanted: Properties, suspended: list[str] | None = None) -> None:
        if wanted.get("metrics"):
            self.client.enable_metrics_collection(AutoScalingGroupName=self.name, Metrics=wanted["metrics"], Granularity="1Minute")
        if "suspended_processes" not in wanted:
            return
        present, processes = set(suspended or []), set(wanted["suspended_processes"])
        if present - processes:
            self.client.resume_processes(AutoScalingGroupName=self.name, ScalingProcesses=sorted(present - processes))
        if processes - present:
            self.client.suspend_processes(AutoScalingGroupName=self.name, ScalingProcesses=sorted(processes - present))

    def delete(self, current: Properties) -> None:
        self.client.delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=True)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            about = {"ResourceId": self.name, "ResourceType": KIND_OF_TAGS}
            self.client.delete_tags(Tags=[{**about, "Key": key} for key in remove])
        if add:
            self.client.create_or_update_tags(Tags=self._tags(add))

    def _tags(self, tags: dict[str, str]) -> list[dict[str, Any]]:
        about = {"ResourceId": self.name, "ResourceType": KIND_OF_TAGS, "PropagateAtLaunch": self.params["propagate_tags"]}
        return [{**about, "Key": key, "Value": value} for key, value in sorted(tags.items())]


def _template_of(group: dict[str, Any]) -> dict[str, Any]:
    """The launch template of a group, with its version; empty for one of a launch configuration."""
    policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    found: dict[str, Any] = policy or group.get("LaunchTemplate") or {}
    return found


def main() -> None:
    run(Group)


if __name__ == "__main__":
    main()
