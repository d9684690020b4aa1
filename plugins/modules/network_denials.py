#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network_denials
version_added: 0.2.0
short_description: Let a network ACL refuse networks in both directions
description:
  - Gives a network ACL entries that deny everything from and to each network, below the numbers of all declared entries, and takes away
    those of networks that are not listed.
  - M(indivillage.infra.ec2_network_acl) leaves these entries alone.
options:
  name:
    description: The network ACL's tag C(Name).
    type: str
    required: true
  networks:
    description: All networks that are refused, IPv4 or IPv6. AWS takes 20 entries in each direction, with those that are declared.
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
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Refuse an address
  indivillage.infra.network_denials:
    name: indivillage-production-public
    networks: [203.0.113.7/32]
"""

RETURN = r"""
resource:
  description: The ACL's id and the networks that it refuses.
  returned: always
  type: dict
  sample: {network_acl_id: acl-0123456789abcdef0, networks: [203.0.113.7/32]}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.network_rules import DENIALS, is_denial


class NetworkDenials(Resource):
    service = "ec2"
    kind = "denials of network ACL"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "networks": {"type": "list", "elements": "str", "required": True},
    }
    properties = ("networks",)
    taggable = False
    lasting = True

    def __init__(self, module: Any, client: Any) -> None:
        super().__init__(module, client)
        self.entries: dict[bool, dict[str, int]] = {}
        """The entries as they were last read, by direction (whether egress) and network, and their numbers."""

    def find(self) -> Properties | None:
        acls = self.client.describe_network_acls(Filters=[{"Name": "tag:Name", "Values": [self.name]}])["NetworkAcls"]
        if len(acls) != 1:
            raise ResourceError(
                f"there are {len(acls)} network ACLs of that name in this region, and not one: apply site.yml --tags provision."
            )
        self.entries = {egress: {} for egress in (False, True)}
        for entry in acls[0]["Entries"]:
            if is_denial(entry):
                self.entries[entry["Egress"]][_network(entry)] = entry["RuleNumber"]
        return {"network_acl_id": acls[0]["NetworkAclId"], "networks": sorted(self.entries[False].keys() & self.entries[True].keys())}

    def update(self, current: Properties, changes: Properties) -> None:
        wanted = changes["networks"]
        if len(wanted) > len(DENIALS):
            raise ResourceError(
                f"it can refuse {len(DENIALS)} networks, and not {len(wanted)}. Join some, or let a web ACL refuse them alone."
            )
        for egress, there in self.entries.items():
            where = {"NetworkAclId": current["network_acl_id"], "Egress": egress}
            for gone in there.keys() - set(wanted):
                self.client.delete_network_acl_entry(**where, RuleNumber=there[gone])
            free = iter(number for number in DENIALS if number not in {there[name] for name in there.keys() & set(wanted)})
            for network in (name for name in wanted if name not in there):
                cidr = {"Ipv6CidrBlock" if ":" in network else "CidrBlock": network}
                self.client.create_network_acl_entry(**where, RuleNumber=next(free), Protocol="-1", RuleAction="deny", **cidr)


def _network(entry: dict[str, Any]) -> str:
    return str(entry.get("CidrBlock") or entry.get("Ipv6CidrBlock"))


def main() -> None:
    run(NetworkDenials)


if __name__ == "__main__":
    main()
