#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynamodb_table
version_added: 0.1.0
short_description: Manage a DynamoDB table that is paid by request
description:
  - Creates, changes and deletes one table with its key, recovery, encryption, deletion protection and tags.
  - Use it instead of M(community.aws.dynamodb_table), which knows neither point-in-time recovery nor deletion protection nor encryption.
options:
  name:
    description: Name of the table.
    type: str
    required: true
  hash_key:
    description: Name of the partition key, a string. Cannot be changed.
    type: str
    required: true
  range_key:
    description: Name of the sort key, a string. Cannot be changed.
    type: str
    default: ""
  point_in_time_recovery:
    description: Whether the table can be restored to any second of the last 35 days.
    type: bool
    default: true
  deletion_protection:
    description: Whether AWS refuses to delete the table.
    type: bool
    default: false
  encryption:
    description:
      - V(aws) encrypts with the key that DynamoDB owns.
      - V(account) encrypts with the account's own C(alias/aws/dynamodb), whose use CloudTrail records.
    type: str
    choices: [aws, account]
    default: account
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
- name: Make the table of the runs
  indivillage.infra.dynamodb_table:
    name: indivillage-staging-deployments
    hash_key: environment
    range_key: run_id
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The table. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {name: indivillage-staging-leases, hash_key: environment, range_key: "", point_in_time_recovery: true, encryption: account}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    run,
    wait_until,
)

_BEING_MADE = ("CREATING", "UPDATING")


class Table(Resource):
    service = "dynamodb"
    kind = "DynamoDB table"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "hash_key": {"required": True, "no_log": False},
        "range_key": {"default": "", "no_log": False},
        "point_in_time_recovery": {"type": "bool", "default": True},
        "deletion_protection": {"type": "bool", "default": False},
        "encryption": {"choices": ["aws", "account"], "default": "account"},
    }
    properties = ("hash_key", "range_key", "point_in_time_recovery", "deletion_protection", "encryption")
    immutable = frozenset({"hash_key", "range_key"})

    def find(self) -> Properties | None:
        try:
            table = self.client.describe_table(TableName=self.name)["Table"]
            backups = self.client.describe_continuous_backups(TableName=self.name)["ContinuousBackupsDescription"]
            pages = self.client.get_paginator("list_tags_of_resource").paginate(ResourceArn=table["TableArn"])
            tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except (self.client.exceptions.ResourceNotFoundException, self.client.exceptions.TableNotFoundException):
            return None
        keys = {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]}
        return {
            "name": self.name,
            "arn": table["TableArn"],
            "status": table["TableStatus"],
            "hash_key": keys["HASH"],
            "range_key": keys.get("RANGE", ""),
            "point_in_time_recovery": backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED",
            "deletion_protection": table.get("DeletionProtectionEnabled", False),
            "encryption": "account" if table.get("SSEDescription", {}).get("Status") in {"ENABLED", "ENABLING", "UPDATING"} else "aws",
            "tags": tags,
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        keys = [(wanted["hash_key"], "HASH"), *([(wanted["range_key"], "RANGE")] if wanted["range_key"] else [])]
        self.client.create_table(
            TableName=self.name,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _kind in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            BillingMode="PAY_PER_REQUEST",
            SSESpecification=self._encryption(wanted),
            DeletionProtectionEnabled=wanted["deletion_protection"],
            Tags=ansible_dict_to_boto3_tag_list(tags),
        )
        self._await()
        if wanted["point_in_time_recovery"]:
            self._recover(True)

    def update(self, current: Properties, changes: Properties) -> None:
        # One change at a time is all that DynamoDB takes.
        if "encryption" in changes:
            self.client.update_table(TableName=self.name, SSESpecification=self._encryption(changes))
            self._await()
        if "deletion_protection" in changes:
            self.client.update_table(TableName=self.name, DeletionProtectionEnabled=changes["deletion_protection"])
            self._await()
        if "point_in_time_recovery" in changes:
            self._recover(changes["point_in_time_recovery"])

    def delete(self, current: Properties) -> None:
        self.client.delete_table(TableName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))

    def settle(self, current: Properties) -> Properties:
        if current["status"] not in _BEING_MADE:
            return current
        self._await()
        return self.find() or current

    @staticmethod
    def _encryption(wanted: Properties) -> dict[str, Any]:
        return {"Enabled": True, "SSEType": "KMS"} if wanted["encryption"] == "account" else {"Enabled": False}

    def _recover(self, enabled: bool) -> None:
        specification = {"PointInTimeRecoveryEnabled": enabled}
        self.client.update_continuous_backups(TableName=self.name, PointInTimeRecoverySpecification=specification)

    def _await(self) -> None:
        def stands() -> bool:
            return bool(self.client.describe_table(TableName=self.name)["Table"]["TableStatus"] == "ACTIVE")

        wait_until(stands, f"{self} to be ready", READ_BACK_SECONDS)


def main() -> None:
    run(Table)


if __name__ == "__main__":
    main()
