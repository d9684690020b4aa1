#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: lambda_event_source
version_added: 0.3.0
short_description: Let a Lambda function work off an SQS queue
description:
  - Creates, changes and deletes the event source mapping between one queue and one function, with its tags.
  - The function names the messages of a batch that it could not process; the others are taken off the queue.
  - Use it instead of M(amazon.aws.lambda_event), which knows neither tags nor a limit of concurrency.
options:
  function:
    description: Name of the function.
    type: str
    required: true
  queue_arn:
    description: ARN of the queue.
    type: str
    required: true
  batch_size:
    description: How many messages a call gets at most. More than V(10) need a window.
    type: int
    default: 10
  window_seconds:
    description: How long Lambda waits for a full batch.
    type: int
    default: 0
  maximum_concurrency:
    description: How many calls this queue may cause at a time, V(2) or more; V(0) leaves it to the function.
    type: int
    default: 0
  enabled:
    description: Whether messages are handed over at all.
    type: bool
    default: true
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let the function work off the queue, five messages at a time
  indivillage.infra.lambda_event_source:
    function: indivillage-staging-file-processor
    queue_arn: arn:aws:sqs:us-east-1:123456789012:indivillage-staging-file-processing
    batch_size: 5
    maximum_concurrency: 10
"""

RETURN = r"""
resource:
  description: The mapping. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    uuid:
      description: The id that AWS gave it.
      type: str
      returned: when the mapping exists
      sample: 14e0db71-5d35-4eb5-b481-8945cf9d10c2
    arn:
      description: ARN of the mapping.
      type: str
      returned: when the mapping exists
      sample: arn:aws:lambda:us-east-1:123456789012:event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2
  sample: {batch_size: 5, window_seconds: 0, maximum_concurrency: 10, enabled: true}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    run,
    wait_until,
)

SETTLED = ("Enabled", "Disabled")


class Mapping(Resource):
    service = "lambda"
    kind = "event source mapping"
    options: ClassVar[dict[str, Any]] = {
        "function": {"required": True},
        "queue_arn": {"required": True},
        "batch_size": {"type": "int", "default": 10},
        "window_seconds": {"type": "int", "default": 0},
        "maximum_concurrency": {"type": "int", "default": 0},
        "enabled": {"type": "bool", "default": True},
    }
    # No option switches it off; somebody else may.
    ALWAYS: ClassVar[Properties] = {"reports_failed_messages": True}
    properties = ("batch_size", "window_seconds", "maximum_concurrency", "enabled", *ALWAYS)

    @property
    def name(self) -> str:
        return f"{self.params['queue_arn'].rpartition(':')[2]} -> {self.params['function']}"

    def declared(self) -> Properties:
        return {**{key: self.params[key] for key in self.properties if key in self.params}, **self.ALWAYS}

    def find(self) -> Properties | None:
        found = self._listed()
        if found is None:
            return None
        arn = found.get("EventSourceMappingArn", "")
        return {
            "uuid": found["UUID"],
            "arn": arn,
            "state": found.get("State", ""),
            "batch_size": found.get("BatchSize"),
            "window_seconds": found.get("MaximumBatchingWindowInSeconds", 0),
            "maximum_concurrency": (found.get("ScalingConfig") or {}).get("MaximumConcurrency", 0),
            "enabled": found.get("State") in ("Creating", "Enabling", "Enabled", "Updating"),
            "reports_failed_messages": found.get("FunctionResponseTypes") == ["ReportBatchItemFailures"],
            "tags": self.client.list_tags(Resource=arn).get("Tags", {}),
        }

    def _listed(self) -> dict[str, Any] | None:
        """The mapping of the queue to the function; one that is being deleted is gone."""
        pages = self.client.get_paginator("list_event_source_mappings").paginate(EventSourceArn=self.params["queue_arn"])
        for page in pages:
            for found in page["EventSourceMappings"]:
                if found["FunctionArn"].rpartition(":")[2] == self.params["function"] and found.get("State") != "Deleting":
                    return dict(found)
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_event_source_mapping(
            EventSourceArn=self.params["queue_arn"], FunctionName=self.params["function"], Tags=tags, **self._request(wanted)
        )

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_event_source_mapping(UUID=current["uuid"], **self._request({**current, **changes}))

    @staticmethod
    def _request(wanted: Properties) -> dict[str, Any]:
        limit = wanted["maximum_concurrency"]
        return {
            "BatchSize": wanted["batch_size"],
            "MaximumBatchingWindowInSeconds": wanted["window_seconds"],
            "ScalingConfig": {"MaximumConcurrency": limit} if limit else {},
            "Enabled": wanted["enabled"],
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if wanted["reports_failed_messages"] else [],
        }

    def delete(self, current: Properties) -> None:
        self.client.delete_event_source_mapping(UUID=current["uuid"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(Resource=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(Resource=current["arn"], Tags=add)

    def settle(self, current: Properties) -> Properties:
        """A mapping takes no change while AWS is at work on the last one."""
        if current["state"] in SETTLED:
            return current
        wait_until(lambda: (self._listed() or {}).get("State") in SETTLED, f"{self} to come to rest", READ_BACK_SECONDS)
        return self.find() or current


def main() -> None:
    run(Mapping)


if __name__ == "__main__":
    main()
