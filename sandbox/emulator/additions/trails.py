# SPDX-License-Identifier: GPL-3.0-or-later
"""Trails: their selectors, their names, their tags, and what other regions see of them.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html (a trail begins with all management events)
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DeleteTrail.html (by name or ARN; what is not there is an error)
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_RemoveTags.html (tags without values)
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-multi-region-trails.html (each region has a multi-region trail)
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html (its home region alone may change it)
moto 5.2.5 lists multi-region trails in every region and tells their selectors in their own alone. It tells no selectors until some are put,
keeps advanced ones when others replace them, deletes by name only and in silence, needs values to remove tags, and leaves trails out of
the Resource Groups Tagging API.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.cloudtrail.models import CloudTrailBackend, Trail, cloudtrail_backends
from moto.core.resource_tagging import TaggedResource

from sandbox.emulator.additions.patching import wrap
from sandbox.emulator.additions.tagging_api import list_tagged

_FIRST = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []}


@cache
def install() -> None:
    @wrap(Trail, "put_event_selectors")
    def put_event_selectors(original: Any, self: Any, selectors: list[Any], advanced: list[Any]) -> None:
        original(self, selectors, advanced)
        if selectors:
            self.advanced_event_selectors = []

    @wrap(Trail, "get_event_selectors")
    def get_event_selectors(original: Any, self: Any) -> tuple[list[Any], list[Any]]:
        selectors, advanced = original(self)
        return (selectors or ([] if advanced else [_FIRST])), advanced

    for read in ("get_event_selectors", "get_insight_selectors"):

        @wrap(CloudTrailBackend, read)
        def of_any_region(original: Any, self: Any, trail_name: str) -> Any:
            seen = (trail for trail in self.describe_trails(include_shadow_trails=True) if trail.arn == trail_name)
            home = next((trail.region_name for trail in seen), self.region_name)
            return original(cloudtrail_backends[self.account_id][home], trail_name)

    @wrap(CloudTrailBackend, "delete_trail")
    def delete_trail(original: Any, self: Any, name: str) -> None:
        trail = self.get_trail(name)
        self.tagging_service.delete_all_tags_for_resource(trail.arn)
        original(self, trail.trail_name)

    @wrap(CloudTrailBackend, "remove_tags")
    def remove_tags(_original: Any, self: Any, resource_id: str, tags_list: list[dict[str, str]]) -> None:
        self.tagging_service.untag_resource_using_names(resource_id, [tag["Key"] for tag in tags_list])

    list_tagged(cloudtrail_backends, _tagged)


def _tagged(backend: Any) -> Iterator[TaggedResource]:
    for trail in backend.trails.values():
        yield TaggedResource(trail.arn, backend.tagging_service.get_tag_dict_for_resource(trail.arn), "cloudtrail:trail")
