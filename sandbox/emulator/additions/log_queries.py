# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved queries of Logs Insights: put, told page by page, deleted.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeQueryDefinitions.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteQueryDefinition.html
moto 5.2.5 has none of them. As at AWS they outlive their log groups, and a name may be taken more than once.
"""

from __future__ import annotations

import functools
import json
import time
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogsBackend
from moto.logs.responses import LogsResponse
from moto.moto_api._internal import mock_random

from sandbox.emulator.additions.patching import add, wrap

PAGE = 1000  # what AWS answers at most


@functools.cache
def install() -> None:
    @wrap(LogsBackend, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.query_definitions = {}

    @add(LogsResponse, "put_query_definition")
    def put_query_definition(self: Any) -> str:
        known, given = self.logs_backend.query_definitions, self._get_param("queryDefinitionId")
        if given and given not in known:
            raise ResourceNotFoundException(f"The specified query definition {given} does not exist.")
        identifier = given or str(mock_random.uuid4())
        known[identifier] = {
            "queryDefinitionId": identifier,
            "name": self._get_param("name"),
            "queryString": self._get_param("queryString"),
            "logGroupNames": self._get_param("logGroupNames", []),
            "lastModified": int(time.time() * 1000),
        }
        return json.dumps({"queryDefinitionId": identifier})

    @add(LogsResponse, "describe_query_definitions")
    def describe_query_definitions(self: Any) -> str:
        prefix, begin = self._get_param("queryDefinitionNamePrefix", ""), int(self._get_param("nextToken", "0"))
        size = self._get_param("maxResults", PAGE)
        found = [one for one in self.logs_backend.query_definitions.values() if one["name"].startswith(prefix)]
        more = {"nextToken": str(begin + size)} if begin + size < len(found) else {}
        return json.dumps({"queryDefinitions": found[begin : begin + size], **more})

    @add(LogsResponse, "delete_query_definition")
    def delete_query_definition(self: Any) -> str:
        identifier = self._get_param("queryDefinitionId")
        if identifier not in self.logs_backend.query_definitions:
            raise ResourceNotFoundException(f"The specified query definition {identifier} does not exist.")
        del self.logs_backend.query_definitions[identifier]
        return json.dumps({"success": True})
