# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnet groups and parameter groups of RDS in the Resource Groups Tagging API.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
moto 5.2.5 lists databases, clusters, proxies and snapshots of RDS there, and none of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.rds.models import RDSBackend

from sandbox.emulator.additions.patching import wrap


def install() -> None:
    @wrap(RDSBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for group in [*self.subnet_groups.values(), *self.db_parameter_groups.values()]:
            tags = {tag["Key"]: tag["Value"] for tag in group.get_tags()}
            yield TaggedResource(group.arn, tags, f"rds:{group.resource_type}")
