# SPDX-License-Identifier: GPL-3.0-or-later
"""Image repositories in the Resource Groups Tagging API.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
moto 5.2.5 lists nothing of ECR there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.ecr.models import ecr_backends
from moto.resourcegroupstaggingapi import models

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(models, "iter_taggable_backends")
    def iter_taggable_backends(original: Any, account_id: str, region_name: str) -> Iterator[Any]:
        yield from original(account_id, region_name)
        yield _Repositories(ecr_backends[account_id][region_name])


class _Repositories:
    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        for repository in self.backend.repositories.values():
            tags = self.backend.tagger.get_tag_dict_for_resource(repository.arn)
            yield TaggedResource(repository.arn, tags, "ecr:repository")
