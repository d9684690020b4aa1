#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_patch_baseline
version_added: 0.3.0
short_description: Manage a patch baseline of Systems Manager
description:
  - Creates, changes and deletes one patch baseline with the patch groups that go by it, and its tags.
options:
  name:
    description: Name of the baseline.
    type: str
    required: true
  operating_system:
    description: What it is for. Cannot be changed.
    type: str
    default: DEBIAN
    choices: [DEBIAN, UBUNTU, AMAZON_LINUX_2023]
  description:
    description: What it approves, for people.
    type: str
    default: Managed by Ansible
  approval_rules:
    description: Which patches are approved by themselves, all of it. Needed unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      filters:
        description: "Which patches, as C({PRIORITY: [Required, Important]})."
        type: dict
        required: true
      approve_after_days:
        description: Days after the release of a patch. Debian and Ubuntu tell no days of release and know V(0) alone.
        type: int
        default: 0
      compliance_level:
        description: How bad it is when such a patch is missing.
        type: str
        default: UNSPECIFIED
        choices: [CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL, UNSPECIFIED]
      enable_non_security:
        description: Whether patches count that are not about security.
        type: bool
        default: false
  rejected_patches:
    description: Packages that are never updated.
    type: list
    elements: str
    default: []
  patch_groups:
    description: Values of the tag PatchGroup of instances that go by it, all of them.
    type: list
    elements: str
    default: []
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
- name: Approve what concerns security
  indivillage.infra.ssm_patch_baseline:
    name: indivillage-staging-debian
    approval_rules: [{filters: {PRIORITY: [Required, Important]}, compliance_level: HIGH}]
    patch_groups: [indivillage-staging-web]
"""

RETURN = r"""
resource:
  description: The baseline. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    baseline_id:
      description: Id of the baseline.
      type: str
      returned: when the baseline exists
      sample: pb-0123456789abcdef0
  sample: {name: indivillage-staging-debian, operating_system: DEBIAN}
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run


class Baseline(Resource):
    service = "ssm"
    kind = "patch baseline"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "operating_system": {"default": "DEBIAN", "choices": ["DEBIAN", "UBUNTU", "AMAZON_LINUX_2023"]},
        "description": {"default": "Managed by Ansible"},
        "approval_rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "filters": {"type": "dict", "required": True},
                "approve_after_days": {"type": "int", "default": 0},
                "compliance_level": {
                    "default": "UNSPECIFIED",
                    "choices": ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"],
                },
                "enable_non_security": {"type": "bool", "default": False},
            },
        },
        "rejected_patches": {"type": "list", "elements": "str", "default": []},
        "patch_groups": {"type": "list", "elements": "str", "default": []},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("approval_rules",))]}
    properties = ("operating_system", "description", "approval_rules", "rejected_patches", "patch_groups")
    immutable = frozenset({"operating_system"})

    def find(self) -> Properties | None:
        own = [{"Key": "OWNER", "Values": ["Self"]}]
        pages = self.client.get_paginator("describe_patch_baselines").paginate(Filters=own)
        baseline_id = next(
            (one["BaselineId"] for page in pages for one in page["BaselineIdentities"] if one["BaselineName"] == self.name), None
        )
        if baseline_id is None:
            return None
        found = self.client.get_patch_baseline(BaselineId=baseline_id)
        tags = self.client.list_tags_for_resource(ResourceType="PatchBaseline", ResourceId=baseline_id)["TagList"]
        return {
            "name": self.name,
            "baseline_id": baseline_id,
            "operating_system": found["OperatingSystem"],
            "description": found.get("Description") or "",
            "approval_rules": [self._read(rule) for rule in (found.get("ApprovalRules") or {}).get("PatchRules") or []],
            "rejected_patches": found.get("RejectedPatches") or [],
            "patch_groups": found.get("PatchGroups") or [],
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        baseline_id = self.client.create_patch_baseline(
            Name=self.name,
            OperatingSystem=wanted["operating_system"],
            Tags=ansible_dict_to_boto3_tag_list(tags),
            **self._written(wanted),
        )["BaselineId"]
        for group in wanted["patch_groups"]:
            self.client.register_patch_baseline_for_patch_group(BaselineId=baseline_id, PatchGroup=group)

    def update(self, current: Properties, changes: Properties) -> None:
        baseline_id = current["baseline_id"]
        if changes.keys() - {"patch_groups"}:
            self.client.update_patch_baseline(BaselineId=baseline_id, **self._written({**current, **changes}))
        groups = set(changes.get("patch_groups", current["patch_groups"]))
        for group in sorted(set(current["patch_groups"]) - groups):
            self.client.deregister_patch_baseline_for_patch_group(BaselineId=baseline_id, PatchGroup=group)
        for group in sorted(groups - set(current["patch_groups"])):
            self.client.register_patch_baseline_for_patch_group(BaselineId=baseline_id, PatchGroup=group)

    def delete(self, current: Properties) -> None:
        for group in current["patch_groups"]:
            self.client.deregister_patch_baseline_for_patch_group(BaselineId=current["baseline_id"], PatchGroup=group)
        self.client.delete_patch_baseline(BaselineId=current["baseline_id"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        key = {"ResourceType": "PatchBaseline", "ResourceId": current["baseline_id"]}
        if remove:
            self.client.remove_tags_from_resource(**key, TagKeys=remove)
        if add:
            self.client.add_tags_to_resource(**key, Tags=ansible_dict_to_boto3_tag_list(add))

    @staticmethod
    def _written(wanted: Properties) -> dict[str, Any]:
        rules = [
            {
                "PatchFilterGroup": {"PatchFilters": [{"Key": key, "Values": values} for key, values in sorted(rule["filters"].items())]},
                "ApproveAfterDays": rule["approve_after_days"],
                "ComplianceLevel": rule["compliance_level"],
                "EnableNonSecurity": rule["enable_non_security"],
            }
            for rule in wanted["approval_rules"]
        ]
        return {
            "Description": wanted["description"],
            "ApprovalRules": {"PatchRules": rules},
            "RejectedPatches": wanted["rejected_patches"],
        }

    @staticmethod
    def _read(rule: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "filters": {one["Key"]: one["Values"] for one in rule["PatchFilterGroup"]["PatchFilters"]},
            "approve_after_days": rule.get("ApproveAfterDays", 0),
            "compliance_level": rule.get("ComplianceLevel", "UNSPECIFIED"),
            "enable_non_security": rule.get("EnableNonSecurity", False),
        }


def main() -> None:
    run(Baseline)


if __name__ == "__main__":
    main()
