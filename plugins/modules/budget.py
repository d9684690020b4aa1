#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: budget
version_added: 0.3.0
short_description: Manage a monthly cost budget
description:
  - Creates, changes and deletes one budget of AWS Budgets with whom it tells what, and its tags.
  - A notification whose subscribers change is made anew.
options:
  name:
    description: Name of the budget.
    type: str
    required: true
  account_id:
    description: The account that owns the budget.
    type: str
    required: true
  amount:
    description: What a month may cost. Needed unless O(state=absent).
    type: float
  currency:
    description: The currency of O(amount).
    type: str
    default: USD
  cost_filters:
    description: "Which costs count, as C({Service: [Amazon Simple Storage Service]}); all of the account's when empty."
    type: dict
    default: {}
  notifications:
    description: Who is told when, all of it.
    type: list
    elements: dict
    default: []
    suboptions:
      of:
        description: What has been spent, or what AWS expects the month to cost.
        type: str
        choices: [ACTUAL, FORECASTED]
        required: true
      above_percentage:
        description: The share of O(amount) above which it is told.
        type: float
        required: true
      subscribers:
        description: Who is told, eleven at most.
        type: list
        elements: dict
        required: true
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
- name: Hear of it before the month becomes expensive
  indivillage.infra.budget:
    name: indivillage-staging-monthly
    account_id: "123456789012"
    amount: 775
    notifications:
      - {of: FORECASTED, above_percentage: 100, subscribers: [{type: EMAIL, address: staging-alerts@example.com}]}
"""

RETURN = r"""
resource:
  description: The budget. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the budget.
      type: str
      returned: when the budget exists
      sample: arn:aws:budgets::123456789012:budget/indivillage-staging-monthly
  sample: {name: indivillage-staging-monthly, amount: 775, currency: USD}
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

MADE_BY_AWS = ("CalculatedSpend", "LastUpdatedTime", "HealthStatus")


class Budget(Resource):
    service = "budgets"
    kind = "budget"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "account_id": {"required": True},
        "amount": {"type": "float"},
        "currency": {"default": "USD"},
        "cost_filters": {"type": "dict", "default": {}},
        "notifications": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "of": {"required": True, "choices": ["ACTUAL", "FORECASTED"]},
                "above_percentage": {"type": "float", "required": True},
                "subscribers": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {"type": {"required": True, "choices": ["EMAIL", "SNS"]}, "address": {"required": True}},
                },
            },
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("amount",))]}
    properties = ("amount", "currency", "cost_filters", "notifications")
    exact = frozenset({"cost_filters"})

    @property
    def _key(self) -> dict[str, str]:
        return {"AccountId": self.params["account_id"], "BudgetName": self.name}

    def find(self) -> Properties | None:
        arn = f"arn:aws:budgets::{self.params['account_id']}:budget/{self.name}"
        try:
            budget = self.client.describe_budget(**self._key)["Budget"]
            tags = self.client.list_tags_for_resource(ResourceARN=arn).get("ResourceTags") or []
            notifications = list(self._notifications())
        except self.client.exceptions.NotFoundException:
            return None
        return {
            "name": self.name,
            "arn": arn,
            "amount": float(budget["BudgetLimit"]["Amount"]),
            "currency": budget["BudgetLimit"]["Unit"],
            "cost_filters": budget.get("CostFilters") or {},
            "notifications": notifications,
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_budget(
            AccountId=self.params["account_id"],
            Budget={"BudgetName": self.name, "BudgetType": "COST", "TimeUnit": "MONTHLY", **self._limits(wanted)},
            NotificationsWithSubscribers=[
                {"Notification": self._notification(one), "Subscribers": self._subscribers(one)} for one in wanted["notifications"]
            ],
            ResourceTags=ansible_dict_to_boto3_tag_list(tags),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.keys() - {"notifications"}:
            budget = self.client.describe_budget(**self._key)["Budget"]
            kept = {name: value for name, value in budget.items() if name not in (*MADE_BY_AWS, "CostFilters")}
            self.client.update_budget(AccountId=self.params["account_id"], NewBudget={**kept, **self._limits({**current, **changes})})
        if "notifications" in changes:
            for one in current["notifications"]:
                if one not in changes["notifications"]:
                    self.client.delete_notification(**self._key, Notification=self._notification(one))
            for one in changes["notifications"]:
                if one not in current["notifications"]:
                    self.client.create_notification(**self._key, Notification=self._notification(one), Subscribers=self._subscribers(one))

    def delete(self, current: Properties) -> None:
        self.client.delete_budget(**self._key)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceARN=current["arn"], ResourceTagKeys=remove)
        if add:
            self.client.tag_resource(ResourceARN=current["arn"], ResourceTags=ansible_dict_to_boto3_tag_list(add))

    def _notifications(self) -> Iterator[Properties]:
        for page in self.client.get_paginator("describe_notifications_for_budget").paginate(**self._key):
            for found in page.get("Notifications") or []:
                told = {name: value for name, value in found.items() if name != "NotificationState"}
                pages = self.client.get_paginator("describe_subscribers_for_notification").paginate(**self._key, Notification=told)
                yield {
                    "of": found["NotificationType"],
                    "above_percentage": float(found["Threshold"]),
                    "subscribers": [
                        {"type": one["SubscriptionType"], "address": one["Address"]} for some in pages for one in some["Subscribers"]
                    ],
                }

    @staticmethod
    def _limits(wanted: Properties) -> dict[str, Any]:
        limit = {"BudgetLimit": {"Amount": f"{wanted['amount']:g}", "Unit": wanted["currency"]}}
        return limit | ({"CostFilters": wanted["cost_filters"]} if wanted["cost_filters"] else {})

    @staticmethod
    def _notification(one: Properties) -> dict[str, Any]:
        return {
            "NotificationType": one["of"],
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": one["above_percentage"],
            "ThresholdType": "PERCENTAGE",
        }

    @staticmethod
    def _subscribers(one: Properties) -> list[dict[str, str]]:
        return [{"SubscriptionType": each["type"], "Address": each["address"]} for each in one["subscribers"]]


def main() -> None:
    run(Budget)


if __name__ == "__main__":
    main()
