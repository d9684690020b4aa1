# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms over other alarms, and tags of dashboards.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
moto 5.2.5 can keep an alarm's rule but has no call that sets it nor one that asks for it (API_DescribeAlarms, ParentsOfAlarmName), tags no
dashboards, and keeps the tags of what was deleted.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.cloudwatch.exceptions import ResourceNotFoundException
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.resource_tagging import TaggedResource
from moto.core.responses import ActionResult, EmptyResult

from sandbox.emulator.additions.patching import add, wrap


@functools.cache
def install() -> None:
    add(Alarm, "alarm_rule")(property(lambda alarm: alarm.rule))

    @add(CloudWatchResponse, "put_composite_alarm")
    def put_composite_alarm(self: Any) -> EmptyResult:
        return self.put_metric_alarm()  # it reads the rule too

    @wrap(CloudWatchResponse, "describe_alarms")
    def describe_alarms(original: Any, self: Any) -> ActionResult:
        child = self._get_param("ParentsOfAlarmName")
        if child is None:
            return original(self)
        alarms = self.cloudwatch_backend.alarms.values()
        return ActionResult({"MetricAlarms": [], "CompositeAlarms": [alarm for alarm in alarms if f'"{child}"' in (alarm.rule or "")]})

    @wrap(CloudWatchResponse, "put_dashboard")
    def put_dashboard(original: Any, self: Any) -> ActionResult:
        name, tags = self._get_param("DashboardName"), self._get_param("Tags", [])
        is_new = name not in self.cloudwatch_backend.dashboards
        answer: ActionResult = original(self)
        if is_new and tags:  # those of a dashboard that exists have calls of their own
            self.cloudwatch_backend.tagger.tag_resource(self.cloudwatch_backend.dashboards[name].arn, tags)
        return answer

    @wrap(CloudWatchBackend, "tag_resource")
    def tag_resource(original: Any, self: Any, arn: str, tags: dict[str, str]) -> None:
        if arn in _dashboards(self):
            self.tagger.tag_resource(arn, self.tagger.convert_dict_to_tags_input(tags))
        else:
            original(self, arn, tags)

    @wrap(CloudWatchBackend, "untag_resource")
    def untag_resource(_original: Any, self: Any, arn: str, tag_keys: list[str]) -> None:
        if arn not in _dashboards(self) | {alarm.alarm_arn for alarm in self.alarms.values()}:
            raise ResourceNotFoundException
        self.tagger.untag_resource_using_names(arn, tag_keys)

    @wrap(CloudWatchBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for arn in _dashboards(self):
            yield TaggedResource(arn, self.tagger.get_tag_dict_for_resource(arn), "cloudwatch:dashboard")

    @wrap(CloudWatchBackend, "delete_alarms")
    def delete_alarms(original: Any, self: Any, alarm_names: list[str]) -> Any:
        _forget_tags(self, [alarm.alarm_arn for name, alarm in self.alarms.items() if name in alarm_names])
        return original(self, alarm_names)

    @wrap(CloudWatchBackend, "delete_dashboards")
    def delete_dashboards(original: Any, self: Any, dashboards: list[str]) -> Any:
        _forget_tags(self, [dashboard.arn for name, dashboard in self.dashboards.items() if name in dashboards])
        return original(self, dashboards)


def _dashboards(backend: Any) -> set[str]:
    return {dashboard.arn for dashboard in backend.dashboards.values()}


def _forget_tags(backend: Any, arns: list[str]) -> None:
    for arn in arns:
        backend.tagger.delete_all_tags_for_resource(arn)
