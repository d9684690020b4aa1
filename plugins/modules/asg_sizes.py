#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_sizes
version_added: 0.1.0
short_description: Set how many instances Auto Scaling groups have
description:
  - Changes nothing but the sizes of groups that exist, and does not wait for the instances; P(indivillage.infra.asg_health#module) does.
  - When one group is missing, or its numbers would not fit together, none is changed.
options:
  groups:
    description: The groups and their sizes. What is left out stays as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      min:
        description: The fewest instances.
        type: int
      max:
        description: The most instances.
        type: int
      desired:
        description: The instances to have now. The group's scaling policies may change it within the limits at any time.
        type: int
  highest:
    description: More instances than this are refused, whatever is asked for. No limit when left out.
    type: int
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells what would be written.
    support: full
  diff_mode:
    description: Returns the sizes of groups that are changed, before and after.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have nobody write here
  indivillage.infra.asg_sizes:
    groups:
      - {name: indivillage-production-app, min: 0, max: 0, desired: 0}

- name: Have more web servers
  indivillage.infra.asg_sizes:
    groups:
      - {name: indivillage-production-web, max: 14, desired: 8}
    highest: 50
"""

RETURN = r"""
before:
  description: The sizes of the groups that were changed, as they were.
  returned: always
  type: dict
  sample: {indivillage-production-app: {min: 3, max: 10, desired: 5}}
sizes:
  description: The sizes of all groups from then on; in check mode as they would be.
  returned: always
  type: dict
  sample: {indivillage-production-app: {min: 0, max: 0, desired: 0}}
"""

from collections.abc import Mapping

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.auto_scaling import groups_named, update_groups
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting

SIZES = {"min": "MinSize", "max": "MaxSize", "desired": "DesiredCapacity"}
Sizes = dict[str, int]


def whole(name: str, current: Sizes, asked: Mapping[str, int | None], highest: int | None) -> Sizes:
    """The sizes that a group would have; ResourceError when they do not fit together."""
    sizes = current | {key: number for key in SIZES if (number := asked[key]) is not None}
    if not 0 <= sizes["min"] <= sizes["desired"] <= sizes["max"]:
        numbers = f"{sizes['min']}, {sizes['desired']} and {sizes['max']}"
        raise ResourceError(f"the least, desired and greatest number of {name} would be {numbers}, which do not fit. Give the others too.")
    if highest is not None and sizes["max"] > highest:
        raise ResourceError(f"{sizes['max']} instances of {name} are more than the {highest} that aws_compute_highest allows.")
    return sizes


def main() -> None:
    options = {"name": {"required": True}, **{key: {"type": "int"} for key in SIZES}}
    module = AnsibleAWSModule(
        argument_spec={
            "groups": {"type": "list", "elements": "dict", "required": True, "options": options},
            "highest": {"type": "int"},
        },
        supports_check_mode=True,
    )
    asked = {group["name"]: group for group in module.params["groups"]}
    client = aws_client(module, "autoscaling")
    with reporting(module, f"set the sizes of {', '.join(asked)}"):
        groups = groups_named(client, asked)
        current = {name: {key: groups[name][field] for key, field in SIZES.items()} for name in asked}
        wanted = {name: whole(name, current[name], asked[name], module.params["highest"]) for name in asked}
        before = update_groups(
            client, current, wanted, lambda sizes: {SIZES[key]: value for key, value in sizes.items()}, check_mode=module.check_mode
        )
    diff = {"before": before, "after": {name: wanted[name] for name in before}}
    module.exit_json(changed=bool(before), before=before, sizes=wanted, diff=diff)


if __name__ == "__main__":
    main()
