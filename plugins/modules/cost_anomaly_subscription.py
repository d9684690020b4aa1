#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cost_anomaly_subscription
version_added: 0.3.0
short_description: Manage who hears of cost anomalies
description:
  - Creates, changes and deletes one subscription of AWS Cost Anomaly Detection with its tags.
options:
  name:
    description: Name of the subscription.
    type: str
    required: true
  monitor_arns:
    description: ARNs of the monitors whose anomalies are told. Needed unless O(state=absent).
    type: list
    elements: str
  frequency:
    description: V(IMMEDIATE) tells topics, V(DAILY) and V(WEEKLY) tell addresses.
    type: str
    choices: [IMMEDIATE, DAILY, WEEKLY]
    default: DAILY
  above_amount:
    description: Above which total amount an anomaly is told. Needed unless O(state=absent).
    type: float
  subscribers:
    description: Who is told, all of them. Needed unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      type:
        description: How.
        type: str
        choices: [EMAIL, SNS]
        required: true
      address:
        description: The address, or the ARN of the topic.
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
- name: Hear of what costs 50 dollars more than it did
  indivillage.infra.cost_anomaly_subscription:
    name: indivillage-staging-anomalies
    monitor_arns: ["arn:aws:ce::123456789012:anomalymonitor/12345678-1234-1234-1234-123456789012"]
    above_amount: 50
    subscribers: [{type: EMAIL, address: staging-alerts@example.com}]
"""

RETURN = r"""
resource:
  description: The subscription. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the subscription.
      type: str
      returned: when the subscription exists
      sample: arn:aws:ce::123456789012:anomalysubscription/12345678-1234-1234-1234-123456789012
  sample: {name: indivillage-staging-anomalies, frequency: DAILY, above_amount: 50}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

IMPACT = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"


class Subscription(Resource):
    service = "ce"
    kind = "cost anomaly subscription"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "monitor_arns": {"type": "list", "elements": "str"},
        "frequency": {"choices": ["IMMEDIATE", "DAILY", "WEEKLY"], "default": "DAILY"},
        "above_amount": {"type": "float"},
        "subscribers": {
            "type": "list",
            "elements": "dict",
            "options": {"type": {"required": True, "choices": ["EMAIL", "SNS"]}, "address": {"required": True}},
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("monitor_arns", "above_amount", "subscribers"))]}
    properties = ("monitor_arns", "frequency", "above_amount", "subscribers")

    def declared(self) -> Properties:
        wanted = super().declared()
        way = "SNS" if wanted["frequency"] == "IMMEDIATE" else "EMAIL"
        if any(one["type"] != way for one in wanted["subscribers"]):
            raise ResourceError(f"AWS tells {wanted['frequency']} by {way} alone")
        return wanted

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("get_anomaly_subscriptions").paginate()
        found = next((one for page in pages for one in page["AnomalySubscriptions"] if one["SubscriptionName"] == self.name), None)
        if found is None:
            return None
        tags = self.client.list_tags_for_resource(ResourceArn=found["SubscriptionArn"]).get("ResourceTags") or []
        return {
            "name": self.name,
            "arn": found["SubscriptionArn"],
            "monitor_arns": found["MonitorArnList"],
            "frequency": found["Frequency"],
            "above_amount": self._amount(found),
            "subscribers": [{"type": one["Type"], "address": one["Address"]} for one in found["Subscribers"]],
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_anomaly_subscription(
            AnomalySubscription={"SubscriptionName": self.name, **self._written(wanted)},
            ResourceTags=ansible_dict_to_boto3_tag_list(tags),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_anomaly_subscription(SubscriptionArn=current["arn"], **self._written(changes))

    def delete(self, current: Properties) -> None:
        self.client.delete_anomaly_subscription(SubscriptionArn=current["arn"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], ResourceTagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], ResourceTags=ansible_dict_to_boto3_tag_list(add))

    @staticmethod
    def _amount(found: Properties) -> float | None:
        """The amount of a threshold as this module writes it; None of one that says something else."""
        rule = (found.get("ThresholdExpression") or {}).get("Dimensions") or {}
        return float(rule["Values"][0]) if rule.get("Key") == IMPACT else None

    @staticmethod
    def _written(wanted: Properties) -> dict[str, Any]:
        written = {name: wanted[key] for key, name in (("monitor_arns", "MonitorArnList"), ("frequency", "Frequency")) if key in wanted}
        if "subscribers" in wanted:
            written["Subscribers"] = [{"Type": one["type"], "Address": one["address"]} for one in wanted["subscribers"]]
        if "above_amount" in wanted:
            rule = {"Key": IMPACT, "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": [f"{wanted['above_amount']:g}"]}
            written["ThresholdExpression"] = {"Dimensions": rule}
        return written


def main() -> None:
    run(Subscription)


if __name__ == "__main__":
    main()
