# SPDX-License-Identifier: GPL-3.0-or-later
"""Metric filters that are put again replace the one of the same name, and end with their log group.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html
moto 5.2.5 keeps both, and those of groups that are gone.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.logs.metric_filters import MetricFilters
from moto.logs.models import LogsBackend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(MetricFilters, "add_filter")
    def add_filter(original: Any, self: Any, name: str, pattern: str, log_group: str, *transformations: Any) -> None:
        self.delete_filter(name, log_group)
        original(self, name, pattern, log_group, *transformations)

    @wrap(LogsBackend, "delete_log_group")
    def delete_log_group(original: Any, self: LogsBackend, log_group_name: str) -> None:
        original(self, log_group_name)
        for found in self.filters.get_matching_filters(log_group_name=log_group_name):
            self.filters.delete_filter(found["filterName"], log_group_name)
