#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_retention
version_added: 0.3.0
short_description: Remove our machine images that nothing uses any more
description:
  - Looks at the images that carry all of O(tags), and in their tag C(Role) one of O(roles). No other image is touched, nor another
    account's.
  - "Stays: the last O(keep) of each role, what O(in_use) names, what an instance runs that is not terminated, and what any version of any
    launch template of the region names."
  - "Of the templates in O(templates), which get a version with each image, only those versions hold an image that are the latest, the
    default, a group's, or a group's member's. The others go with their images."
  - Images go with their snapshots, and so do snapshots of images that were removed by a run that was killed before it came to them.
options:
  tags:
    description: Tags that all of them have.
    type: dict
    required: true
  roles:
    description: Values of their tag C(Role).
    type: list
    elements: str
    required: true
  keep:
    description: How many of each role stay whether they are used or not; the newest.
    type: int
    default: 3
  in_use:
    description: Ids of images that stay.
    type: list
    elements: str
    default: []
  templates:
    description: Names of launch templates that are ours.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reads what there is and reports what would be removed.
    support: full
  diff_mode:
    description: Returns the names of what is there before and after.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Remove images that nothing uses any more
  indivillage.infra.image_retention:
    tags: {Project: indivillage, Environment: production, Stack: production-us-east-1}
    roles: [web, app]
    keep: 3
    templates: [indivillage-production-web, indivillage-production-app]
"""

RETURN = r"""
removed:
  description: What was, or would be, removed.
  returned: always
  type: dict
  sample: {images: [ami-0123456789abcdef0], snapshots: [snap-0123456789abcdef0], versions: {indivillage-production-web: ["3"]}}
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting

CONTENT_TAG = "ContentDigest"  # on images and on their snapshots alone: those of a backup have the other tags too
ALIVE = ("pending", "running", "stopping", "stopped", "shutting-down")


@dataclass(frozen=True)
class Version:
    """One version of a launch template."""

    template: str
    number: str
    image: str
    default: bool


@dataclass(frozen=True)
class Removal:
    """What nothing uses."""

    images: tuple[str, ...]
    snapshots: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]]


def newest(images: Iterable[dict[str, Any]], keep: int) -> set[str]:
    """The ids of the last images of each role."""
    by_role: dict[str, list[dict[str, Any]]] = {}
    for image in sorted(images, key=lambda one: str(one["CreationDate"]), reverse=True):
        by_role.setdefault(_tags(image)["Role"], []).append(image)
    return {image["ImageId"] for of_role in by_role.values() for image in of_role[:keep]}


def choose(
    images: list[dict[str, Any]], versions: list[Version], pinned: set[tuple[str, str]], own: set[str], kept: set[str]
) -> tuple[list[dict[str, Any]], list[Version]]:
    """The images that nothing uses, and the versions of our own templates that go with them.

    pinned: template and number of the versions that groups and their members use. own: names of our templates. kept: images that stay.
    """
    latest = {version.template: max((one for one in versions if one.template == version.template), key=_number) for version in versions}

    def holds(version: Version) -> bool:
        return (
            version.template not in own
            or version.default
            or version == latest[version.template]
            or (version.template, version.number) in pinned
        )

    used = kept | {version.image for version in versions if holds(version)}
    unused = [image for image in images if image["ImageId"] not in used]
    gone = {image["ImageId"] for image in unused}
    return unused, [version for version in versions if version.image in gone]


def _number(version: Version) -> int:
    return int(version.number)


def _tags(resource: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def _snapshots(image: Mapping[str, Any]) -> list[str]:
    return [mapping["Ebs"]["SnapshotId"] for mapping in image.get("BlockDeviceMappings", []) if "SnapshotId" in mapping.get("Ebs", {})]


class Region:
    """What is read of a region, and written to it."""

    def __init__(self, params: Mapping[str, Any], ec2: Any, autoscaling: Any) -> None:
        self.params, self.ec2, self.autoscaling = params, ec2, autoscaling
        self.filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in params["tags"].items()]
        self.filters.append({"Name": "tag:Role", "Values": params["roles"]})

    def _all(self, client: Any, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
        pages = client.get_paginator(operation).paginate(**arguments)
        return [element for page in pages for element in page[key]]

    def removal(self) -> Removal:
        """What of ours nothing uses."""
        params = self.params
        images = self._all(self.ec2, "describe_images", "Images", Owners=["self"], Filters=self.filters)
        kept = newest(images, params["keep"]) | set(params["in_use"]) | self._running()
        kept |= {image["ImageId"] for image in images if image["State"] == "pending"}
        versions = self._versions()
        unused, outdated = choose(images, versions, self._pinned(), set(params["templates"]), kept)
        gone = {name: tuple(one.number for one in outdated if one.template == name) for name in {version.template for version in outdated}}
        orphans = [] if any(image["State"] == "pending" for image in images) else self._orphans(images)
        snapshots = [snapshot for image in unused for snapshot in _snapshots(image)] + orphans
        return Removal(tuple(image["ImageId"] for image in unused), tuple(snapshots), gone)

    def _running(self) -> set[str]:
        alive = [{"Name": "instance-state-name", "Values": list(ALIVE)}]
        found = self._all(self.ec2, "describe_instances", "Reservations", Filters=alive)
        return {instance["ImageId"] for reservation in found for instance in reservation["Instances"]}

    def _versions(self) -> list[Version]:
        templates = self._all(self.ec2, "describe_launch_templates", "LaunchTemplates")
        return [
            Version(
                template["LaunchTemplateName"],
                str(version["VersionNumber"]),
                version["LaunchTemplateData"].get("ImageId", ""),
                version["DefaultVersion"],
            )
            for template in templates
            for version in self._all(
                self.ec2, "describe_launch_template_versions", "LaunchTemplateVersions", LaunchTemplateId=template["LaunchTemplateId"]
            )
        ]

    def _pinned(self) -> set[tuple[str, str]]:
        pinned = set()
        for group in self._all(self.autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups"):
            policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
            holders = [group.get("LaunchTemplate"), policy.get("LaunchTemplateSpecification")]
            holders += [override.get("LaunchTemplateSpecification") for override in policy.get("Overrides", [])]
            holders += [instance.get("LaunchTemplate") for instance in group["Instances"]]
            pinned |= {(holder["LaunchTemplateName"], str(holder.get("Version", ""))) for holder in holders if holder}
        return pinned

    def _orphans(self, images: Iterable[dict[str, Any]]) -> list[str]:
        filters = [*self.filters, {"Name": "tag-key", "Values": [CONTENT_TAG]}]
        found = self._all(self.ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=filters)
        used = {snapshot for image in images for snapshot in _snapshots(image)}
        return [snapshot["SnapshotId"] for snapshot in found if snapshot["SnapshotId"] not in used]

    def remove(self, removal: Removal) -> None:
        """Remove it: first what refers to an image, last what an image consists of."""
        for template, numbers in removal.versions.items():
            answer = self.ec2.delete_launch_template_versions(LaunchTemplateName=template, Versions=list(numbers))
            for refused in answer.get("UnsuccessfullyDeletedLaunchTemplateVersions", []):
                reason = refused["ResponseError"]["Message"]
                raise ResourceError(f"version {refused['VersionNumber']} of launch template {template} stays: {reason}")
        for image in removal.images:
            self.ec2.deregister_image(ImageId=image)
        for snapshot in removal.snapshots:
            self.ec2.delete_snapshot(SnapshotId=snapshot)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "tags": {"type": "dict", "required": True},
            "roles": {"type": "list", "elements": "str", "required": True},
            "keep": {"type": "int", "default": 3},
            "in_use": {"type": "list", "elements": "str", "default": []},
            "templates": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    region = Region(module.params, aws_client(module, "ec2"), aws_client(module, "autoscaling"))
    with reporting(module, "tell which images are in use"):
        removal = region.removal()
    if planning.active or not module.check_mode:
        with reporting(module, "remove what nothing uses"):
            region.remove(removal)
    removed = {
        "images": sorted(removal.images),
        "snapshots": sorted(removal.snapshots),
        "versions": {name: list(numbers) for name, numbers in sorted(removal.versions.items())},
    }
    module.exit_json(
        changed=any(removed.values()), removed=removed, diff={"before": removed, "after": {"images": [], "snapshots": [], "versions": {}}}
    )


if __name__ == "__main__":
    main()
