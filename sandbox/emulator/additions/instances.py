# SPDX-License-Identifier: GPL-3.0-or-later
"""RunInstances with everything that a launch template says, RebootInstances that leaves a trace, and detailed monitoring.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_MonitorInstances.html
moto 5.2.5 takes image, type, key, groups and user data from a template but not its metadata options, instance profile,
network interfaces, market options or volume tags; adds an unencrypted /dev/sda1 beside the template's root device; shows
no security groups for groups given on the interface; starts instances of images that are still pending; gives an
instance profile to the first instance of several only; forgets metadata options that a change does not name; and cannot
switch monitoring.
"""

from __future__ import annotations

import functools
from copy import deepcopy
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses import EC2Response

from sandbox.emulator.additions.images import ImageUnavailableError
from sandbox.emulator.additions.patching import wrap
from sandbox.emulator.runtime import runtime

_ROOT_SIZE_GIB = 8


def complete_arguments(backend: Any, image_id: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """RunInstances arguments as moto's backend takes them, with the launch template's values where the request gave none."""
    arguments = arguments | {"nics": deepcopy(arguments.get("nics") or [])}
    template = backend._get_template_from_args(arguments["launch_template"]).data if arguments.get("launch_template") else {}
    profile = template.get("IamInstanceProfile", {})
    if not (arguments.get("iam_instance_profile_name") or arguments.get("iam_instance_profile_arn")):
        arguments["iam_instance_profile_name"] = profile.get("Name")
        arguments["iam_instance_profile_arn"] = profile.get("Arn")
    if not arguments["nics"]:
        arguments["nics"] = deepcopy(template.get("NetworkInterfaces", []))
    arguments["metadata_options"] = (
        getattr(backend, "instance_metadata_defaults", {}) | template.get("MetadataOptions", {}) | (arguments.get("metadata_options") or {})
    )
    if template.get("Monitoring", {}).get("Enabled"):
        arguments["monitoring_state"] = "enabled"
    if not arguments.get("instance_market_options"):
        arguments["instance_market_options"] = template.get("InstanceMarketOptions", {}).get("MarketType")
    mappings = arguments.get("block_device_mappings") or template.get("BlockDeviceMappings") or []
    arguments["block_device_mappings"] = with_root_device(mappings, _root_device_name(backend, image_id))
    arguments["security_group_ids"] = list(arguments.get("security_group_ids") or []) or _interface_groups(arguments["nics"])
    return arguments


def with_root_device(mappings: list[dict[str, Any]], root: str) -> list[dict[str, Any]]:
    """The mappings with a root device in front when they name none, sizes where they give none."""
    completed = deepcopy(mappings)
    if root not in {mapping["DeviceName"] for mapping in completed}:
        completed.insert(0, {"DeviceName": root, "Ebs": {"VolumeType": "gp3"}})
    for mapping in completed:
        ebs = mapping.setdefault("Ebs", {})
        if mapping["DeviceName"] == root:
            ebs.setdefault("DeleteOnTermination", True)
        if not ebs.get("SnapshotId"):
            ebs.setdefault("VolumeSize", _ROOT_SIZE_GIB)
    return completed


def _interface_groups(interfaces: list[dict[str, Any]]) -> list[str]:
    """Take the groups off the interfaces: moto adds the instance's groups to them, and shows only those on the instance."""
    groups: list[str] = []
    for interface in interfaces:
        groups += [group for group in interface.pop("Groups", None) or [] if group not in groups]
    return groups


def _root_device_name(backend: Any, image_id: str) -> str:
    image = backend.amis.get(image_id)
    return image.root_device_name if image else "/dev/sda1"


# moto's argument -> the attribute of an instance's metadata options.
_METADATA_OPTIONS = {
    "http_tokens": "http_tokens",
    "hop_limit": "http_put_response_hop_limit",
    "http_endpoint": "http_endpoint",
    "http_protocol": "http_protocol_ipv6",
    "metadata_tags": "instance_metadata_tags",
}


def _switch_monitoring(response: Any, state: str) -> ActionResult:
    instances = [response.ec2_backend.get_instance(instance_id) for instance_id in response._get_param("InstanceIds", [])]
    for instance in instances:
        instance.monitoring_state = state
    return ActionResult({"InstanceMonitorings": [{"InstanceId": instance.id, "Monitoring": {"State": state}} for instance in instances]})


@functools.cache
def install() -> None:
    @wrap(EC2Response, "monitor_instances")
    def monitor_instances(_original: Any, self: Any) -> ActionResult:
        return _switch_monitoring(self, "enabled")

    @wrap(EC2Response, "unmonitor_instances")
    def unmonitor_instances(_original: Any, self: Any) -> ActionResult:
        return _switch_monitoring(self, "disabled")

    @wrap(InstanceBackend, "modify_instance_metadata_options")
    def modify_instance_metadata_options(original: Any, self: Any, instance_id: str, **options: Any) -> Any:
        present = self.get_instance(instance_id).metadata_options
        kept = {argument: getattr(present, attribute) for argument, attribute in _METADATA_OPTIONS.items()}
        return original(self, instance_id, **kept | {name: value for name, value in options.items() if value is not None})

    @wrap(InstanceBackend, "run_instances")
    def run_instances(  # noqa: PLR0917 - moto's signature
        original: Any, self: Any, image_id: str, count: int, user_data: Any, security_group_names: list[str], **named: Any
    ) -> Any:
        if named.get("launch_template"):
            image_id = image_id or self._get_template_from_args(named["launch_template"]).image_id
        image = self.describe_images(ami_ids=[image_id])[0]
        if image.state != "available":
            raise ImageUnavailableError(image_id, image.state)
        arguments = complete_arguments(self, image_id, named)
        if arguments.get("key_name"):
            self.describe_key_pairs(key_names=[arguments["key_name"]])
        reservation = original(self, image_id, count, user_data, security_group_names, **arguments)
        requested = named.get("iam_instance_profile_name") or named.get("iam_instance_profile_arn")
        for instance in reservation.instances[1:] if requested else reservation.instances:  # moto serves the first one
            _give_profile(self, instance, arguments)
        if named.get("launch_template"):
            _tag_volumes(self, reservation.instances, named["launch_template"])
        return reservation

    @wrap(Instance, "reboot")
    def reboot(original: Any, self: Any) -> None:
        original(self)
        runtime.reboots[self.id] = runtime.reboots.get(self.id, 0) + 1


def _give_profile(backend: Any, instance: Any, arguments: dict[str, Any]) -> None:
    name, arn = arguments["iam_instance_profile_name"], arguments["iam_instance_profile_arn"]
    if name or arn:
        backend.associate_iam_instance_profile(instance_id=instance.id, iam_instance_profile_name=name, iam_instance_profile_arn=arn)


def _tag_volumes(backend: Any, instances: list[Any], launch_template: dict[str, Any]) -> None:
    specifications = backend._get_template_from_args(launch_template).data.get("TagSpecifications", [])
    tags = {tag["Key"]: tag["Value"] for spec in specifications if spec["ResourceType"] == "volume" for tag in spec["Tags"]}
    for instance in instances:
        for _, device in instance.get_block_device_mapping:
            backend.volumes[device.volume_id].add_tags(tags)
