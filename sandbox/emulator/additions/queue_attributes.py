# SPDX-License-Identifier: GPL-3.0-or-later
"""SetQueueAttributes changes the attributes that it is given, and no others.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
moto 5.2.5 drops the queue's policy with every call that does not repeat it.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.sqs.models import Queue

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(Queue, "_set_attributes")
    def set_attributes(original: Any, self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        policy = getattr(self, "_policy_json", None) and self.policy
        original(self, attributes if "Policy" in attributes or not policy else {**attributes, "Policy": policy}, now)
