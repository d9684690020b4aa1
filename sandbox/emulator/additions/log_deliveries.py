# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliveries of logs: what of them is tagged, and what keeps them from being deleted.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteDeliverySource.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteDeliveryDestination.html
moto 5.2.5 leaves them out of the Resource Groups Tagging API, describes them with the tags of their creation, and deletes sources and
destinations of which there still are deliveries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.logs.exceptions import ConflictException
from moto.logs.models import LogsBackend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(LogsBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for part in _parts(self):
            yield TaggedResource(part.arn, self.tagger.get_tag_dict_for_resource(part.arn), f"logs:{part.arn.split(':')[5]}")

    for name in ("tag_resource", "untag_resource"):

        @wrap(LogsBackend, name)
        def change_tags(original: Any, self: Any, arn: str, tags: Any) -> None:
            original(self, arn, tags)
            for part in _parts(self):
                if part.arn == arn:
                    part.tags = self.tagger.get_tag_dict_for_resource(arn)

    @wrap(LogsBackend, "delete_delivery_source")
    def delete_delivery_source(original: Any, self: Any, name: str) -> None:
        _require_unused(name in (delivery.delivery_source_name for delivery in self.deliveries.values()))
        original(self, name)

    @wrap(LogsBackend, "delete_delivery_destination")
    def delete_delivery_destination(original: Any, self: Any, name: str) -> None:
        used = [delivery.delivery_destination_arn.rpartition(":")[2] for delivery in self.deliveries.values()]
        _require_unused(name in used)
        original(self, name)


def _parts(backend: Any) -> list[Any]:
    return [*backend.delivery_sources.values(), *backend.delivery_destinations.values(), *backend.deliveries.values()]


def _require_unused(used: bool) -> None:
    if used:
        raise ConflictException(msg="Cannot delete it while there are deliveries that use it.")
