#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: owned_resource
version_added: 0.2.0
short_description: Remove one resource that M(indivillage.infra.owned_resources_info) has listed
description:
  - Deletes the resource with what exists in it alone, such as a role's policies or a bucket's objects, and waits until it is gone.
  - Something that still uses it may be about to end itself. A refusal is waited out; when the time is up, the message names what uses it.
  - A resource that is gone is no change, so that a run that was cut off is repeated as it was.
options:
  kind:
    description: Its kind as in an ARN, for example V(ec2:subnet).
    type: str
    required: true
  arn:
    description: Its ARN.
    type: str
    required: true
  id:
    description: What AWS or its maker calls it, as listed.
    type: str
    required: true
  state:
    description: Only V(absent) is known; a resource is made by its role.
    type: str
    choices: [absent]
    default: absent
  final_snapshot:
    description: Whether a database leaves a last snapshot and its automated backups. A key that a snapshot needs stays.
    type: bool
    default: true
  recovery_days:
    description:
      - Days in which a secret or a key can be brought back.
      - With V(0) a secret goes at once, and a key after AWS's shortest time, 7 days.
    type: int
    default: 30
  alongside:
    description: Ids of everything that is removed in the same run. Rules of those security groups that refer to this one are revoked.
    type: list
    elements: str
    default: []
  wait_timeout_seconds:
    description: How long to wait for its end, and for that of what still uses it.
    type: int
    default: 1800
  poll_seconds:
    description: Time between two looks.
    type: int
    default: 5
attributes:
  check_mode:
    description: Reports what would be deleted, and reads what it would have to be kept for.
    support: full
  diff_mode:
    description: Returns the resource as before.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Remove a subnet that nobody declares any more
  indivillage.infra.owned_resource:
    kind: ec2:subnet
    arn: arn:aws:ec2:us-east-1:123456789012:subnet/subnet-0123456789abcdef0
    id: subnet-0123456789abcdef0
"""

RETURN = r"""
kept:
  description: Why the resource stays although it was to be removed; null when it does not.
  returned: always
  type: str
  sample: "key 0a1b stays: snapshot shop-final-20260101-120000 could not be read without it"
plan:
  description: The deletion as an entry of a plan.
  returned: in check mode
  type: dict
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.removal import describe, remove, why_kept
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import KINDS
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal

ARGUMENTS = {
    "kind": {"required": True},
    "arn": {"required": True},
    "id": {"required": True},
    "state": {"choices": ["absent"], "default": "absent"},
    "final_snapshot": {"type": "bool", "default": True},
    "recovery_days": {"type": "int", "default": 30},
    "alongside": {"type": "list", "elements": "str", "default": []},
    "wait_timeout_seconds": {"type": "int", "default": 1800},
    "poll_seconds": {"type": "int", "default": 5},
}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = {key: value for key, value in module.params.items() if key in ARGUMENTS and key not in ("state", "alongside")}
    removal = Removal(**given, alongside=frozenset(module.params["alongside"]))
    if removal.kind not in KINDS:
        module.fail_json(msg=f"No steps are known to remove a {removal.kind}. The kinds are: {', '.join(sorted(KINDS))}.")

    def client(service: str) -> Any:
        return aws_client(module, service)

    with reporting(module, f"remove {describe(removal)}"):
        kept = why_kept(client, removal)
        changed = not kept and (module.check_mode or remove(client, removal))
    result = {"changed": changed, "kept": kept, "diff": {"before": {"id": removal.id} if changed else {}, "after": {}}}
    if module.check_mode:
        result["plan"] = _plan(removal, changed)
    module.exit_json(**result)


def _plan(removal: Removal, changed: bool) -> dict[str, Any]:
    return {
        "action": "delete" if changed else "none",
        "resource": describe(removal),
        "calls": [],
        "changes": [],
        "certain": True,
        "reason": None,
        "stateful": KINDS[removal.kind].stateful if changed else None,
    }


if __name__ == "__main__":
    main()
