# SPDX-License-Identifier: GPL-3.0-or-later
"""GuardDuty: one detector in a region, its tags, and its features, which a change keeps unless it names them, and data sources tell too.

https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html
https://docs.aws.amazon.com/guardduty/latest/APIReference/API_UpdateDetector.html
https://docs.aws.amazon.com/guardduty/latest/APIReference/API_DataSourceConfigurationsResult.html
https://docs.aws.amazon.com/guardduty/latest/APIReference/API_TagResource.html
moto 5.2.5 makes any number of detectors, forgets the features that an update leaves out, does not tell features as the data sources
that they once were, and knows tags at creation only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from moto.core.exceptions import JsonRESTError
from moto.core.resource_tagging import TaggedResource
from moto.guardduty import urls
from moto.guardduty.models import Detector, GuardDutyBackend, guardduty_backends
from moto.guardduty.responses import GuardDutyResponse

from sandbox.emulator.additions.patching import add, add_paths, wrap
from sandbox.emulator.additions.tagging_api import list_tagged


@cache
def install() -> None:
    @wrap(GuardDutyBackend, "create_detector")
    def create_detector(original: Any, self: Any, *given: Any) -> Any:
        if self.detectors:
            refusal = JsonRESTError("BadRequestException", "a detector already exists for the current account.")
            refusal.code = HTTPStatus.BAD_REQUEST.value
            raise refusal
        return original(self, *given)

    @wrap(Detector, "update")
    def update(original: Any, self: Any, *given: Any) -> None:
        *others, features = given
        merged = {feature["name"]: feature for feature in [*self.features, *(features or [])]}
        original(self, *others, list(merged.values()))

    @wrap(Detector, "to_json")
    def to_json(original: Any, self: Any) -> dict[str, Any]:
        status = {feature["name"]: {"status": feature["status"]} for feature in self.features}
        off = {"status": "DISABLED"}
        told: dict[str, Any] = original(self)
        told["dataSources"] |= {
            **{source: {"status": told["status"]} for source in ("cloudTrail", "dnsLogs", "flowLogs")},
            "s3Logs": status.get("S3_DATA_EVENTS", off),
            "kubernetes": {"auditLogs": status.get("EKS_AUDIT_LOGS", off)},
            "malwareProtection": {"scanEc2InstanceWithFindings": {"ebsVolumes": status.get("EBS_MALWARE_PROTECTION", off)}},
        }
        return told

    add_paths(urls, GuardDutyResponse, r"/tags/(?P<resource_arn>.+)$")
    add(GuardDutyResponse, "list_tags_for_resource")(lambda self: json.dumps({"tags": _detector(self).tags}))

    @add(GuardDutyResponse, "tag_resource")
    def tag_resource(self: Any) -> str:
        _detector(self).tags.update(self._get_param("tags"))
        return "{}"

    @add(GuardDutyResponse, "untag_resource")
    def untag_resource(self: Any) -> str:
        for key in self.querystring.get("tagKeys", []):
            _detector(self).tags.pop(key, None)
        return "{}"

    list_tagged(guardduty_backends, _tagged)


def _detector(response: Any) -> Any:
    return response.guardduty_backend.get_detector(unquote(response.path).rpartition("/")[2])


def _tagged(backend: Any) -> Iterator[TaggedResource]:
    for detector in backend.detectors.values():
        arn = f"arn:aws:guardduty:{backend.region_name}:{backend.account_id}:detector/{detector.id}"
        yield TaggedResource(arn, detector.tags, "guardduty:detector")
