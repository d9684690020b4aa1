# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to budgets and cost anomaly detection."""

from __future__ import annotations

from typing import Any

from tests.drill.support.mutations.model import GLOBAL, PREFIX, Account, mutation

BUDGETS = "Make the budgets"
MONITOR = "Look for services that cost more than they did"
SUBSCRIPTION = "Tell people of it"
ALLOCATION = "Tell costs apart by the tags of what causes them"
ACCOUNT_ID = "123456789012"


def _change_budget(account: Account, name: str, **changed: Any) -> None:
    budgets = account.client("budgets")
    budget = budgets.describe_budget(AccountId=ACCOUNT_ID, BudgetName=f"{PREFIX}-{name}")["Budget"]
    kept = {key: value for key, value in budget.items() if key not in ("CalculatedSpend", "LastUpdatedTime")}
    budgets.update_budget(AccountId=ACCOUNT_ID, NewBudget=kept | changed)


@mutation("budget", "amount raised", BUDGETS, "monthly", operation="UpdateBudget", argument="amount", host=GLOBAL)
def budget_raised(account: Account) -> None:
    _change_budget(account, "monthly", BudgetLimit={"Amount": "100000", "Unit": "USD"})


@mutation("budget", "another currency", BUDGETS, "delivery", operation="UpdateBudget", argument="currency", host=GLOBAL)
def budget_in_another_currency(account: Account) -> None:
    _change_budget(account, "delivery", BudgetLimit={"Amount": "20", "Unit": "CNY"})


@mutation("budget", "of another service", BUDGETS, "storage", operation="UpdateBudget", argument="cost_filters", host=GLOBAL)
def budget_of_another_service(account: Account) -> None:
    _change_budget(account, "storage", CostFilters={"Service": ["Amazon Route 53"]})


@mutation("budget", "a notification deleted", BUDGETS, "compute", operation="CreateNotification", argument="notifications", host=GLOBAL)
def budget_tells_less(account: Account) -> None:
    told = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0, "ThresholdType": "PERCENTAGE"}
    account.client("budgets").delete_notification(AccountId=ACCOUNT_ID, BudgetName=f"{PREFIX}-compute", Notification=told)


@mutation("budget", "deleted", BUDGETS, "database", operation="CreateBudget", argument="name", host=GLOBAL)
def budget_deleted(account: Account) -> None:
    account.client("budgets").delete_budget(AccountId=ACCOUNT_ID, BudgetName=f"{PREFIX}-database")


@mutation("budget", "tag removed", BUDGETS, "storage", operation="TagResource", argument="tags", host=GLOBAL)
def budget_tag_removed(account: Account) -> None:
    arn = f"arn:aws:budgets::{ACCOUNT_ID}:budget/{PREFIX}-storage"
    account.client("budgets").untag_resource(ResourceARN=arn, ResourceTagKeys=["Project"])


def _only(account: Account, operation: str, key: str) -> Any:
    return account.one("ce", operation, key)


@mutation("cost anomaly monitor", "renamed", MONITOR, operation="UpdateAnomalyMonitor", argument="name", field="MonitorName", host=GLOBAL)
def monitor_renamed(account: Account) -> None:
    monitor = _only(account, "get_anomaly_monitors", "AnomalyMonitors")
    account.client("ce").update_anomaly_monitor(MonitorArn=monitor["MonitorArn"], MonitorName="Default-Services-Monitor")


@mutation("cost anomaly monitor", "tag removed", MONITOR, operation="TagResource", argument="tags", field="Tags.Project", host=GLOBAL)
def monitor_tag_removed(account: Account) -> None:
    monitor = _only(account, "get_anomaly_monitors", "AnomalyMonitors")
    account.client("ce").untag_resource(ResourceArn=monitor["MonitorArn"], ResourceTagKeys=["Project"])


def _change_subscription(account: Account, **changed: Any) -> None:
    subscription = _only(account, "get_anomaly_subscriptions", "AnomalySubscriptions")
    account.client("ce").update_anomaly_subscription(SubscriptionArn=subscription["SubscriptionArn"], **changed)


@mutation("cost anomaly subscription", "threshold raised", SUBSCRIPTION, operation="UpdateAnomalySubscription", argument="above_amount",
          field="ThresholdExpression.Dimensions.Values", host=GLOBAL)  # fmt: skip
def subscription_deaf(account: Account) -> None:
    rule = {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": ["99999"]}
    _change_subscription(account, ThresholdExpression={"Dimensions": rule})


@mutation("cost anomaly subscription", "tells a stranger, once a week", SUBSCRIPTION, operation="UpdateAnomalySubscription",
          argument=("subscribers", "frequency"), field="Frequency", host=GLOBAL)  # fmt: skip
def subscription_of_a_stranger(account: Account) -> None:
    _change_subscription(account, Subscribers=[{"Type": "EMAIL", "Address": "stranger@example.com"}], Frequency="WEEKLY")


@mutation("cost anomaly subscription", "of no monitor", SUBSCRIPTION, operation="UpdateAnomalySubscription", argument="monitor_arns",
          field="MonitorArnList", host=GLOBAL)  # fmt: skip
def subscription_of_another_monitor(account: Account) -> None:
    _change_subscription(account, MonitorArnList=[f"arn:aws:ce::{ACCOUNT_ID}:anomalymonitor/another"])


@mutation("cost anomaly subscription", "tag removed", SUBSCRIPTION, operation="TagResource", argument="tags", field="Tags.Project",
          host=GLOBAL)  # fmt: skip
def subscription_tag_removed(account: Account) -> None:
    subscription = _only(account, "get_anomaly_subscriptions", "AnomalySubscriptions")
    account.client("ce").untag_resource(ResourceArn=subscription["SubscriptionArn"], ResourceTagKeys=["Project"])


def _deactivate(account: Account, *keys: str) -> None:
    states = [{"TagKey": key, "Status": "Inactive"} for key in keys]
    account.client("ce").update_cost_allocation_tags_status(CostAllocationTagsStatus=states)


@mutation("cost allocation tag", "deactivated", ALLOCATION, operation="UpdateCostAllocationTagsStatus", argument="keys", host=GLOBAL)
def allocation_tag_deactivated(account: Account) -> None:
    _deactivate(account, "Environment")


@mutation("cost allocation tag", "all deactivated", ALLOCATION, operation="UpdateCostAllocationTagsStatus", argument="keys",
          host=GLOBAL)  # fmt: skip
def allocation_tags_deactivated(account: Account) -> None:
    found = account.client("ce").list_cost_allocation_tags(Status="Active")["CostAllocationTags"]
    _deactivate(account, *(tag["TagKey"] for tag in found))
