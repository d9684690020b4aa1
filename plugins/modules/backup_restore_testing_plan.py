#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_restore_testing_plan
version_added: 0.3.0
short_description: Manage a plan by which AWS Backup proves that backups can be restored
description:
  - Creates, changes and deletes one restore testing plan with what it restores, and its tags.
  - What it restores is deleted again by AWS when the time for its validation is over.
options:
  name:
    description: Name of the plan; letters, digits and underscores. Cannot be changed.
    type: str
    required: true
  schedule:
    description: When, as V(cron(0 12 ? * MON#1 *\)), in UTC. Needed unless O(state=absent).
    type: str
  start_window_hours:
    description: Within which time a test has to begin.
    type: int
    default: 1
  vault_arns:
    description: ARNs of the vaults whose backups are restored. Needed unless O(state=absent).
    type: list
    elements: str
  window_days:
    description: How old a backup may be that is restored. The newest is.
    type: int
    default: 30
  selections:
    description: What is restored, all of it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the selection; letters, digits and underscores.
        type: str
        required: true
      resource_type:
        description: What kind of resource, as V(RDS). Cannot be changed.
        type: str
        required: true
      role_arn:
        description: ARN of the role with which AWS Backup restores.
        type: str
        required: true
      tags:
        description: Only what carries all of these tags; everything of the kind when empty.
        type: dict
        default: {}
      validation_hours:
        description: How long the restored resource stays to be looked at.
        type: int
        default: 1
      restore_metadata:
        description: How it is restored, where that differs from what AWS infers, by names of AWS.
        type: dict
        default: {}
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
- name: Restore the newest database backup once a month
  indivillage.infra.backup_restore_testing_plan:
    name: indivillage_staging_monthly
    schedule: cron(0 12 ? * MON#1 *)
    vault_arns: ["arn:aws:backup:us-east-1:123456789012:backup-vault:indivillage-staging-backups"]
    selections:
      - {name: databases, resource_type: RDS, role_arn: "arn:aws:iam::123456789012:role/indivillage-staging-backup"}
"""

RETURN = r"""
resource:
  description: The plan. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the plan.
      type: str
      returned: when the plan exists
      sample: arn:aws:backup:us-east-1:123456789012:restore-testing-plan:indivillage_staging_monthly-12345678-1234-1234-1234-123456789012
  sample: {name: indivillage_staging_monthly, schedule: "cron(0 12 ? * MON#1 *)"}
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

TAG = "aws:ResourceTag/"


class Plan(Resource):
    service = "backup"
    kind = "restore testing plan"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "schedule": {},
        "start_window_hours": {"type": "int", "default": 1},
        "vault_arns": {"type": "list", "elements": "str"},
        "window_days": {"type": "int", "default": 30},
        "selections": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"required": True},
                "resource_type": {"required": True},
                "role_arn": {"required": True},
                "tags": {"type": "dict", "default": {}},
                "validation_hours": {"type": "int", "default": 1},
                "restore_metadata": {"type": "dict", "default": {}},
            },
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("schedule", "vault_arns"))]}
    properties = ("schedule", "start_window_hours", "vault_arns", "window_days", "selections")

    def find(self) -> Properties | None:
        try:
            plan = self.client.get_restore_testing_plan(RestoreTestingPlanName=self.name)["RestoreTestingPlan"]
        except self.client.exceptions.ResourceNotFoundException:
            return None
        chosen = plan["RecoveryPointSelection"]
        return {
            "name": self.name,
            "arn": plan["RestoreTestingPlanArn"],
            "schedule": plan["ScheduleExpression"],
            "start_window_hours": plan.get("StartWindowHours"),
            "vault_arns": chosen.get("IncludeVaults") or [],
            "window_days": chosen.get("SelectionWindowDays"),
            "selections": list(self._selections()),
            "tags": self.client.list_tags(ResourceArn=plan["RestoreTestingPlanArn"]).get("Tags") or {},
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        plan = {"RestoreTestingPlanName": self.name, **self._written(wanted)}
        self.client.create_restore_testing_plan(RestoreTestingPlan=plan, Tags=tags)
        for selection in wanted["selections"]:
            self._select(selection)

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.keys() - {"selections"}:
            plan = self._written({**current, **changes})
            self.client.update_restore_testing_plan(RestoreTestingPlanName=self.name, RestoreTestingPlan=plan)
        if "selections" in changes:
            for selection in current["selections"]:
                if selection not in changes["selections"]:
                    self._unselect(selection)
            for selection in changes["selections"]:
                if selection not in current["selections"]:
                    self._select(selection)

    def delete(self, current: Properties) -> None:
        for selection in current["selections"]:
            self._unselect(selection)
        self.client.delete_restore_testing_plan(RestoreTestingPlanName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeyList=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=add)

    def _selections(self) -> Iterator[Properties]:
        key = {"RestoreTestingPlanName": self.name}
        for page in self.client.get_paginator("list_restore_testing_selections").paginate(**key):
            for one in page["RestoreTestingSelections"]:
                name = {"RestoreTestingSelectionName": one["RestoreTestingSelectionName"]}
                yield self._read(self.client.get_restore_testing_selection(**key, **name)["RestoreTestingSelection"])

    def _select(self, selection: Properties) -> None:
        written = {
            "RestoreTestingSelectionName": selection["name"],
            "ProtectedResourceType": selection["resource_type"],
            "ProtectedResourceArns": ["*"],
            "IamRoleArn": selection["role_arn"],
            "ValidationWindowHours": selection["validation_hours"],
            "RestoreMetadataOverrides": selection["restore_metadata"],
            "ProtectedResourceConditions": {
                "StringEquals": [{"Key": f"{TAG}{key}", "Value": str(value)} for key, value in sorted(selection["tags"].items())]
            },
        }
        self.client.create_restore_testing_selection(RestoreTestingPlanName=self.name, RestoreTestingSelection=written)

    def _unselect(self, selection: Properties) -> None:
        self.client.delete_restore_testing_selection(RestoreTestingPlanName=self.name, RestoreTestingSelectionName=selection["name"])

    @staticmethod
    def _written(wanted: Properties) -> dict[str, Any]:
        return {
            "ScheduleExpression": wanted["schedule"],
            "StartWindowHours": wanted["start_window_hours"],
            "RecoveryPointSelection": {
                "Algorithm": "LATEST_WITHIN_WINDOW",
                "IncludeVaults": wanted["vault_arns"],
                "RecoveryPointTypes": ["SNAPSHOT"],
                "SelectionWindowDays": wanted["window_days"],
            },
        }

    @staticmethod
    def _read(found: Mapping[str, Any]) -> Properties:
        conditions = (found.get("ProtectedResourceConditions") or {}).get("StringEquals") or []
        return {
            "name": found["RestoreTestingSelectionName"],
            "resource_type": found["ProtectedResourceType"],
            "role_arn": found["IamRoleArn"],
            "tags": {item["Key"].removeprefix(TAG): item["Value"] for item in conditions},
            "validation_hours": found.get("ValidationWindowHours"),
            "restore_metadata": found.get("RestoreMetadataOverrides") or {},
        }


def main() -> None:
    run(Plan)


if __name__ == "__main__":
    main()
