# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what watches the site: topics, alarms, dashboards, event rules, metric filters."""

from __future__ import annotations

import json
from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation
from tests.drill.support.mutations.storage import OPEN

TOPICS = "Make the topics"
LOG_GROUPS = "Make the log groups"
FILTERS = "Count what logs say"
QUERIES = "Keep questions to logs at hand"
ALARMS = "Make the alarms"
DASHBOARDS = "Make the dashboards"
EVENTS = "Listen to what AWS says"
APP_LOGS = f"/aws/ec2/{PREFIX}-app"


# --- topics ---


def _topic(account: Account, name: str) -> str:
    return f"arn:aws:sns:{account.region}:123456789012:{PREFIX}-{name}"


def _set_topic(account: Account, name: str, attribute: str, value: str) -> None:
    account.client("sns").set_topic_attributes(TopicArn=_topic(account, name), AttributeName=attribute, AttributeValue=value)


@mutation("topic", "encryption switched off", TOPICS, "critical", operation="SetTopicAttributes", argument="kms_key_id")
def topic_not_encrypted(account: Account) -> None:
    _set_topic(account, "critical", "KmsMasterKeyId", "")


@mutation("topic", "policy edited", TOPICS, "high", operation="SetTopicAttributes", argument="policy")
def topic_policy_edited(account: Account) -> None:
    _set_topic(account, "high", "Policy", json.dumps(OPEN))


@mutation("topic", "sender's name changed", TOPICS, "low", operation="SetTopicAttributes", argument="display_name")
def topic_renamed(account: Account) -> None:
    _set_topic(account, "low", "DisplayName", "another")


@mutation("topic", "a stranger hears of it", TOPICS, "security", operation="Unsubscribe", argument="subscriptions")
def topic_with_a_stranger(account: Account) -> None:
    account.client("sns").subscribe(TopicArn=_topic(account, "security"), Protocol="email", Endpoint="stranger@example.com")


@mutation("topic", "nobody hears of it", TOPICS, "critical", operation="Subscribe", argument="subscriptions", host=DR)
def topic_that_nobody_hears(account: Account) -> None:
    sns = account.client("sns")
    for one in sns.list_subscriptions_by_topic(TopicArn=_topic(account, "critical"))["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


@mutation("topic", "deleted", TOPICS, "medium", operation="CreateTopic", argument="name")
def topic_deleted(account: Account) -> None:
    account.client("sns").delete_topic(TopicArn=_topic(account, "medium"))


@mutation("topic", "tag changed", TOPICS, "low", operation="TagResource", argument="tags", host=DR)
def topic_tag_changed(account: Account) -> None:
    account.client("sns").tag_resource(ResourceArn=_topic(account, "low"), Tags=[{"Key": "Environment", "Value": "another"}])


# --- logs ---


@mutation("log group", "retention of the tier's logs changed", LOG_GROUPS, APP_LOGS, operation="PutRetentionPolicy",
          argument="retention_days", field="retentionInDays")  # fmt: skip
def tier_logs_go_after_a_day(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=APP_LOGS, retentionInDays=1)


@mutation("log group", "key of the tier's logs taken away", LOG_GROUPS, f"/aws/ec2/{PREFIX}-web", operation="AssociateKmsKey",
          argument="kms_key_arn")  # fmt: skip
def tier_logs_not_encrypted(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=f"/aws/ec2/{PREFIX}-web")


@mutation("log group", "tag of the tier's logs removed", LOG_GROUPS, APP_LOGS, operation="TagResource", argument="tags", host=DR)
def tier_logs_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:{account.region}:123456789012:log-group:{APP_LOGS}"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


def _set_filter(account: Account, pattern: str, value: str = "1") -> None:
    transformation = {"metricName": "ApplicationErrors", "metricNamespace": "indivillage/sandbox", "metricValue": value, "defaultValue": 0}
    account.client("logs").put_metric_filter(
        logGroupName=APP_LOGS,
        filterName=f"{PREFIX}-application-errors",
        filterPattern=pattern,
        metricTransformations=[transformation],
    )


@mutation("metric filter", "pattern changed", FILTERS, "application-errors", operation="PutMetricFilter", argument="filter_pattern")
def filter_pattern_changed(account: Account) -> None:
    _set_filter(account, "nothing")


@mutation("metric filter", "counts otherwise", FILTERS, "application-errors", operation="PutMetricFilter", argument="metric_transformation",
          host=DR)  # fmt: skip
def filter_value_changed(account: Account) -> None:
    _set_filter(account, '{ $.level = "error" }', "0")


def _query(account: Account, name: str) -> dict[str, Any]:
    (found,) = account.client("logs").describe_query_definitions(queryDefinitionNamePrefix=f"{PREFIX}/{name}")["queryDefinitions"]
    return {key: found[key] for key in ("name", "queryDefinitionId", "queryString", "logGroupNames")}


@mutation("saved query", "asks something else", QUERIES, "app/errors", operation="PutQueryDefinition", argument="query")
def query_changed(account: Account) -> None:
    account.client("logs").put_query_definition(**_query(account, "app/errors") | {"queryString": "fields @message"})


@mutation("saved query", "asks another log group", QUERIES, "web/slow", operation="PutQueryDefinition", argument="log_groups", host=DR)
def query_of_another_group(account: Account) -> None:
    account.client("logs").put_query_definition(**_query(account, "web/slow") | {"logGroupNames": [APP_LOGS]})


@mutation("saved query", "deleted", QUERIES, "network/refused", operation="PutQueryDefinition", argument="name")
def query_deleted(account: Account) -> None:
    account.client("logs").delete_query_definition(queryDefinitionId=_query(account, "network/refused")["queryDefinitionId"])


# --- alarms ---


def _alarm(name: str) -> str:
    return f"{PREFIX}-{name}"


def _change_alarm(account: Account, name: str, **changed: Any) -> None:
    """Put an alarm anew with other values; what it cannot be given is what AWS tells about it."""
    cloudwatch = account.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[_alarm(name)], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    known = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    cloudwatch.put_metric_alarm(**{key: value for key, value in alarm.items() if key in known and value not in (None, [])} | changed)


@mutation("alarm", "threshold raised", ALARMS, _alarm("db-cpu"), operation="PutMetricAlarm", argument="threshold", field="Threshold")
def alarm_threshold_raised(account: Account) -> None:
    _change_alarm(account, "db-cpu", Threshold=100)


@mutation("alarm", "goes off at the other side", ALARMS, _alarm("db-free-storage"), operation="PutMetricAlarm", argument="comparison")
def alarm_turned(account: Account) -> None:
    _change_alarm(account, "db-free-storage", ComparisonOperator="GreaterThanThreshold")


@mutation("alarm", "looks longer before it goes off", ALARMS, _alarm("web-cpu"), operation="PutMetricAlarm",
          argument=("evaluation_periods", "datapoints_to_alarm"))  # fmt: skip
def alarm_patient(account: Account) -> None:
    _change_alarm(account, "web-cpu", EvaluationPeriods=20, DatapointsToAlarm=20)


@mutation("alarm", "tells nobody", ALARMS, _alarm("app-cpu"), operation="PutMetricAlarm", argument=("alarm_actions", "ok_actions"))
def alarm_tells_nobody(account: Account) -> None:
    _change_alarm(account, "app-cpu", AlarmActions=[], OKActions=[])


@mutation("alarm", "watches another database", ALARMS, _alarm("db-connections"), operation="PutMetricAlarm", argument="metric")
def alarm_watches_another(account: Account) -> None:
    _change_alarm(account, "db-connections", Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "another"}])


@mutation("alarm", "silence is bad", ALARMS, _alarm("tasks-waits"), operation="PutMetricAlarm", argument="treat_missing_data")
def alarm_hears_silence(account: Account) -> None:
    _change_alarm(account, "tasks-waits", TreatMissingData="breaching")


@mutation("alarm", "description changed", ALARMS, _alarm("tasks-dlq-failed"), operation="PutMetricAlarm", argument="description")
def alarm_described_otherwise(account: Account) -> None:
    _change_alarm(account, "tasks-dlq-failed", AlarmDescription="ignore this")


@mutation("alarm", "expression changed", ALARMS, _alarm("public-error-share"), operation="PutMetricAlarm", argument="metrics")
def alarm_expression_changed(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[_alarm("public-error-share")])["MetricAlarms"]
    queries = [{**query, "Expression": "errors"} if query.get("Expression") else query for query in alarm["Metrics"]]
    _change_alarm(account, "public-error-share", Metrics=queries)


@mutation("alarm", "band exchanged for a number", ALARMS, _alarm("public-latency"), operation="PutMetricAlarm",
          argument="threshold_metric_id")  # fmt: skip
def alarm_without_band(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[_alarm("public-latency")])["MetricAlarms"]
    cloudwatch.put_metric_alarm(
        AlarmName=alarm["AlarmName"],
        AlarmDescription=alarm["AlarmDescription"],
        AlarmActions=alarm["AlarmActions"],
        OKActions=alarm["OKActions"],
        Metrics=[query for query in alarm["Metrics"] if not query.get("Expression")],
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1,
        EvaluationPeriods=3,
    )


@mutation("alarm", "goes by another alarm", ALARMS, _alarm("site-down"), operation="PutCompositeAlarm", argument="rule")
def alarm_over_another(account: Account) -> None:
    topics = [_topic(account, "critical")]
    account.client("cloudwatch").put_composite_alarm(
        AlarmName=_alarm("site-down"),
        AlarmRule=f'ALARM("{_alarm("public-5xx")}")',
        AlarmDescription="Visitors get errors, and no tier is healthy",
        AlarmActions=topics,
        OKActions=topics,
    )


@mutation("alarm", "deleted", ALARMS, _alarm("cache-001-cpu"), operation="PutMetricAlarm", argument="name")
def alarm_deleted(account: Account) -> None:
    account.client("cloudwatch").delete_alarms(AlarmNames=[_alarm("cache-001-cpu")])


@mutation("alarm", "tag removed", ALARMS, _alarm("cache-001-memory"), operation="TagResource", argument="tags")
def alarm_tag_removed(account: Account) -> None:
    arn = f"arn:aws:cloudwatch:{account.region}:123456789012:alarm:{_alarm('cache-001-memory')}"
    account.client("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=["Severity"])


# --- dashboards ---


@mutation("dashboard", "emptied", DASHBOARDS, "operations", operation="PutDashboard", argument="body")
def dashboard_emptied(account: Account) -> None:
    account.client("cloudwatch").put_dashboard(DashboardName=f"{PREFIX}-operations", DashboardBody='{"widgets": []}')


@mutation("dashboard", "deleted", DASHBOARDS, "executive", operation="PutDashboard", argument="name")
def dashboard_deleted(account: Account) -> None:
    account.client("cloudwatch").delete_dashboards(DashboardNames=[f"{PREFIX}-executive"])


@mutation("dashboard", "tag removed", DASHBOARDS, "operations", operation="TagResource", argument="tags", alone=True)
def dashboard_tag_removed(account: Account) -> None:
    arn = f"arn:aws:cloudwatch::123456789012:dashboard/{PREFIX}-operations"
    account.client("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=["Project"])


# --- events ---


def _rule(name: str) -> str:
    return f"{PREFIX}-{name}"


@mutation("event rule", "pattern narrowed", EVENTS, "database-failover", operation="PutRule", argument="event_pattern")
def event_rule_narrowed(account: Account) -> None:
    account.client("events").put_rule(
        Name=_rule("database-failover"), Description="The database goes over to its standby", EventPattern='{"source": ["nobody"]}'
    )


@mutation("event rule", "switched off", EVENTS, "root-login", operation="PutRule", argument="enabled")
def event_rule_switched_off(account: Account) -> None:
    account.client("events").disable_rule(Name=_rule("root-login"))


@mutation("event rule", "tells nobody", EVENTS, "threat-critical", operation="PutTargets", argument="targets")
def event_rule_tells_nobody(account: Account) -> None:
    account.client("events").remove_targets(Rule=_rule("threat-critical"), Ids=["critical", "security"])


@mutation("event rule", "tells a stranger", EVENTS, "weakness-high", operation="RemoveTargets", argument="targets")
def event_rule_tells_a_stranger(account: Account) -> None:
    target = {"Id": "stranger", "Arn": f"arn:aws:sns:{account.region}:123456789012:stranger"}
    account.client("events").put_targets(Rule=_rule("weakness-high"), Targets=[target])


@mutation("event rule", "description changed", EVENTS, "threat-critical", operation="PutRule", argument="description", host=DR)
def event_rule_described_otherwise(account: Account) -> None:
    events = account.client("events")
    rule = events.describe_rule(Name=_rule("threat-critical"))
    events.put_rule(Name=rule["Name"], Description="ignore this", EventPattern=rule["EventPattern"])


@mutation("event rule", "deleted", EVENTS, "instances-do-not-start", operation="PutRule", argument="name")
def event_rule_deleted(account: Account) -> None:
    events = account.client("events")
    events.remove_targets(Rule=_rule("instances-do-not-start"), Ids=["high"])
    events.delete_rule(Name=_rule("instances-do-not-start"))


@mutation("event rule", "tag removed", EVENTS, "threat-medium", operation="TagResource", argument="tags", host=DR)
def event_rule_tag_removed(account: Account) -> None:
    arn = f"arn:aws:events:{account.region}:123456789012:rule/{_rule('threat-medium')}"
    account.client("events").untag_resource(ResourceARN=arn, TagKeys=["Project"])
