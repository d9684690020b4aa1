#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_plan
version_added: 0.3.0
short_description: Manage a plan of AWS Backup with what it backs up
description:
  - Creates, changes and deletes one plan with its rules, its selections and its tags. A selection that differs is made anew.
  - Use it instead of M(amazon.aws.backup_plan) and M(amazon.aws.backup_selection), which announce changes of tags that are none.
options:
  name:
    description: Name of the plan.
    type: str
    required: true
  rules:
    description: When backups are made, and how long they stay; all of them. Needed unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the rule.
        type: str
        required: true
      vault:
        description: Name of the vault.
        type: str
        required: true
      schedule:
        description: When, as V(cron(0 7 * * ? *\)), in UTC.
        type: str
        required: true
      start_window_minutes:
        description: Within which time it has to begin.
        type: int
        default: 60
      completion_window_minutes:
        description: Within which time it has to be done.
        type: int
        default: 180
      delete_after_days:
        description: How long a backup stays.
        type: int
        required: true
      cold_after_days:
        description: After how many days it goes to cheaper storage, for resources that know that.
        type: int
      copies:
        description: Where else it is kept.
        type: list
        elements: dict
        default: []
        suboptions:
          vault_arn:
            description: ARN of the other vault.
            type: str
            required: true
          delete_after_days:
            description: How long the copy stays.
            type: int
            required: true
  selections:
    description: What is backed up, all of it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the selection.
        type: str
        required: true
      role_arn:
        description: ARN of the role with which AWS Backup reads.
        type: str
        required: true
      tags:
        description: What carries all of these tags.
        type: dict
        required: true
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
- name: Back the databases up every day
  indivillage.infra.backup_plan:
    name: indivillage-staging-daily
    rules: [{name: daily, vault: indivillage-staging-backups, schedule: "cron(0 8 * * ? *)", delete_after_days: 30}]
    selections:
      - name: data
        role_arn: arn:aws:iam::123456789012:role/indivillage-staging-backup
        tags: {Environment: staging, Tier: data}
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
      sample: arn:aws:backup:us-east-1:123456789012:backup-plan:12345678-1234-1234-1234-123456789012
  sample: {name: indivillage-staging-daily}
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

TAG = "aws:ResourceTag/"


class Plan(Resource):
    service = "backup"
    kind = "backup plan"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"required": True},
                "vault": {"required": True},
                "schedule": {"required": True},
                "start_window_minutes": {"type": "int", "default": 60},
                "completion_window_minutes": {"type": "int", "default": 180},
                "delete_after_days": {"type": "int", "required": True},
                "cold_after_days": {"type": "int"},
                "copies": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {"vault_arn": {"required": True}, "delete_after_days": {"type": "int", "required": True}},
                },
            },
        },
        "selections": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": {"required": True}, "role_arn": {"required": True}, "tags": {"type": "dict", "required": True}},
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("rules",))]}
    properties = ("rules", "selections")

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("list_backup_plans").paginate()
        plan_id = next(
            (one["BackupPlanId"] for page in pages for one in page["BackupPlansList"] if one["BackupPlanName"] == self.name), None
        )
        if plan_id is None:
            return None
        plan = self.client.get_backup_plan(BackupPlanId=plan_id)
        return {
            "name": self.name,
            "arn": plan["BackupPlanArn"],
            "plan_id": plan_id,
            "rules": [self._read_rule(rule) for rule in plan["BackupPlan"]["Rules"]],
            "selections": [selection for _id, selection in self._selections(plan_id)],
            "tags": self.client.list_tags(ResourceArn=plan["BackupPlanArn"]).get("Tags") or {},
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        plan_id = self.client.create_backup_plan(BackupPlan=self._written(wanted), BackupPlanTags=tags)["BackupPlanId"]
        for selection in wanted["selections"]:
            self._select(plan_id, selection)

    def update(self, current: Properties, changes: Properties) -> None:
        if "rules" in changes:
            self.client.update_backup_plan(BackupPlanId=current["plan_id"], BackupPlan=self._written(changes))
        if "selections" in changes:
            for selection_id, selection in list(self._selections(current["plan_id"])):
                if selection not in changes["selections"]:
                    self.client.delete_backup_selection(BackupPlanId=current["plan_id"], SelectionId=selection_id)
            for selection in changes["selections"]:
                if selection not in current["selections"]:
                    self._select(current["plan_id"], selection)

    def delete(self, current: Properties) -> None:
        for selection_id, _selection in list(self._selections(current["plan_id"])):
            self.client.delete_backup_selection(BackupPlanId=current["plan_id"], SelectionId=selection_id)
        self.client.delete_backup_plan(BackupPlanId=current["plan_id"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeyList=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=add)

    def _selections(self, plan_id: str) -> Iterator[tuple[str, Properties]]:
        for page in self.client.get_paginator("list_backup_selections").paginate(BackupPlanId=plan_id):
            for one in page["BackupSelectionsList"]:
                found = self.client.get_backup_selection(BackupPlanId=plan_id, SelectionId=one["SelectionId"])["BackupSelection"]
                conditions = (found.get("Conditions") or {}).get("StringEquals") or []
                yield (
                    one["SelectionId"],
                    {
                        "name": found["SelectionName"],
                        "role_arn": found["IamRoleArn"],
                        "tags": {item["ConditionKey"].removeprefix(TAG): item["ConditionValue"] for item in conditions},
                    },
                )

    def _select(self, plan_id: str, selection: Properties) -> None:
        conditions = [{"ConditionKey": f"{TAG}{key}", "ConditionValue": str(value)} for key, value in sorted(selection["tags"].items())]
        self.client.create_backup_selection(
            BackupPlanId=plan_id,
            BackupSelection={
                "SelectionName": selection["name"],
                "IamRoleArn": selection["role_arn"],
                "Resources": ["*"],
                "Conditions": {"StringEquals": conditions},
            },
        )

    def _written(self, wanted: Properties) -> dict[str, Any]:
        return {"BackupPlanName": self.name, "Rules": [self._write_rule(rule) for rule in wanted["rules"]]}

    @staticmethod
    def _write_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
        cold = {"MoveToColdStorageAfterDays": rule["cold_after_days"]} if rule["cold_after_days"] is not None else {}
        return {
            "RuleName": rule["name"],
            "TargetBackupVaultName": rule["vault"],
            "ScheduleExpression": rule["schedule"],
            "StartWindowMinutes": rule["start_window_minutes"],
            "CompletionWindowMinutes": rule["completion_window_minutes"],
            "Lifecycle": {"DeleteAfterDays": rule["delete_after_days"], **cold},
            "CopyActions": [
                {"DestinationBackupVaultArn": copy["vault_arn"], "Lifecycle": {"DeleteAfterDays": copy["delete_after_days"]}}
                for copy in rule["copies"]
            ],
        }

    @staticmethod
    def _read_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
        lifecycle = rule.get("Lifecycle") or {}
        return {
            "name": rule["RuleName"],
            "vault": rule["TargetBackupVaultName"],
            "schedule": rule.get("ScheduleExpression"),
            "start_window_minutes": rule.get("StartWindowMinutes"),
            "completion_window_minutes": rule.get("CompletionWindowMinutes"),
            "delete_after_days": lifecycle.get("DeleteAfterDays"),
            "cold_after_days": lifecycle.get("MoveToColdStorageAfterDays"),
            "copies": [
                {
                    "vault_arn": copy["DestinationBackupVaultArn"],
                    "delete_after_days": (copy.get("Lifecycle") or {}).get("DeleteAfterDays"),
                }
                for copy in rule.get("CopyActions") or []
            ],
        }


def main() -> None:
    run(Plan)


if __name__ == "__main__":
    main()
