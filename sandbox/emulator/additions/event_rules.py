# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of EventBridge in the Resource Groups Tagging API.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
moto 5.2.5 lists event buses there, and no rules.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.events.models import EventsBackend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(EventsBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for bus in self.event_buses.values():
            for rule in bus.rules.values():
                yield TaggedResource(rule.arn, self.tagger.get_tag_dict_for_resource(rule.arn), "events:rule")
