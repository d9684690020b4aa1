# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Access Analyzer: its analyzers and their tags, none of which finds anything.

https://docs.aws.amazon.com/access-analyzer/latest/APIReference/Welcome.html
moto 5.2.5 has nothing of the service.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any

from moto.core.base_backend import BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.resource_tagging import TaggableResourcesMixin, TaggedResource
from moto.core.responses import ActionResult, BaseResponse

from sandbox.emulator.additions.patching import add_service

# One for external access in each region: https://docs.aws.amazon.com/general/latest/gr/access_analyzer.html
_MAXIMUM = {"ACCOUNT": 1, "ACCOUNT_UNUSED_ACCESS": 1}


class _Refusal(ServiceException):
    def __init__(self, code: str, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status.value


class AccessAnalyzerBackend(TaggableResourcesMixin, BaseBackend):
    """The analyzers of an account in one region, by name."""

    SERVICE_NAMESPACE = "access-analyzer"

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.analyzers: dict[str, dict[str, Any]] = {}

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        for analyzer in self.analyzers.values():
            yield TaggedResource(analyzer["arn"], analyzer["tags"], "access-analyzer:analyzer")

    def create(self, name: str, kind: str, tags: dict[str, str], configuration: dict[str, Any]) -> str:
        if name in self.analyzers:
            raise _Refusal("ConflictException", HTTPStatus.CONFLICT, f"The analyzer {name} exists.")
        if sum(analyzer["type"] == kind for analyzer in self.analyzers.values()) >= _MAXIMUM.get(kind, 1):
            raise _Refusal("ServiceQuotaExceededException", HTTPStatus.PAYMENT_REQUIRED, f"There can be no more analyzers of type {kind}.")
        arn = f"arn:aws:access-analyzer:{self.region_name}:{self.account_id}:analyzer/{name}"
        self.analyzers[name] = {
            **{"arn": arn, "name": name, "type": kind, "createdAt": datetime.now(UTC), "status": "ACTIVE"},
            **{"tags": dict(tags), **({"configuration": configuration} if configuration else {})},
        }
        return arn

    def find(self, name: str) -> dict[str, Any]:
        if name not in self.analyzers:
            raise _Refusal("ResourceNotFoundException", HTTPStatus.NOT_FOUND, f"There is no analyzer {name}.")
        return self.analyzers[name]

    def tags_of(self, arn: str) -> dict[str, str]:
        tags: dict[str, str] = self.find(arn.rpartition("/")[2])["tags"]
        return tags


class AccessAnalyzerResponse(BaseResponse):
    """The calls, each a method that moto finds by the operation's name."""

    def __init__(self) -> None:
        super().__init__(service_name="accessanalyzer")
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> AccessAnalyzerBackend:
        found: AccessAnalyzerBackend = _backends()[self.current_account][self.region]
        return found

    def create_analyzer(self) -> ActionResult:
        given = (self._get_param(name, {}) for name in ("tags", "configuration"))
        return ActionResult({"arn": self.backend.create(self._get_param("analyzerName"), self._get_param("type"), *given)})

    def get_analyzer(self) -> ActionResult:
        return ActionResult({"analyzer": self.backend.find(self._get_param("analyzerName"))})

    def list_analyzers(self) -> ActionResult:
        kind = self._get_param("type")
        return ActionResult({"analyzers": [one for one in self.backend.analyzers.values() if kind in (None, one["type"])]})

    def update_analyzer(self) -> ActionResult:
        analyzer = self.backend.find(self._get_param("analyzerName"))
        analyzer["configuration"] = self._get_param("configuration", {})
        return ActionResult({"configuration": analyzer["configuration"]})

    def delete_analyzer(self) -> ActionResult:
        name = self._get_param("analyzerName")
        self.backend.find(name)
        del self.backend.analyzers[name]
        return ActionResult({})

    def list_tags_for_resource(self) -> ActionResult:
        return ActionResult({"tags": self.backend.tags_of(self._get_param("resourceArn"))})

    def tag_resource(self) -> ActionResult:
        self.backend.tags_of(self._get_param("resourceArn")).update(self._get_param("tags"))
        return ActionResult({})

    def untag_resource(self) -> ActionResult:
        tags = self.backend.tags_of(self._get_param("resourceArn"))
        for key in self._get_param("tagKeys"):
            tags.pop(key, None)
        return ActionResult({})


@cache
def _backends() -> Any:
    paths = (r"/analyzer$", r"/analyzer/(?P<analyzerName>[^/]+)$", r"/tags/(?P<resourceArn>.+)$")
    return add_service("accessanalyzer", "access-analyzer", AccessAnalyzerBackend, AccessAnalyzerResponse, paths)


@functools.cache
def install() -> None:
    _backends()
