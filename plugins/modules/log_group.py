#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: log_group
version_added: 0.1.0
short_description: Manage a CloudWatch log group
description:
  - Creates, changes and deletes one log group with its retention, encryption key and tags. Deleting it deletes everything logged in it.
  - Use it instead of M(amazon.aws.cloudwatchlogs_log_group), which deletes an existing group, with all that was logged,
    when it is given a retention that its own list does not know, and which writes in check mode.
options:
  name:
    description: Name of the log group.
    type: str
    required: true
  retention_days:
    description:
      - Days that AWS keeps a record; V(0) keeps records for ever.
      - AWS accepts only certain numbers and refuses others without harm.
    type: int
  kms_key_arn:
    description:
      - ARN of the KMS key that encrypts new records. The empty string goes back to the key that AWS owns.
    type: str
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
- name: Keep the web tier's logs for 30 days
  indivillage.infra.log_group:
    name: /aws/ec2/indivillage-production-web
    retention_days: 30
    kms_key_arn: arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The log group. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the log group, without the trailing C(:*) that some policies need.
      type: str
      returned: when the log group exists
      sample: arn:aws:logs:us-east-1:123456789012:log-group:/aws/ec2/indivillage-production-web
    retention_days:
      description: Days that a record is kept, 0 for ever.
      type: int
      returned: when the log group exists
      sample: 30
    kms_key_arn:
      description: The encrypting key, or an empty string.
      type: str
      returned: when the log group exists
  sample: {name: /aws/ec2/indivillage-production-web, retention_days: 30}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run


class LogGroup(Resource):
    service = "logs"
    kind = "log group"
    options: ClassVar[dict[str, Any]] = {"name": {"required": True}, "retention_days": {"type": "int"}, "kms_key_arn": {"no_log": False}}
    properties = ("retention_days", "kms_key_arn")

    def find(self) -> Properties | None:
        for page in self.client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name):
            for group in page["logGroups"]:
                if group["logGroupName"] == self.name:
                    arn = group["arn"].removesuffix(":*")
                    return {
                        "name": self.name,
                        "arn": arn,
                        "retention_days": group.get("retentionInDays", 0),
                        "kms_key_arn": group.get("kmsKeyId", ""),
                        "tags": self.client.list_tags_for_resource(resourceArn=arn)["tags"],
                    }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        key = {"kmsKeyId": wanted["kms_key_arn"]} if wanted.get("kms_key_arn") else {}
        self.client.create_log_group(logGroupName=self.name, **key, **({"tags": tags} if tags else {}))
        if wanted.get("retention_days"):
            self._keep(wanted["retention_days"])

    def update(self, current: Properties, changes: Properties) -> None:
        if "retention_days" in changes:
            self._keep(changes["retention_days"])
        if changes.get("kms_key_arn"):
            self.client.associate_kms_key(logGroupName=self.name, kmsKeyId=changes["kms_key_arn"])
        elif "kms_key_arn" in changes:
            self.client.disassociate_kms_key(logGroupName=self.name)

    def _keep(self, days: int) -> None:
        if days:
            self.client.put_retention_policy(logGroupName=self.name, retentionInDays=days)
        else:
            self.client.delete_retention_policy(logGroupName=self.name)

    def delete(self, current: Properties) -> None:
        self.client.delete_log_group(logGroupName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(resourceArn=current["arn"], tagKeys=remove)
        if add:
            self.client.tag_resource(resourceArn=current["arn"], tags=add)


def main() -> None:
    run(LogGroup)


if __name__ == "__main__":
    main()
