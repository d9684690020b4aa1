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
options:
  groups:
    description: The groups and their sizes.
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
        required: true
      max:
        description: The most instances.
        type: int
        required: true
      desired:
        description: The instances to have now.
        type: int
        required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have nobody write here
  indivillage.infra.asg_sizes:
    groups:
      - {name: indivillage-production-app, min: 0, max: 0, desired: 0}
"""

RETURN = r"""
before:
  description: The sizes of the groups that were changed, as they were.
  returned: always
  type: dict
  sample: {indivillage-production-app: {min: 3, max: 10, desired: 5}}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting

SIZES = {"min": "MinSize", "max": "MaxSize", "desired": "DesiredCapacity"}


def main() -> None:
    sizes = {key: {"type": "int", "required": True} for key in SIZES}
    options = {"name": {"type": "str", "required": True}, **sizes}
    module = AnsibleAWSModule(
        argument_spec={"groups": {"type": "list", "elements": "dict", "required": True, "options": options}}, supports_check_mode=True
    )
    wanted = {group["name"]: {key: group[key] for key in SIZES} for group in module.params["groups"]}
    client = aws_client(module, "autoscaling")
    with reporting(module, f"set the sizes of {', '.join(wanted)}"):
        found = client.describe_auto_scaling_groups(AutoScalingGroupNames=list(wanted))["AutoScalingGroups"] if wanted else []
        current = {group["AutoScalingGroupName"]: {key: group[name] for key, name in SIZES.items()} for group in found}
        if missing := sorted(wanted.keys() - current.keys()):
            raise ResourceError(f"there is no Auto Scaling group {', '.join(missing)}.")
        before = {name: current[name] for name in wanted if wanted[name] != current[name]}
        for name in before if planning.active or not module.check_mode else ():
            client.update_auto_scaling_group(AutoScalingGroupName=name, **{SIZES[key]: value for key, value in wanted[name].items()})
    module.exit_json(changed=bool(before), before=before, diff={"before": before, "after": {name: wanted[name] for name in before}})


if __name__ == "__main__":
    main()
