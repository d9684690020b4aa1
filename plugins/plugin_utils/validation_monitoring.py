# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of what is watched that no type shows: alarms that cannot go off, names that name nothing, times that AWS does not know.

The variables that are given have the types that their roles declare.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.dashboards import dashboard_faults
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import (
    ANY,
    COMBINATIONS,
    WATCHED,
    instances,
    is_of_cloudwatch,
    metrics_of,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

Entry = Mapping[str, Any]

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (*(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),)
TOPICS = ("critical", "high", "medium", "low", "security")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
DAY_SECONDS = 86400  # the longest time that an alarm looks back with periods of less than an hour

ALARMS, EVENTS, GROUPS = "aws_monitoring_alarms", "aws_monitoring_events", "aws_monitoring_log_groups"
QUERIES = "aws_monitoring_log_queries"
FILTERS, DASHBOARDS, SUBSCRIPTIONS = "aws_monitoring_metric_filters", "aws_monitoring_dashboards", "aws_monitoring_subscriptions"


def monitoring_problems(values: Mapping[str, Any], roles: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the monitoring of a stack; roles are those that a layer may name."""
    alarms: Sequence[Entry] = [alarm for alarm in values.get(ALARMS) or [] if is_of_cloudwatch(alarm) or not alarm.get("prometheus")]
    yield from _name_problems(alarms)
    for alarm in alarms:
        for text, fix in _alarm_faults(alarm, {name for other in alarms for name in instances(other)}, roles):
            yield Problem(ALARMS, f"has the alarm {alarm['name']}, which {text}.", fix)
    yield from _dashboard_problems(values, roles)
    yield from _log_problems(values)
    yield from _event_problems(values)
    yield from _subscription_problems(values)


def _name_problems(alarms: Sequence[Entry]) -> Iterator[Problem]:
    for name, count in Counter(name for alarm in alarms for name in instances(alarm)).items():
        if count > 1:
            yield Problem(ALARMS, f"has {count} alarms called {name}.", "Give each a name of its own; AWS would keep the last one.")


def _alarm_faults(alarm: Entry, known: set[str], roles: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with one entry, and how to mend it."""
    given = [key for key in WATCHED if alarm.get(key)]
    if len(given) != 1:
        told = " and ".join(given) or "nothing"
        yield f"watches {told}", f"Give it exactly one of {', '.join(WATCHED)}."
        return
    if alarm["layer"] not in roles:
        yield f"belongs to the layer {alarm['layer']}, which is no role", "Name the role that makes what it watches."
    for other in (name for key in COMBINATIONS for name in alarm.get(key) or []):
        if other not in known:
            yield f"goes by the alarm {other}, which is not there", "Name alarms as the catalogue does, with what they watch: web-cpu."
    if given[0] not in COMBINATIONS:
        yield from _value_faults(alarm)


def _value_faults(alarm: Entry) -> Iterator[tuple[str, str]]:
    metrics = metrics_of(alarm)
    ids = {query["id"] for query in alarm.get("metrics") or []}
    if (alarm.get("threshold") is None) == (alarm.get("threshold_metric_id") is None):
        yield "has no threshold or two", "Give it threshold, or threshold_metric_id for a band."
    if alarm.get("threshold_metric_id") and alarm["threshold_metric_id"] not in ids:
        yield (
            f"compares with {alarm['threshold_metric_id']}, which is none of its metrics",
            f"Name one of {', '.join(sorted(ids)) or 'its metrics'}.",
        )
    for key in ("comparison", "evaluation_periods"):
        if not alarm.get(key):
            yield f"has no {key}", "Say when its value is bad."
    if (alarm.get("datapoints_to_alarm") or 1) > (alarm.get("evaluation_periods") or 1):
        yield "wants more bad periods than it looks at", "Let datapoints_to_alarm be at most evaluation_periods."
    if (alarm.get("of") is not None) != any(ANY in (metric.get("dimensions") or {}).values() for metric in metrics):
        yield f"has only one of a list 'of' and a dimension '{ANY}'", f"Let '{ANY}' stand for the elements of 'of', or leave both out."
    for seconds in (metric.get("period_seconds", 300) for metric in metrics):
        if seconds not in (10, 30) and (seconds < 60 or seconds % 60):
            yield f"has a period of {seconds} seconds", "CloudWatch takes 10, 30, and multiples of 60."
        elif seconds * (alarm.get("evaluation_periods") or 1) > DAY_SECONDS:
            yield (
                f"looks back {seconds * alarm['evaluation_periods']} seconds",
                "CloudWatch looks back a day at most: fewer or shorter periods.",
            )


def _dashboard_problems(values: Mapping[str, Any], roles: Collection[str]) -> Iterator[Problem]:
    counted = {one["metric"] for one in values.get(FILTERS) or []}
    for dashboard in values.get(DASHBOARDS) or []:
        for text, fix in dashboard_faults(dashboard, values.get(ALARMS) or [], roles, counted):
            yield Problem(DASHBOARDS, f"has the dashboard {dashboard['name']}, {text}.", fix)


def _log_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    groups: Sequence[Entry] = values.get(GROUPS) or []
    kept = [(GROUPS, group["retention_days"]) for group in groups if group.get("retention_days") is not None]
    days = ("aws_monitoring_log_retention_days", "aws_network_flow_log_retention_days", "aws_patching_session_log_retention_days")
    kept += [(name, values[name]) for name in days if values.get(name) is not None]
    for name, retention in kept:
        if int(retention) not in RETENTION_DAYS:
            yield Problem(
                name, f"keeps logs for {retention} days, which CloudWatch Logs does not know.", f"It knows {_listed(RETENTION_DAYS)}."
            )
    for one in values.get(FILTERS) or []:
        if not one.get("layer") and one["log_group"] not in {group["name"] for group in groups}:
            text = f"has the filter {one['name']} on the log group {one['log_group']}, which nobody declares."
            yield Problem(FILTERS, text, "Name one of aws_monitoring_log_groups, or the layer that makes it.")
    yield from _query_problems(values, {group["name"] for group in groups})


def _query_problems(values: Mapping[str, Any], groups: Collection[str]) -> Iterator[Problem]:
    queries: Sequence[Entry] = values.get(QUERIES) or []
    for name, count in Counter(query["name"] for query in queries).items():
        if count > 1:
            yield Problem(QUERIES, f"has {count} queries called {name}.", "Give each a name of its own; nothing else tells them apart.")
    for query in queries:
        strangers = [group for group in query["log_groups"] if group not in groups]
        if strangers and not query.get("layer"):
            text = f"has the query {query['name']} to the log group {', '.join(strangers)}, which nobody declares."
            yield Problem(QUERIES, text, "Name some of aws_monitoring_log_groups, or the layer that makes it.")
        if not query["log_groups"]:
            yield Problem(QUERIES, f"has the query {query['name']}, which asks no log group.", "Give it log_groups.")


def _event_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    for event in values.get(EVENTS) or []:
        for topic in event.get("also") or []:
            if topic not in TOPICS:
                yield Problem(EVENTS, f"tells the event {event['name']} to {topic}, which is no topic.", f"Topics are {_listed(TOPICS)}.")
        wrong = [key for key, part in event["event_pattern"].items() if not isinstance(part, list | Mapping)]
        if wrong or not event["event_pattern"]:
            told = f"compares {', '.join(wrong)} with what is no list" if wrong else "takes every event of the account"
            yield Problem(
                EVENTS, f"has the event {event['name']}, which {told}.", "Write what it takes as EventBridge does: source: [aws.rds]."
            )


def _subscription_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    for severity, subscriptions in (values.get(SUBSCRIPTIONS) or {}).items():
        for one in subscriptions or []:
            wrong = {
                "email": not ADDRESS.fullmatch(one["endpoint"]),
                "email-json": not ADDRESS.fullmatch(one["endpoint"]),
                "https": not one["endpoint"].startswith("https://"),
            }
            if wrong.get(one["protocol"]):
                text = f"tells {severity} to {one['endpoint']}, which is no address for {one['protocol']}."
                yield Problem(SUBSCRIPTIONS, text, "Write ops@example.com for email, https://... for https.")


def _listed(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items))
