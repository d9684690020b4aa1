#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: owned_resources_info
version_added: 0.2.0
short_description: List everything that carries given tags
description:
  - Lists the resources of a region, or those that exist once per account, that carry all of the given tags, whatever has made them.
  - For each it says by which other resource it was made, where that is so, and what keeps it from being removed.
options:
  ownership_tags:
    description: The tags that tell what is ours.
    type: dict
    required: true
  scope:
    description: Whether to look at the region or at what exists once per account (IAM).
    type: str
    choices: [regional, global]
    default: regional
  untagged:
    description: Kinds that can carry no tags, and of which whatever there is in the region is ours.
    type: list
    elements: str
    choices: ["inspector2:scans"]
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: List what is ours
  indivillage.infra.owned_resources_info:
    ownership_tags: {Project: indivillage, Environment: staging, ManagedBy: ansible}
  register: ours
"""

RETURN = r"""
resources:
  description: The resources that can be removed by themselves, in the order of their removal.
  returned: always
  type: list
  elements: dict
  contains:
    arn: {description: Its ARN., type: str, returned: always}
    kind: {description: Its kind as in an ARN, type: str, returned: always, sample: "ec2:subnet"}
    id: {description: What AWS or its maker calls it., type: str, returned: always}
    name: {description: "Its tag Name, or the id.", type: str, returned: always}
    title: {description: "Kind, id and name in words.", type: str, returned: always}
    stack: {description: Its tag Stack., type: str, returned: always}
    tags: {description: Its tags., type: dict, returned: always}
    part_of: {description: What it is made for and ends with; null here., type: str, returned: always}
    leaving: {description: "When it will be gone, if it is deleted already; null here.", type: str, returned: always}
    protected: {description: Why it cannot be removed, type: str, returned: always}
    stateful: {description: What is lost with it, type: str, returned: always, sample: database}
    level: {description: Place in the order of removal; those of one number do not depend on each other., type: int, returned: always}
parts:
  description: The resources that end with others, with their RV(resources[].part_of).
  returned: always
  type: list
  elements: dict
leaving:
  description: The resources that are deleted already and only wait for their end.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import UNTAGGED, as_result, owned_resources
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import levels


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "ownership_tags": {"type": "dict", "required": True},
            "scope": {"choices": ["regional", "global"], "default": "regional"},
            "untagged": {"type": "list", "elements": "str", "choices": sorted(UNTAGGED), "default": []},
        },
        supports_check_mode=True,
    )
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = aws_client(module, service)
        return clients[service]

    tags = {key: str(value) for key, value in module.params["ownership_tags"].items()}
    with reporting(module, "list what is ours"):
        account_id = client("sts").get_caller_identity()["Account"]
        found = owned_resources(client, module.params["scope"], module.region, account_id, tags, untagged=module.params["untagged"])
    order = {kind: number for number, kinds in enumerate(levels(resource.kind for resource in found)) for kind in kinds}
    listed = sorted(({**as_result(resource), "level": order[resource.kind]} for resource in found), key=lambda item: item["level"])
    module.exit_json(
        changed=False,
        resources=[item for item in listed if not item["part_of"] and not item["leaving"]],
        parts=[item for item in listed if item["part_of"]],
        leaving=[item for item in listed if item["leaving"] and not item["part_of"]],
    )


if __name__ == "__main__":
    main()
