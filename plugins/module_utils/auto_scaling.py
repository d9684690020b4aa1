# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Auto Scaling groups that have to be there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError


def groups_named(client: Any, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """The groups as AWS describes them, by name; ResourceError when one is missing."""
    # AWS takes no names for all names.
    found = client.describe_auto_scaling_groups(AutoScalingGroupNames=list(names))["AutoScalingGroups"] if names else []
    groups = {group["AutoScalingGroupName"]: group for group in found}
    if missing := sorted(set(names) - groups.keys()):
        raise ResourceError(f"there is no Auto Scaling group {', '.join(missing)} in this region.")
    return groups


def update_groups(
    client: Any,
    current: Mapping[str, Any],
    wanted: Mapping[str, Any],
    arguments: Callable[[Any], dict[str, Any]],
    *,
    check_mode: bool,
) -> dict[str, Any]:
    """Bring the groups that differ to what is wanted of them; what those had before, by name. In check mode a plan alone is told of it.

    arguments: what UpdateAutoScalingGroup is given of a wanted value.
    """
    before = {name: current[name] for name in wanted if wanted[name] != current[name]}
    for name in before if planning.active or not check_mode else ():
        client.update_auto_scaling_group(AutoScalingGroupName=name, **arguments(wanted[name]))
    return before
