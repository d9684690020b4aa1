#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sqs_queue
version_added: 0.2.0
short_description: Manage an SQS standard queue
description:
  - Creates, changes and deletes one queue with its attributes, policy, encryption and tags.
  - Use it instead of M(community.aws.sqs_queue), which compares only attributes that the queue has, and so cannot see that somebody has
    taken its encryption away.
  - AWS may report a changed attribute up to a minute later; the module waits for that.
options:
  name:
    description: Name of the queue.
    type: str
    required: true
  visibility_timeout_seconds:
    description: How long a message that was received is hidden from others.
    type: int
  retention_seconds:
    description: How long a message is kept that nobody deletes.
    type: int
  wait_seconds:
    description: How long a call that receives waits for a message, V(0) to V(20).
    type: int
  dead_letter_queue_arn:
    description: Where a message goes that was received O(max_receives) times and not deleted.
    type: str
  max_receives:
    description: After how many receives a message is taken for undeliverable.
    type: int
  kms_key_id:
    description: Id, ARN or alias of the key that encrypts messages, compared as it is written.
    type: str
  policy:
    description: The queue's policy.
    type: dict
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
- name: Make the queue of tasks
  indivillage.infra.sqs_queue:
    name: indivillage-staging-tasks
    visibility_timeout_seconds: 300
    dead_letter_queue_arn: arn:aws:sqs:us-east-1:123456789012:indivillage-staging-tasks-dlq
    max_receives: 4
    kms_key_id: alias/indivillage-staging-general
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The queue. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the queue.
      type: str
      sample: indivillage-staging-tasks
    queue_url:
      description: What calls name it by.
      type: str
      sample: https://sqs.us-east-1.amazonaws.com/123456789012/indivillage-staging-tasks
    queue_arn:
      description: ARN of the queue.
      type: str
      sample: arn:aws:sqs:us-east-1:123456789012:indivillage-staging-tasks
    visibility_timeout_seconds:
      description: How long a message that was received is hidden from others.
      type: int
      sample: 300
  sample: {name: indivillage-staging-tasks, visibility_timeout_seconds: 300, max_receives: 4}
"""

import json
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

# Option -> the attribute that holds it, and what AWS means when it leaves the attribute out.
ATTRIBUTES: dict[str, tuple[str, int | str]] = {
    "visibility_timeout_seconds": ("VisibilityTimeout", 30),
    "retention_seconds": ("MessageRetentionPeriod", 345600),
    "wait_seconds": ("ReceiveMessageWaitTimeSeconds", 0),
    "kms_key_id": ("KmsMasterKeyId", ""),
}
REDRIVE = {"dead_letter_queue_arn": "deadLetterTargetArn", "max_receives": "maxReceiveCount"}


class Queue(Resource):
    service = "sqs"
    kind = "queue"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "visibility_timeout_seconds": {"type": "int"},
        "retention_seconds": {"type": "int"},
        "wait_seconds": {"type": "int"},
        "dead_letter_queue_arn": {},
        "max_receives": {"type": "int"},
        "kms_key_id": {},
        "policy": {"type": "dict"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_together": [("dead_letter_queue_arn", "max_receives")]}
    properties = (*ATTRIBUTES, *REDRIVE, "policy")
    exact = frozenset({"policy"})

    def find(self) -> Properties | None:
        try:
            url = self.client.get_queue_url(QueueName=self.name)["QueueUrl"]
            attributes = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            tags = self.client.list_queue_tags(QueueUrl=url).get("Tags", {})
        except self.client.exceptions.QueueDoesNotExist:
            return None
        redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
        return {
            "name": self.name,
            "queue_url": url,
            "queue_arn": attributes.get("QueueArn"),
            **{option: self._read(attributes.get(name, default), default) for option, (name, default) in ATTRIBUTES.items()},
            "dead_letter_queue_arn": redrive.get("deadLetterTargetArn", ""),
            "max_receives": int(redrive.get("maxReceiveCount", 0)),
            "policy": json.loads(attributes.get("Policy") or "{}"),
            "tags": tags,
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        try:
            self.client.create_queue(QueueName=self.name, Attributes=self._attributes(wanted, wanted), tags=tags)
        except self.client.exceptions.QueueDeletedRecently as error:
            raise ResourceError(
                f"{self} was deleted less than a minute ago, and AWS makes no other of its name before. Try again."
            ) from error

    def update(self, current: Properties, changes: Properties) -> None:
        attributes = self._attributes(changes, {**current, **changes})
        self.client.set_queue_attributes(QueueUrl=current["queue_url"], Attributes=attributes)

    def delete(self, current: Properties) -> None:
        self.client.delete_queue(QueueUrl=current["queue_url"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_queue(QueueUrl=current["queue_url"], TagKeys=remove)
        if add:
            self.client.tag_queue(QueueUrl=current["queue_url"], Tags=add)

    @staticmethod
    def _read(text: int | str, default: int | str) -> int | str:
        return int(text) if isinstance(default, int) else text

    @staticmethod
    def _attributes(changes: Properties, whole: Properties) -> dict[str, str]:
        """The attributes that hold the changes; those that hold several properties have all of them."""
        attributes = {name: str(changes[option]) for option, (name, _default) in ATTRIBUTES.items() if option in changes}
        if changes.keys() & REDRIVE:
            attributes["RedrivePolicy"] = json.dumps({name: whole[option] for option, name in REDRIVE.items()})
        if "policy" in changes:
            attributes["Policy"] = json.dumps(changes["policy"])
        return attributes


def main() -> None:
    run(Queue)


if __name__ == "__main__":
    main()
