#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_association
version_added: 0.3.0
short_description: Manage a State Manager association
description:
  - Creates, changes and deletes one association, by which Systems Manager applies a document to instances again and again, with its tags.
options:
  name:
    description: Name of the association.
    type: str
    required: true
  document:
    description: Name of the document. Needed unless O(state=absent).
    type: str
  schedule:
    description: When, as V(rate(12 hours\)) or V(cron(0 7 ? * MON *\)). Needed unless O(state=absent).
    type: str
  targets:
    description: Key of a tag to the values that instances may have. Needed unless O(state=absent).
    type: dict
  parameters:
    description: Parameters of the document, each a list.
    type: dict
    default: {}
  max_concurrency:
    description: How many instances, or which share, at a time.
    type: str
    default: 50%
  max_errors:
    description: After how many failures, or which share, no other instance is begun.
    type: str
    default: 50%
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
- name: Know what is installed
  indivillage.infra.ssm_association:
    name: indivillage-staging-inventory
    document: AWS-GatherSoftwareInventory
    schedule: rate(12 hours)
    targets: {Environment: [staging]}
"""

RETURN = r"""
resource:
  description: The association. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    association_id:
      description: Id of the association.
      type: str
      returned: when the association exists
      sample: 12345678-1234-1234-1234-123456789012
  sample: {name: indivillage-staging-inventory, document: AWS-GatherSoftwareInventory, schedule: rate(12 hours)}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run


class Association(Resource):
    service = "ssm"
    kind = "association"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "document": {},
        "schedule": {},
        "targets": {"type": "dict"},
        "parameters": {"type": "dict", "default": {}},
        "max_concurrency": {"default": "50%"},
        "max_errors": {"default": "50%"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("document", "schedule", "targets"))]}
    properties = ("document", "schedule", "targets", "parameters", "max_concurrency", "max_errors")
    exact = frozenset({"parameters", "targets"})

    def find(self) -> Properties | None:
        named = [{"key": "AssociationName", "value": self.name}]
        pages = self.client.get_paginator("list_associations").paginate(AssociationFilterList=named)
        association_id = next(
            (one["AssociationId"] for page in pages for one in page["Associations"] if one.get("AssociationName") == self.name), None
        )
        if association_id is None:
            return None
        found = self.client.describe_association(AssociationId=association_id)["AssociationDescription"]
        tags = self.client.list_tags_for_resource(ResourceType="Association", ResourceId=association_id)["TagList"]
        return {
            "name": self.name,
            "association_id": association_id,
            "document": found["Name"],
            "schedule": found.get("ScheduleExpression"),
            "targets": {one["Key"].removeprefix("tag:"): one["Values"] for one in found.get("Targets") or []},
            "parameters": found.get("Parameters") or {},
            "max_concurrency": found.get("MaxConcurrency"),
            "max_errors": found.get("MaxErrors"),
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_association(**self._written(wanted), Tags=ansible_dict_to_boto3_tag_list(tags))

    def update(self, current: Properties, changes: Properties) -> None:
        # AWS forgets what is not said again.
        self.client.update_association(AssociationId=current["association_id"], **self._written({**current, **changes}))

    def delete(self, current: Properties) -> None:
        self.client.delete_association(AssociationId=current["association_id"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        key = {"ResourceType": "Association", "ResourceId": current["association_id"]}
        if remove:
            self.client.remove_tags_from_resource(**key, TagKeys=remove)
        if add:
            self.client.add_tags_to_resource(**key, Tags=ansible_dict_to_boto3_tag_list(add))

    def _written(self, wanted: Properties) -> dict[str, Any]:
        return {
            "AssociationName": self.name,
            "Name": wanted["document"],
            "ScheduleExpression": wanted["schedule"],
            "Targets": [{"Key": f"tag:{key}", "Values": values} for key, values in sorted(wanted["targets"].items())],
            "Parameters": wanted["parameters"],
            "MaxConcurrency": wanted["max_concurrency"],
            "MaxErrors": wanted["max_errors"],
        }


def main() -> None:
    run(Association)


if __name__ == "__main__":
    main()
