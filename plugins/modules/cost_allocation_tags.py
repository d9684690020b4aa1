#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cost_allocation_tags
version_added: 0.3.0
short_description: Activate tags by which costs are told apart
description:
  - Activates keys of tags for cost allocation, so that Cost Explorer and budgets can tell costs apart by them.
  - AWS knows a key about a day after a resource has carried it for the first time. Keys that it does not know yet are returned as
    RV(unknown) and left for a later run.
  - Only the account that pays may do it.
options:
  keys:
    description: The keys.
    type: list
    elements: str
    required: true
  state:
    description: Whether they are active.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Reads what there is and reports what would be written.
    support: full
  diff_mode:
    description: Returns the state of every key that differs, before and after.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Tell costs apart by environment
  indivillage.infra.cost_allocation_tags:
    keys: [Project, Environment]
"""

RETURN = r"""
active:
  description: Keys that are active afterwards, of those given.
  returned: always
  type: list
  elements: str
  sample: [Environment, Project]
unknown:
  description: Keys that AWS does not know yet.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting


def main() -> None:
    """Bring the keys to the declared state."""
    module = AnsibleAWSModule(
        argument_spec={
            "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "state": {"choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    client, wanted = aws_client(module, "ce"), "Active" if module.params["state"] == "present" else "Inactive"
    with reporting(module, "read the cost allocation tags"):
        pages = client.get_paginator("list_cost_allocation_tags").paginate(TagKeys=module.params["keys"], Type="UserDefined")
        states = {tag["TagKey"]: tag["Status"] for page in pages for tag in page["CostAllocationTags"]}
    before = {key: state for key, state in sorted(states.items()) if key in module.params["keys"] and state != wanted}
    if before and (planning.active or not module.check_mode):
        with reporting(module, f"change the cost allocation tags {', '.join(before)}"):
            answer = client.update_cost_allocation_tags_status(
                CostAllocationTagsStatus=[{"TagKey": key, "Status": wanted} for key in before]
            )
            for error in answer.get("Errors") or []:
                raise ResourceError(f"{error.get('TagKey')}: {error.get('Message')}")
    after = states | dict.fromkeys(before, wanted)
    module.exit_json(
        changed=bool(before),
        active=sorted(key for key, state in after.items() if state == "Active" and key in module.params["keys"]),
        unknown=sorted(set(module.params["keys"]) - states.keys()),
        diff={"before": before, "after": dict.fromkeys(before, wanted)},
    )


if __name__ == "__main__":
    main()
