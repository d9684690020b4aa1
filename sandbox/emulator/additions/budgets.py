# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed budgets, subscribers of notifications, and tags.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_UpdateBudget.html
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_DescribeSubscribersForNotification.html
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_TagResource.html
moto 5.2.5 keeps the subscribers of a notification and cannot tell them; it knows neither changes of a budget nor tags, and fails for a
budget that does not exist.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import BudgetsBackend
from moto.budgets.responses import BudgetsResponse
from moto.utilities.tagging_service import TaggingService

from sandbox.emulator.additions.patching import add, wrap


@functools.cache
def install() -> None:
    @wrap(BudgetsBackend, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.tagger = TaggingService()

    @wrap(BudgetsResponse, "create_budget")
    def create_budget(original: Any, self: Any) -> str:
        answer: str = original(self)
        self.backend.tagger.tag_resource(_arn(self, self._get_param("Budget")["BudgetName"]), self._get_param("ResourceTags", []))
        return answer

    @wrap(BudgetsResponse, "delete_budget")
    def delete_budget(original: Any, self: Any) -> str:
        answer: str = original(self)
        self.backend.tagger.delete_all_tags_for_resource(_arn(self, self._get_param("BudgetName")))
        return answer

    @add(BudgetsResponse, "update_budget")
    def update_budget(self: Any) -> str:
        new = self._get_param("NewBudget")
        budget = _budget(self, new["BudgetName"])
        budget.budget = {**new, "LastUpdatedTime": budget.budget["LastUpdatedTime"]}
        return "{}"

    @wrap(BudgetsResponse, "describe_notifications_for_budget")
    def describe_notifications_for_budget(original: Any, self: Any) -> str:
        _budget(self, self._get_param("BudgetName"))
        answer: str = original(self)
        return answer

    @add(BudgetsResponse, "describe_subscribers_for_notification")
    def describe_subscribers_for_notification(self: Any) -> str:
        wanted = self._get_param("Notification")
        for notification in _budget(self, self._get_param("BudgetName")).notifications:
            if notification.details == wanted:
                return json.dumps({"Subscribers": notification.subscribers})
        raise NotFoundException("Unable to find the notification.")

    @add(BudgetsResponse, "list_tags_for_resource")
    def list_tags_for_resource(self: Any) -> str:
        arn = self._get_param("ResourceARN")
        _budget(self, arn.rpartition("/")[2])
        return json.dumps({"ResourceTags": self.backend.tagger.list_tags_for_resource(arn)["Tags"]})

    @add(BudgetsResponse, "tag_resource")
    def tag_resource(self: Any) -> str:
        self.backend.tagger.tag_resource(self._get_param("ResourceARN"), self._get_param("ResourceTags"))
        return "{}"

    @add(BudgetsResponse, "untag_resource")
    def untag_resource(self: Any) -> str:
        self.backend.tagger.untag_resource_using_names(self._get_param("ResourceARN"), self._get_param("ResourceTagKeys"))
        return "{}"


def _arn(response: Any, name: str) -> str:
    return f"arn:aws:budgets::{response._get_param('AccountId')}:budget/{name}"


def _budget(response: Any, name: str) -> Any:
    account = response._get_param("AccountId") or response.current_account
    found = response.backend.budgets[account].get(name)
    if found is None:
        raise NotFoundException(f"Unable to find the budget {name}.")
    return found
