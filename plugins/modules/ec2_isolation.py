#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_isolation
version_added: 0.2.0
short_description: Quarantine an instance and take snapshots of its disks as evidence
description:
  - Protects the instance and its disks against deletion, takes it out of its Auto Scaling group, which starts another one in its place, and
    out of every target group, gives each of its network interfaces the quarantine group alone, and takes a snapshot of each disk.
  - It leaves its group before it is cut off. The other way round the group would find it unhealthy, and would end it with all evidence.
  - Its tags C(Role) and C(Tier) become C(FormerRole) and C(FormerTier), and C(ManagedBy) no longer says that it is ours. So nothing
    configures it, discovers it, prunes it or destroys it any more, nor its snapshots.
  - Every step is looked at before it is taken. A run that was killed is completed by the same again.
options:
  instance_id:
    description: The instance.
    type: str
    required: true
  incident:
    description: Name of the incident, for the tags of what becomes evidence.
    type: str
    required: true
  security_group:
    description: Name of the quarantine group in the instance's VPC.
    type: str
    required: true
  tags:
    description: Tags of the snapshots, beside C(Incident), C(Instance), C(Role) and C(ManagedBy). The instance has to have them as well.
    type: dict
    default: {}
  wait_timeout_seconds:
    description: How long to wait until the group has as many instances in service as it should have. With V(0) nothing is waited for.
    type: int
    default: 900
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Quarantine a web server
  indivillage.infra.ec2_isolation:
    instance_id: i-0123456789abcdef0
    incident: 2026-03-01-web-probe
    security_group: indivillage-production-quarantine-sg
    tags: {Project: indivillage, Environment: production}
"""

RETURN = r"""
steps:
  description: What was done, or would be done, in this order. Empty when it was isolated before.
  returned: always
  type: list
  elements: str
  sample: [protected against termination, detached from indivillage-production-web]
instance:
  description: What it was and is - id, image, addresses, role, launched, the group that it belonged to, its security groups before.
  returned: always
  type: dict
snapshots:
  description: The snapshots of its disks.
  returned: always
  type: list
  elements: dict
  sample: [{snapshot_id: snap-0123456789abcdef0, volume_id: vol-0123456789abcdef0, gib: 20, started: "2026-03-01T02:03:04+00:00"}]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until

NOT_OURS = "incident-response"  # what ManagedBy says of evidence
GROUP_TAG = "aws:autoscaling:groupName"


class Isolation:
    """One instance on its way into quarantine."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.params: dict[str, Any] = module.params
        self.check_mode: bool = module.check_mode
        self.id: str = module.params["instance_id"]
        self.ec2, self.autoscaling, self.elbv2 = (aws_client(module, service) for service in ("ec2", "autoscaling", "elbv2"))
        self.steps: list[str] = []
        self.instance = self._instance()
        self.tags = boto3_tag_list_to_ansible_dict(self.instance.get("Tags", []))
        self.group = self.tags.get("FormerGroup") or self.tags.get(GROUP_TAG, "")
        self.quarantine = self._quarantine()

    def _instance(self) -> dict[str, Any]:
        filters = [{"Name": "instance-id", "Values": [self.id]}]
        found = [one for answer in self.ec2.describe_instances(Filters=filters)["Reservations"] for one in answer["Instances"]]
        if not found or found[0]["State"]["Name"] in {"shutting-down", "terminated"}:
            raise ResourceError(f"{'it is ' + found[0]['State']['Name'] if found else 'there is none of that id in this region'}.")
        tags = boto3_tag_list_to_ansible_dict(found[0].get("Tags", []))
        foreign = {key: tags.get(key) for key, value in self.params["tags"].items() if tags.get(key) != value}
        if foreign:
            raise ResourceError(f"it is none of this environment's: its tags are {foreign}, and should be {self.params['tags']}.")
        held = tags.get("Incident", self.params["incident"])
        if held != self.params["incident"]:
            raise ResourceError(f"it is evidence of incident '{held}' already.")
        instance: dict[str, Any] = found[0]
        return instance

    def _quarantine(self) -> str:
        filters = [
            {"Name": "vpc-id", "Values": [self.instance["VpcId"]]},
            {"Name": "group-name", "Values": [self.params["security_group"]]},
        ]
        groups = self.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
        if not groups:
            raise ResourceError(
                f"{self.instance['VpcId']} has no security group {self.params['security_group']}: apply site.yml --tags provision."
            )
        return str(groups[0]["GroupId"])

    def step(self, text: str, write: Callable[[], Any]) -> None:
        """Do something, and remember it."""
        self.steps.append(text)
        if not self.check_mode:
            write()

    def isolate(self) -> list[dict[str, Any]]:
        """All steps that are not taken yet; the snapshots."""
        self._remember()
        self._protect()
        self._detach()
        self._deregister()
        self._cut_off()
        snapshots = self._snapshots()
        self._disown()
        return snapshots

    def _remember(self) -> None:
        """First of all note on the instance what the next steps take away, so that a run after a kill still knows it."""
        former = {
            "Incident": self.params["incident"],
            "FormerRole": self.tags.get("Role", ""),
            "FormerTier": self.tags.get("Tier", ""),
            "FormerGroup": self.group,
            "FormerSecurityGroups": " ".join(sorted(group["GroupId"] for group in self.instance["SecurityGroups"])),
        }
        if "Incident" not in self.tags:
            self.step("marked as evidence", lambda: self._tag({key: value for key, value in former.items() if value}))
            self.tags |= former

    def _tag(self, tags: dict[str, str]) -> None:
        self.ec2.create_tags(Resources=[self.id], Tags=ansible_dict_to_boto3_tag_list(tags))

    def _protect(self) -> None:
        answer = self.ec2.describe_instance_attribute(InstanceId=self.id, Attribute="disableApiTermination")
        if not answer["DisableApiTermination"].get("Value"):
            protect = {"InstanceId": self.id, "DisableApiTermination": {"Value": True}}
            self.step("protected against termination", lambda: self.ec2.modify_instance_attribute(**protect))
        kept = [
            {"DeviceName": disk["DeviceName"], "Ebs": {"DeleteOnTermination": False}}
            for disk in self.instance["BlockDeviceMappings"]
            if disk["Ebs"].get("DeleteOnTermination")
        ]
        if kept:
            keep = {"InstanceId": self.id, "BlockDeviceMappings": kept}
            self.step("disks stay when it ends", lambda: self.ec2.modify_instance_attribute(**keep))

    def _detach(self) -> None:
        members = self.autoscaling.describe_auto_scaling_instances(InstanceIds=[self.id])["AutoScalingInstances"]
        for member in members:
            if not member["LifecycleState"].startswith("Detach"):
                name = member["AutoScalingGroupName"]
                detach = {"InstanceIds": [self.id], "AutoScalingGroupName": name, "ShouldDecrementDesiredCapacity": False}
                self.step(f"detached from {name}, which replaces it", partial(self.autoscaling.detach_instances, **detach))

    def _deregister(self) -> None:
        pages = self.elbv2.get_paginator("describe_target_groups").paginate()
        for group in (group for page in pages for group in page["TargetGroups"] if group.get("VpcId") == self.instance["VpcId"]):
            targets = self.elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
            mine = [target["Target"] for target in targets if target["Target"]["Id"] == self.id]
            if mine and not all(
                target["TargetHealth"]["State"].endswith("draining") for target in targets if target["Target"]["Id"] == self.id
            ):
                leave = {"TargetGroupArn": group["TargetGroupArn"], "Targets": [{"Id": self.id, "Port": one["Port"]} for one in mine]}
                self.step(f"deregistered from target group {group['TargetGroupName']}", partial(self.elbv2.deregister_targets, **leave))

    def _cut_off(self) -> None:
        for interface in self.instance["NetworkInterfaces"]:
            if [group["GroupId"] for group in interface["Groups"]] != [self.quarantine]:
                alone = {"NetworkInterfaceId": interface["NetworkInterfaceId"], "Groups": [self.quarantine]}
                self.step(
                    f"{interface['NetworkInterfaceId']} quarantined",
                    partial(self.ec2.modify_network_interface_attribute, **alone),
                )

    def _snapshots(self) -> list[dict[str, Any]]:
        """One of each disk, all of one moment unless a run was killed between two."""
        volumes = {disk["Ebs"]["VolumeId"] for disk in self.instance["BlockDeviceMappings"]}
        mine = [{"Name": f"tag:{key}", "Values": [value]} for key, value in self._evidence_tags().items()]
        there = self.ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
        missing = volumes - {snapshot["VolumeId"] for snapshot in there}
        if missing:
            specification = [{"ResourceType": "snapshot", "Tags": ansible_dict_to_boto3_tag_list(self._evidence_tags())}]
            self.step(
                f"snapshots taken of {', '.join(sorted(missing))}",
                lambda: self.ec2.create_snapshots(
                    InstanceSpecification={"InstanceId": self.id, "ExcludeBootVolume": False},
                    Description=f"Evidence of incident {self.params['incident']}",
                    TagSpecifications=specification,
                ),
            )
            there = self.ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
        return [
            {
                "snapshot_id": snapshot["SnapshotId"],
                "volume_id": snapshot["VolumeId"],
                "gib": snapshot["VolumeSize"],
                "started": snapshot["StartTime"].isoformat(timespec="seconds"),
            }
            for snapshot in sorted(there, key=lambda one: str(one["SnapshotId"]))
        ]

    def _evidence_tags(self) -> dict[str, str]:
        own = {"Incident": self.params["incident"], "Instance": self.id, "Role": "evidence", "ManagedBy": NOT_OURS}
        return {**self.params["tags"], **own}

    def _disown(self) -> None:
        wanted = {"ManagedBy": NOT_OURS, "Role": "quarantined"}
        if {key: self.tags.get(key) for key in wanted} != wanted or "Tier" in self.tags:
            self.step("taken out of what is managed", lambda: self._retag(wanted))

    def _retag(self, tags: dict[str, str]) -> None:
        self._tag(tags)
        self.ec2.delete_tags(Resources=[self.id], Tags=[{"Key": "Tier"}])

    def await_replacement(self) -> None:
        """Return when the group that it has left is as large as it should be; ResourceError says how large it is."""
        seen: dict[str, int] = {}

        def whole() -> bool:
            groups = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group])["AutoScalingGroups"]
            for group in groups:
                serving = [
                    member
                    for member in group["Instances"]
                    if (member["LifecycleState"], member["HealthStatus"]) == ("InService", "Healthy")
                ]
                seen.update(serving=len(serving), desired=group["DesiredCapacity"])
            return not groups or seen["serving"] >= seen["desired"]

        try:
            wait_until(whole, f"{self.group} to replace it", self.params["wait_timeout_seconds"], self.params["poll_seconds"])
        except ResourceError as timeout:
            raise ResourceError(
                f"it is isolated, but {seen['serving']} of {seen['desired']} instances are in service. {timeout}"
            ) from timeout

    def described(self) -> dict[str, Any]:
        """What it was and is, for the chain of custody."""
        return {
            "instance_id": self.id,
            "image_id": self.instance["ImageId"],
            "private_ip": self.instance.get("PrivateIpAddress", ""),
            "public_ip": self.instance.get("PublicIpAddress", ""),
            "launched": self.instance["LaunchTime"].isoformat(timespec="seconds"),
            "role": self.tags.get("FormerRole", ""),
            "tier": self.tags.get("FormerTier", ""),
            "group": self.group,
            "security_groups": self.tags.get("FormerSecurityGroups", "").split(),
        }


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{key: {"required": True} for key in ("instance_id", "incident", "security_group")},
            "tags": {"type": "dict", "default": {}},
            "wait_timeout_seconds": {"type": "int", "default": 900},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    with reporting(module, f"isolate {module.params['instance_id']}"):
        isolation = Isolation(module)
        snapshots = isolation.isolate()
        if isolation.group and module.params["wait_timeout_seconds"] and not module.check_mode:
            isolation.await_replacement()
    steps = isolation.steps
    module.exit_json(
        changed=bool(steps),
        steps=steps,
        instance=isolation.described(),
        snapshots=snapshots,
        diff={"before": {}, "after": {"steps": steps}} if steps else {"before": {}, "after": {}},
    )


if __name__ == "__main__":
    main()
