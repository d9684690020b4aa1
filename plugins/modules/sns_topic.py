#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sns_topic
version_added: 0.3.0
short_description: Manage an SNS topic with its subscriptions
description:
  - Creates, changes and deletes one standard topic with its policy, encryption, subscriptions and tags.
  - Use it instead of M(community.aws.sns_topic), which knows no encryption and fails in check mode while the topic does not exist.
options:
  name:
    description: Name of the topic.
    type: str
    required: true
  display_name:
    description: What e-mail shows as the sender.
    type: str
    default: ""
  kms_key_id:
    description: Alias, id or ARN of the KMS key that encrypts messages. The empty string encrypts with none.
    type: str
    default: ""
  policy:
    description: The topic's policy, all of it. Left alone when left out.
    type: dict
  subscriptions:
    description:
      - Who hears what is published, all of them. Left alone when left out.
      - Whoever is asked by e-mail has to confirm; until then the subscription waits, and AWS forgets it after two days, so that a later
        run asks again. One that waits and is declared no more cannot be taken back and is left to that.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: How messages are delivered.
        type: str
        required: true
        choices: [email, email-json, https, lambda, sqs, sms]
      endpoint:
        description: To where; an address, a URL, an ARN or a number.
        type: str
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
- name: Make the topic of what cannot wait
  indivillage.infra.sns_topic:
    name: indivillage-production-critical
    kms_key_id: alias/indivillage-production-notifications
    subscriptions:
      - {protocol: email, endpoint: ops-alerts@example.com}
"""

RETURN = r"""
resource:
  description: The topic. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the topic.
      type: str
      returned: when the topic exists
      sample: arn:aws:sns:us-east-1:123456789012:indivillage-production-critical
  sample: {name: indivillage-production-critical, display_name: "", kms_key_id: alias/indivillage-production-notifications}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

ATTRIBUTES = {"display_name": "DisplayName", "kms_key_id": "KmsMasterKeyId", "policy": "Policy"}
WAITS = "PendingConfirmation"
GONE = "Deleted"


class Topic(Resource):
    service = "sns"
    kind = "SNS topic"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "display_name": {"default": ""},
        "kms_key_id": {"default": "", "no_log": False},
        "policy": {"type": "dict"},
        "subscriptions": {
            "type": "list",
            "elements": "dict",
            "options": {
                "protocol": {"required": True, "choices": ["email", "email-json", "https", "lambda", "sqs", "sms"]},
                "endpoint": {"required": True},
            },
        },
    }
    properties = ("display_name", "kms_key_id", "policy", "subscriptions")
    exact = frozenset({"policy"})

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("list_topics").paginate()
        arn = next((topic["TopicArn"] for page in pages for topic in page["Topics"] if topic["TopicArn"].endswith(f":{self.name}")), None)
        if arn is None:
            return None
        try:
            attributes = self.client.get_topic_attributes(TopicArn=arn)["Attributes"]
        except self.client.exceptions.NotFoundException:  # listed for a while after its end
            return None
        tags = self.client.list_tags_for_resource(ResourceArn=arn)["Tags"]
        return {
            "name": self.name,
            "arn": arn,
            "display_name": attributes.get("DisplayName", ""),
            "kms_key_id": attributes.get("KmsMasterKeyId", ""),
            "policy": json.loads(attributes.get("Policy") or "{}"),
            "subscriptions": [{"protocol": protocol, "endpoint": endpoint} for protocol, endpoint in self._subscribed(arn)],
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        attributes = {name: self._text(wanted[key]) for key, name in ATTRIBUTES.items() if wanted.get(key)}
        given = ansible_dict_to_boto3_tag_list(tags)
        arn = self.client.create_topic(Name=self.name, Attributes=attributes, Tags=given)["TopicArn"]
        for subscription in wanted.get("subscriptions", []):
            self._subscribe(arn, subscription)

    def update(self, current: Properties, changes: Properties) -> None:
        for key, name in ATTRIBUTES.items():
            if key in changes:
                self.client.set_topic_attributes(TopicArn=current["arn"], AttributeName=name, AttributeValue=self._text(changes[key]))
        if "subscriptions" in changes:
            subscribed = self._subscribed(current["arn"])
            wanted = {(one["protocol"], one["endpoint"]): one for one in changes["subscriptions"]}
            for new in wanted.keys() - subscribed.keys():
                self._subscribe(current["arn"], wanted[new])
            for gone in subscribed.keys() - wanted.keys():
                self.client.unsubscribe(SubscriptionArn=subscribed[gone])

    def delete(self, current: Properties) -> None:
        self.client.delete_topic(TopicArn=current["arn"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))

    def _subscribe(self, arn: str, subscription: Properties) -> None:
        self.client.subscribe(
            TopicArn=arn, Protocol=subscription["protocol"], Endpoint=subscription["endpoint"], ReturnSubscriptionArn=True
        )

    def _subscribed(self, arn: str) -> dict[tuple[str, str], str]:
        """ARNs of the subscriptions by protocol and endpoint; of those that wait for their confirmation only the declared ones."""
        pages = self.client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        declared = [(one["protocol"], one["endpoint"]) for one in self.params["subscriptions"] or []]
        found = {(one["Protocol"], one["Endpoint"]): one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]}
        return {key: value for key, value in found.items() if value != GONE and (value != WAITS or key in declared)}

    @staticmethod
    def _text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)


def main() -> None:
    run(Topic)


if __name__ == "__main__":
    main()
