#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_subnets
version_added: 0.1.0
short_description: Set in which subnets Auto Scaling groups start instances
description:
  - Changes nothing but the subnets of groups that exist, and does not wait for the instances; P(indivillage.infra.asg_health#module) does.
  - Auto Scaling moves instances out of zones that it is not to use any more, and balances them over those that it may use again.
  - When one group is missing, none is changed.
options:
  groups:
    description: The groups and their subnets.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      subnet_ids:
        description: All subnets in which the group may start instances, in any order. At least one.
        type: list
        elements: str
        required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells what would be written.
    support: full
  diff_mode:
    description: Returns the subnets of groups that are changed, before and after.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Start nothing in the zone that is lost
  indivillage.infra.asg_subnets:
    groups:
      - {name: indivillage-production-app, subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]}
"""

RETURN = r"""
before:
  description: The subnets of the groups that were changed, as they were, sorted.
  returned: always
  type: dict
  sample: {indivillage-production-app: [subnet-0123456789abcdef0, subnet-0123456789abcdef1, subnet-0123456789abcdef2]}
subnets:
  description: The subnets of all groups from then on, sorted; in check mode as they would be.
  returned: always
  type: dict
  sample: {indivillage-production-app: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.auto_scaling import groups_named, update_groups
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting


def main() -> None:
    options = {"name": {"required": True}, "subnet_ids": {"type": "list", "elements": "str", "required": True}}
    module = AnsibleAWSModule(
        argument_spec={"groups": {"type": "list", "elements": "dict", "required": True, "options": options}}, supports_check_mode=True
    )
    wanted = {group["name"]: sorted(set(group["subnet_ids"])) for group in module.params["groups"]}
    client = aws_client(module, "autoscaling")
    with reporting(module, f"set the subnets of {', '.join(wanted)}"):
        if empty := sorted(name for name, subnets in wanted.items() if not subnets):
            raise ResourceError(f"{', '.join(empty)} would have no subnet. Give at least one subnet_ids.")
        groups = groups_named(client, wanted)
        # AWS answers with a comma between them, in any order.
        current = {name: sorted(filter(None, groups[name].get("VPCZoneIdentifier", "").split(","))) for name in wanted}
        before = update_groups(
            client, current, wanted, lambda subnets: {"VPCZoneIdentifier": ",".join(subnets)}, check_mode=module.check_mode
        )
    diff = {"before": before, "after": {name: wanted[name] for name in before}}
    module.exit_json(changed=bool(before), before=before, subnets=wanted, diff=diff)


if __name__ == "__main__":
    main()
