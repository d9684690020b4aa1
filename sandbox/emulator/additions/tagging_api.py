# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources that the Resource Groups Tagging API knows and moto does not: subnet groups and parameter groups of RDS, and other services.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
moto 5.2.5 lists databases, clusters, proxies and snapshots of RDS there, and none of these; services whose backends do not take part in
the API at all are added with `list_tagged`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.rds.models import RDSBackend
from moto.resourcegroupstaggingapi import models

from sandbox.emulator.additions.patching import wrap

_MORE: list[tuple[Any, Callable[[Any], Iterator[TaggedResource]]]] = []


def list_tagged(backends: Any, resources: Callable[[Any], Iterator[TaggedResource]]) -> None:
    """Let the API list what `resources` finds in the backend of an account and region."""
    install()
    _MORE.append((backends, resources))


@cache
def install() -> None:
    @wrap(RDSBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for group in [*self.subnet_groups.values(), *self.db_parameter_groups.values()]:
            tags = {tag["Key"]: tag["Value"] for tag in group.get_tags()}
            yield TaggedResource(group.arn, tags, f"rds:{group.resource_type}")

    @wrap(models, "iter_taggable_backends")
    def iter_taggable_backends(original: Any, account_id: str, region_name: str) -> Iterator[Any]:
        yield from original(account_id, region_name)
        for backends, resources in _MORE:
            found = list(resources(backends[account_id][region_name]))
            yield SimpleNamespace(iter_tagged_resources=found.__iter__, owns_arn=lambda _arn: False)
