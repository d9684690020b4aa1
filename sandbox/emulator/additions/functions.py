# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda functions that keep all of their configuration, and mappings that are found by their tags and start nothing.

https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
moto 5.2.5 drops dead letters and logging, changes neither key nor tracing nor architecture, and lists no mapping by its tags. It runs
code in Docker for each message of a queue; here messages stay where they are until somebody receives them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.core.resource_tagging import TaggedResource
from moto.sqs.models import sqs_backends

from sandbox.emulator.additions.patching import wrap

_KEPT = ("DeadLetterConfig", "LoggingConfig")


@functools.cache
def install() -> None:
    @wrap(LambdaFunction, "__init__")
    def make(original: Any, self: Any, account_id: str, spec: dict[str, Any], *others: Any, **options: Any) -> None:
        original(self, account_id, spec, *others, **options)
        self.kept = {name: spec[name] for name in _KEPT if spec.get(name)}

    @wrap(LambdaFunction, "get_configuration")
    def get_configuration(original: Any, self: Any, on_create: bool = False) -> dict[str, Any]:
        told = {name: value for name, value in self.kept.items() if value != {"TargetArn": ""}}
        return dict(original(self, on_create) | told)

    @wrap(LambdaFunction, "update_configuration")
    def update_configuration(original: Any, self: Any, config_updates: dict[str, Any]) -> Any:
        self.kept |= {name: config_updates[name] for name in _KEPT if name in config_updates}
        self.kms_key_arn = config_updates.get("KMSKeyArn", self.kms_key_arn)
        self.tracing_config = config_updates.get("TracingConfig", self.tracing_config)
        return original(self, config_updates)

    @wrap(LambdaFunction, "update_function_code")
    def update_function_code(original: Any, self: Any, updated_spec: dict[str, Any]) -> Any:
        self.architectures = updated_spec.get("Architectures", self.architectures)
        return original(self, updated_spec)

    @wrap(LambdaBackend, "create_event_source_mapping")
    def create_event_source_mapping(original: Any, self: Any, spec: dict[str, Any]) -> Any:
        mapping = original(self, spec)
        for queue in sqs_backends[self.account_id][self.region_name].queues.values():
            queue.lambda_event_source_mappings.clear()
        return mapping

    @wrap(LambdaBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for mapping in self._event_source_mappings.values():
            yield TaggedResource(mapping.arn, mapping.tags, "lambda:event-source-mapping")
