#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: elasticache_token
version_added: 0.2.0
short_description: Change the token of a replication group in two steps
description:
  - V(rotate) has the group take a token beside the one that it takes, V(set) has it take that one alone.
  - AWS tells no token, so the module writes each time; ask the group with P(indivillage.infra.redis_token#module) whether that is needed.
  - Waits until the group is available again.
options:
  name:
    description: Id of the replication group.
    type: str
    required: true
  token:
    description: The token, 16 to 128 printable characters.
    type: str
    required: true
  strategy:
    description: What is done with it.
    type: str
    choices: [rotate, set]
    required: true
  wait_timeout_seconds:
    description: How long to wait.
    type: int
    default: 1800
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells that it would write.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have the cache take the next token as well
  indivillage.infra.elasticache_token:
    name: indivillage-production-cache
    token: "{{ rotation.pending.auth_token }}"
    strategy: rotate
"""

RETURN = r"""
status:
  description: What AWS is doing with the group.
  returned: always
  type: str
  sample: available
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting, wait_until


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"required": True},
            "token": {"required": True, "no_log": True},
            "strategy": {"required": True, "choices": ["rotate", "set"]},
            "wait_timeout_seconds": {"type": "int", "default": 1800},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    params, client = module.params, aws_client(module, "elasticache")

    def status() -> str:
        groups = client.describe_replication_groups(ReplicationGroupId=params["name"])["ReplicationGroups"]
        return str(groups[0]["Status"])

    def await_available() -> None:
        wait_until(
            lambda: status() == "available", f"{params['name']} to become available", params["wait_timeout_seconds"], params["poll_seconds"]
        )

    with reporting(module, f"{params['strategy']} the token of replication group '{params['name']}'"):
        if not module.check_mode:
            await_available()  # AWS takes no change while another is under way
        if planning.active or not module.check_mode:
            client.modify_replication_group(
                ReplicationGroupId=params["name"],
                AuthToken=params["token"],
                AuthTokenUpdateStrategy=params["strategy"].upper(),
                ApplyImmediately=True,
            )
        if not module.check_mode:
            await_available()
        found = status()
    module.exit_json(changed=True, status=found)


if __name__ == "__main__":
    main()
