# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults that show only when a stack's buckets are looked at together: names, who receives logs, and what is copied where.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_account import entries, repeated
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

BUCKETS = "aws_storage_buckets"


def storage_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the buckets of a stack. values: the stack's variables with the roles' defaults."""
    buckets = entries(values.get(BUCKETS))
    for name in repeated(str(bucket["name"]) for bucket in buckets):
        yield Problem(BUCKETS, f"has two buckets called {name!r}.", "Give each a name of its own.")
    receivers = [str(bucket["name"]) for bucket in buckets if bucket.get("receives_logs")]
    if buckets and len(receivers) != 1:
        found = ", ".join(receivers) or "none"
        yield Problem(BUCKETS, f"needs one bucket that receives logs, and has {found}.", "Give receives_logs: true to one of them.")
    yield from _copy_problems(values, buckets)


def _copy_problems(values: Mapping[str, Any], buckets: list[Mapping[str, Any]]) -> Iterator[Problem]:
    region, own = values.get("aws_storage_replica_region"), values.get("stack_region")
    if not region or not isinstance(region, str):
        return
    if region == own:
        fix = "Name the other region, or leave it empty to copy nothing."
        yield Problem("aws_storage_replica_region", f"is {region!r}, where the originals are.", fix)
    targets = {
        str(bucket["name"]): str(bucket["replica"]["bucket"])
        for bucket in buckets
        if isinstance(bucket.get("replica"), Mapping) and "bucket" in bucket["replica"]
    }
    if buckets and not targets:
        fix = "Say with replica.bucket in aws_storage_buckets what to copy where, or leave it empty."
        yield Problem("aws_storage_replica_region", f"is {region!r}, but no bucket is copied.", fix)
    for target in repeated(iter(targets.values())):
        sources = ", ".join(source for source, named in targets.items() if named == target)
        text = f"copies {sources} all into {target!r}, where they would overwrite one another."
        yield Problem(BUCKETS, text, "Give each a bucket of its own.")
    for source, target in targets.items():
        if any(target == bucket["name"] for bucket in buckets):
            fix = "Name a bucket of the other region."
            yield Problem(BUCKETS, f"copies {source} into {target!r}, which is a bucket of the same region.", fix)
