# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms that watch: once a minute each is compared with its data, and tells its topics when its state changes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html (the grammar of rules)
moto 5.2.5 keeps alarms and data and compares nothing; an alarm is OK from its beginning, and forgets its state when it is put again.
Actions are topics alone; AWS does not say how many periods it asks for beyond those to be judged, and the tables of its pages have two.
"""

from __future__ import annotations

import ast
import functools
import json
import logging
import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, Dimension, Metric, MetricDatumBase, cloudwatch_backends
from moto.core.utils import utcnow
from moto.sns.models import sns_backends

from sandbox.emulator.additions.patching import wrap
from sandbox.emulator.clock import every_second
from sandbox.emulator.metric_math import Band, MathError, Series, calculate, statistic
from sandbox.emulator.runtime import runtime
from sandbox.settings import ACCOUNT_ID, REGIONS

LOG = logging.getLogger("emulator")
EVERY_SECONDS = 60
LEARNING = timedelta(days=14)
MORE_PERIODS = 2  # asked for beyond those that are judged, for when data are late
ALARM, OK, INSUFFICIENT = "ALARM", "OK", "INSUFFICIENT_DATA"
Watched = dict[tuple[str, str, frozenset[tuple[str, str]]], list[MetricDatumBase]]
# A value and the threshold or band.
_BREACHES: Mapping[str, Callable[[float, Any], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
    "GreaterThanUpperThreshold": lambda value, band: value > band.upper,
    "LessThanLowerThreshold": lambda value, band: value < band.lower,
    "LessThanLowerOrGreaterThanUpperThreshold": lambda value, band: not band.lower <= value <= band.upper,
}
_WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}


@functools.cache
def install() -> None:
    @wrap(CloudWatchBackend, "put_metric_alarm")
    def put_metric_alarm(original: Any, self: Any, name: str, *arguments: Any, **options: Any) -> Alarm:
        former = self.alarms.get(name)
        alarm: Alarm = original(self, name, *arguments, **options)
        if former is None:
            alarm.state_value = INSUFFICIENT
        else:
            for kept in ("history", "state_reason", "state_reason_data", "state_value", "state_updated_timestamp"):
                setattr(alarm, kept, getattr(former, kept))
        return alarm

    every_second(tick)


def tick() -> bool:
    now = utcnow()
    if (now - runtime.alarms_evaluated).total_seconds() >= EVERY_SECONDS:
        runtime.alarms_evaluated = now
        for region in set(REGIONS) - runtime.unavailable:
            evaluate(region, now)
    return False  # alarms are nothing that the reconciler acts on


def evaluate(region: str, now: datetime) -> dict[str, str]:
    """Give every alarm of a region the state that its data of that time (UTC, without a zone) say, those over others last.

    It returns name -> state.
    """
    backend = cloudwatch_backends[ACCOUNT_ID][region]
    alarms, data = list(backend.alarms.values()), _data(backend, now)
    over_others = [alarm for alarm in alarms if alarm.rule]
    # As often as there are any, since one may watch another.
    for alarm in [*(alarm for alarm in alarms if not alarm.rule), *over_others * len(over_others)]:
        try:
            _enter(alarm, _state_by_rule(alarm.rule, backend.alarms) if alarm.rule else _state_by_data(alarm, data, now))
        except MathError as error:
            LOG.warning("the alarm %s stays %s: %s", alarm.name, alarm.state_value, error)
    return {alarm.name: alarm.state_value for alarm in alarms}


def _data(backend: CloudWatchBackend, now: datetime) -> Watched:
    found: Watched = defaultdict(list)
    for point in list(backend.metric_data):
        if now - LEARNING <= _naive(point.timestamp) < now:
            found[point.namespace, point.name, _dimensions(point.dimensions)].append(point)
    return found


def _naive(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _dimensions(dimensions: Sequence[Dimension]) -> frozenset[tuple[str, str]]:
    return frozenset((str(dimension.name), str(dimension.value)) for dimension in dimensions)


# -- one alarm over data ------------------------------------------------------------------------------------------------


def _state_by_data(alarm: Alarm, data: Watched, now: datetime) -> str:
    judged = int(alarm.evaluation_periods)
    needed = int(alarm.datapoints_to_alarm or judged)
    values, threshold = _watched(alarm, data, now, judged + MORE_PERIODS)
    breaches = _BREACHES[alarm.comparison_operator]
    breaching = {} if threshold is None else {period: breaches(value, threshold) for period, value in values.items()}
    known = [breaching[period] for period in sorted(breaching) if period < judged + MORE_PERIODS][:judged]
    return _verdict(known, judged, needed, alarm.treat_missing_data or "missing", alarm.state_value)


def _verdict(known: Sequence[bool], judged: int, needed: int, treatment: str, current: str) -> str:
    """The state after so many of the judged periods are known; the treatment is that of those that are not."""
    bad, missing = sum(known), judged - len(known)
    if treatment == "breaching":
        return ALARM if bad + missing >= needed else OK
    if treatment == "notBreaching" or missing == 0:
        return ALARM if bad >= needed else OK
    if not known:
        return INSUFFICIENT if treatment == "missing" else current
    if bad >= needed:
        return ALARM
    if bad < len(known):
        return OK
    return ALARM if treatment == "missing" else current


def _watched(alarm: Alarm, data: Watched, now: datetime, periods: int) -> tuple[Series, float | Band | None]:
    """The values that an alarm compares, and with what; with nothing when it is not known what is usual."""
    if not alarm.metric_data_queries:
        return _series(data, alarm, alarm.statistic or str(alarm.extended_statistic), alarm.period, now), float(alarm.threshold)
    known: dict[str, Any] = {}
    for query in alarm.metric_data_queries:
        if query.metric_stat:
            known[query.id] = _series(data, query.metric_stat.metric, query.metric_stat.stat, query.metric_stat.period, now)
    for query in alarm.metric_data_queries:
        if query.expression:
            known[query.id] = calculate(query.expression, known, periods)
    (compared,) = (
        query.id
        for query in alarm.metric_data_queries
        if str(query.return_data).lower() != "false" and query.id != alarm.threshold_metric_id
    )
    if not alarm.threshold_metric_id:
        return known[compared], float(alarm.threshold)
    band = known[alarm.threshold_metric_id]
    return known[compared], band if isinstance(band, Band) else None


def _series(data: Watched, metric: Alarm | Metric, stat: str, period_seconds: int | str, now: datetime) -> Series:
    end = now.replace(second=0, microsecond=0)
    periods: dict[int, list[MetricDatumBase]] = defaultdict(list)
    for point in data[metric.namespace, metric.metric_name, _dimensions(metric.dimensions)]:
        age = (end - _naive(point.timestamp)).total_seconds()
        if age > 0:  # what was told since is of a period that has not ended; a period has its beginning, and its end no more
            periods[math.ceil(age / int(period_seconds)) - 1].append(point)
    return {period: statistic(stat, within) for period, within in periods.items()}


# -- one alarm over others ----------------------------------------------------------------------------------------------


def _state_by_rule(rule: str, alarms: Mapping[str, Alarm]) -> str:
    """What a rule says of the alarms, such as ALARM("one") AND NOT (OK("other") OR TRUE)."""
    expression = re.sub(r'"[^"]*"|[A-Z_]+', lambda found: _WORDS.get(found[0], found[0]), rule)
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise MathError(f"{rule!r} is no rule: {error.msg}") from error
    return ALARM if _true(tree, alarms) else OK


def _true(node: ast.expr, alarms: Mapping[str, Alarm]) -> bool:
    match node:
        case ast.Constant(value=bool() as value):
            return value
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_true(value, alarms) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_true(value, alarms) for value in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _true(operand, alarms)
        case ast.Call(func=ast.Name(id=state), args=[ast.Constant(value=str() as name)]):
            return name in alarms and alarms[name].state_value == state
    raise MathError(f"{ast.unparse(node)!r} is no rule of alarms")


# -- who is told --------------------------------------------------------------------------------------------------------


def _enter(alarm: Alarm, state: str) -> None:
    former = alarm.state_value
    if state == former:
        return
    alarm.update_state(f"The data of the last {alarm.evaluation_periods} periods" if not alarm.rule else alarm.rule, "{}", state)
    if not alarm.actions_enabled:
        return
    for topic in {ALARM: alarm.alarm_actions, OK: alarm.ok_actions, INSUFFICIENT: alarm.insufficient_data_actions}[state]:
        found = sns_backends[ACCOUNT_ID][alarm.region_name].topics.get(topic)
        if found is None:
            LOG.warning("the alarm %s tells nobody: there is no topic %s", alarm.name, topic)
            continue
        found.publish(json.dumps(_message(alarm, former)), subject=f'{state}: "{alarm.name}" in {alarm.region_name}'[:100])


def _message(alarm: Alarm, former: str) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT_ID,
        "NewStateValue": alarm.state_value,
        "OldStateValue": former,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": alarm.state_updated_timestamp.isoformat(),
        "Region": alarm.region_name,
        "AlarmArn": alarm.alarm_arn,
    }
