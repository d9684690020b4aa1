# SPDX-License-Identifier: GPL-3.0-or-later
"""Metric filters that are put again replace the one of the same name.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html
moto 5.2.5 keeps both.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.logs.metric_filters import MetricFilters

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(MetricFilters, "add_filter")
    def add_filter(original: Any, self: Any, name: str, pattern: str, log_group: str, *transformations: Any) -> None:
        self.delete_filter(name, log_group)
        original(self, name, pattern, log_group, *transformations)
