# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Auto Scaling groups that have to be there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError


def groups_named(client: Any, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """The groups as AWS describes them, by name; ResourceError when one is missing."""
    # AWS takes no names for all names.
    found = client.describe_auto_scaling_groups(AutoScalingGroupNames=list(names))["AutoScalingGroups"] if names else []
    groups = {group["AutoScalingGroupName"]: group for group in found}
    if missing := sorted(set(names) - groups.keys()):
        raise ResourceError(f"there is no Auto Scaling group {', '.join(missing)} in this region.")
    return groups
