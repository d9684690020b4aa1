#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_network_acl
version_added: 0.2.0
short_description: Manage a network ACL of a VPC, its entries and its subnets
description:
  - Creates, changes, tags and deletes one network ACL. Its entries are exactly those that are declared.
  - Entries of M(indivillage.infra.network_denials), which deny everything and have numbers below 20, stay as they are.
  - A network ACL is identified by its VPC and its tag C(Name). Two of one name are an error.
  - The name V(default) stands for the ACL that every VPC has, whatever its tags, and to which each subnet falls back that no other has. It
    can be closed, and not deleted; under another name it is an error.
  - Unlike M(amazon.aws.ec2_vpc_nacl) it asks AWS once when nothing differs, replaces an entry in one step, says what differs, and can
    run beside another that gets a subnet from this one.
options:
  vpc_id:
    description: Id of the VPC.
    type: str
    required: true
  name:
    description: The ACL's tag C(Name), which O(tags) need not have; or V(default).
    type: str
    required: true
  ingress: &entries
    description:
      - All entries of this direction, but for AWS's own last one, which denies everything.
      - Nothing is looked at when left out.
    type: list
    elements: dict
    suboptions:
      number:
        description: The entry's number; the entry with the least one that fits decides.
        type: int
        required: true
      action:
        description: What is done with it.
        type: str
        choices: [allow, deny]
        default: allow
      cidr:
        description: From where it comes, or where it goes to, as a network, IPv4 or IPv6.
        type: str
        required: true
      protocol:
        description: The protocol; V(all) are all ports of all protocols.
        type: str
        choices: [tcp, udp, icmp, icmpv6, all]
        default: tcp
      from_port:
        description: The first port. Of V(icmp) and V(icmpv6) the type, which is any when left out.
        type: int
      to_port:
        description: The last port, which is the first when left out. Of V(icmp) and V(icmpv6) the code, which is any when left out.
        type: int
  egress: *entries
  subnet_ids:
    description:
      - Ids of all subnets that have this ACL. One that has another gets this one; one that has this ACL and is not here falls back to the
        VPC's default one.
      - Nothing is looked at when left out.
    type: list
    elements: str
  other_subnet_ids:
    description:
      - Ids of subnets that are declared for other ACLs of the VPC. One that this ACL still has is left to them, so that it goes from ACL to
        ACL and not by the default one.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let nobody but the app subnet reach the data subnet
  indivillage.infra.ec2_network_acl:
    vpc_id: vpc-0123456789abcdef0
    name: indivillage-production-data
    ingress:
      - {number: 100, cidr: 10.2.20.0/24, from_port: 5432}
    egress:
      - {number: 100, cidr: 10.2.20.0/24, from_port: 1024, to_port: 65535}
    subnet_ids: [subnet-0123456789abcdef0]
    tags:
      Project: indivillage

- name: Close the default ACL of a VPC
  indivillage.infra.ec2_network_acl:
    vpc_id: vpc-0123456789abcdef0
    name: default
    ingress: []
    egress: []
"""

RETURN = r"""
resource:
  description: The network ACL. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    network_acl_id:
      description: Id of the network ACL.
      type: str
      returned: when the network ACL exists
      sample: acl-0123456789abcdef0
    ingress:
      description: The entries by their number.
      type: dict
      returned: when the network ACL exists
      sample: {"100": allow tcp/5432 10.2.20.0/24}
  sample: {network_acl_id: acl-0123456789abcdef0, ingress: {"100": allow tcp/5432 10.2.20.0/24}, subnet_ids: [subnet-0123456789abcdef0]}
"""

from functools import partial
from ipaddress import ip_network
from typing import Any, ClassVar, NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    ResourceError,
    run,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.module_utils.ec2_resource import NamedInVpc, tags_of
from ansible_collections.indivillage.infra.plugins.module_utils.network_rules import (
    ALL,
    DENIALS,
    OPTIONS,
    REQUIRED_IF,
    Traffic,
    is_denial,
    traffic,
)

DIRECTIONS = ("ingress", "egress")
ENTRIES = {
    "type": "list",
    "elements": "dict",
    "options": {
        "number": {"type": "int", "required": True},
        "action": {"choices": ["allow", "deny"], "default": "allow"},
        "cidr": {"required": True},
        **OPTIONS,
    },
    "required_if": REQUIRED_IF,
}
DEFAULT = "default"
NUMBERS = range(1, 32767)  # behind them are AWS's own, which deny what no other allows
PROTOCOLS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", ALL: "-1"}
PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
# The entries were changed by somebody else since they were read.
OVERTAKEN = ["NetworkAclEntryAlreadyExists", "InvalidNetworkAclEntry.NotFound"]
# The subnet got another ACL since it was read.
MOVED = "InvalidAssociationID.NotFound"


class Association(NamedTuple):
    id: str
    acl: str


class NetworkAcl(NamedInVpc):
    id_property = "network_acl_id"
    kind = "network ACL"
    options: ClassVar[dict[str, Any]] = {
        "vpc_id": {"required": True},
        "name": {"required": True},
        **dict.fromkeys(DIRECTIONS, ENTRIES),
        "subnet_ids": {"type": "list", "elements": "str"},
        "other_subnet_ids": {"type": "list", "elements": "str", "default": []},
    }
    properties = (*DIRECTIONS, "subnet_ids")
    exact = frozenset(DIRECTIONS)

    def __init__(self, module: Any, client: Any) -> None:
        super().__init__(module, client)
        self.entries: dict[str, dict[str, Any]] = {}
        """What AWS is told of the declared entries, by their text."""
        self.read: dict[str, dict[str, str]] = {}
        """The texts of the entries as they were last read, by direction and number."""
        self.associations: dict[str, Association] = {}
        """Those of the whole VPC as they were last read, by subnet."""
        self.default = ""
        """Id of the VPC's default ACL."""

    def declared(self) -> Properties:
        return {**super().declared(), **{direction: self._declared_entries(direction) for direction in DIRECTIONS}}

    def _declared_entries(self, direction: str) -> dict[str, str] | None:
        if self.params[direction] is None:
            return None
        entries: dict[str, str] = {}
        for options in self.params[direction]:
            number = str(options["number"])
            try:
                entry = _entry(options)
            except ValueError as error:
                raise ResourceError(f"{direction} {number}: {error}") from error
            text = _text(entry)
            if options["number"] not in NUMBERS:
                raise ResourceError(f"{direction} {number}: numbers go from {NUMBERS[0]} to {NUMBERS[-1]}.")
            if is_denial({"RuleNumber": options["number"], **entry}):
                raise ResourceError(
                    f"{direction} {number}: what denies everything below {DENIALS.stop} is for blocked addresses. Number it higher."
                )
            if number in entries:
                raise ResourceError(f"{direction} {number}: two entries have this number, {entries[number]} and {text}.")
            entries[number] = text
            self.entries[text] = entry
        return entries

    def find(self) -> Properties | None:
        acls, own = self.in_vpc("describe_network_acls", "NetworkAcls", "NetworkAclId")
        self.default = next((acl["NetworkAclId"] for acl in acls if acl.get("IsDefault")), "")
        self.associations = {
            link["SubnetId"]: Association(link["NetworkAclAssociationId"], acl["NetworkAclId"])
            for acl in acls
            for link in acl.get("Associations", [])
        }
        if self.name == DEFAULT:
            own = next((acl for acl in acls if acl["NetworkAclId"] == self.default), None)
        return self._read(own) if own else None

    def _read(self, acl: dict[str, Any]) -> Properties:
        if self.name == DEFAULT and self.params["state"] == "absent":
            raise ResourceError("every VPC has it, and AWS never deletes it. Declare it without entries instead.")
        if self.name != DEFAULT and acl["NetworkAclId"] == self.default:
            raise ResourceError(f"{self.default} is the VPC's default ACL, which is named {DEFAULT}. Change its tag Name.")
        self.read = {
            direction: {
                str(entry["RuleNumber"]): _text(entry)
                for entry in acl["Entries"]
                if entry["Egress"] == (direction == "egress") and entry["RuleNumber"] in NUMBERS and not is_denial(entry)
            }
            for direction in DIRECTIONS
        }
        # Whatever falls back to the default ACL is nobody's declaration, so it does not tell of it, as if it were.
        told = [] if self.name == DEFAULT and self.params["subnet_ids"] is None else self._subnets(acl["NetworkAclId"])
        return {
            "network_acl_id": acl["NetworkAclId"],
            **self.read,
            "subnet_ids": [subnet for subnet in told if subnet not in self.left_to_others],
            "tags": tags_of(acl),
        }

    def _subnets(self, acl: str) -> list[str]:
        return sorted(subnet for subnet, association in self.associations.items() if association.acl == acl)

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        if self.name == DEFAULT:
            raise ResourceError("it comes and goes with its VPC, which is not there.")
        specification = self.specification("network-acl", tags)
        made = self.client.create_network_acl(VpcId=self.params["vpc_id"], TagSpecifications=specification)["NetworkAcl"]
        wait_until(lambda: self.find() is not None, "AWS to report it", READ_BACK_SECONDS)
        self.update({"network_acl_id": made["NetworkAclId"], "subnet_ids": []}, wanted)

    def update(self, current: Properties, changes: Properties) -> None:
        acl = current["network_acl_id"]
        for direction in DIRECTIONS:  # first, so that a subnet finds them
            if direction in changes:
                write = partial(self._set_entries, acl, direction, changes[direction])
                wait_until(write, f"others to leave its {direction} entries alone", READ_BACK_SECONDS)
        if "subnet_ids" in changes:
            for subnet in changes["subnet_ids"]:
                wait_until(partial(self._take, acl, subnet), f"{subnet} to be in the VPC and left alone by others", READ_BACK_SECONDS)
            for subnet in sorted(set(current["subnet_ids"]) - set(changes["subnet_ids"])):
                self._release(subnet)

    def _set_entries(self, acl: str, direction: str, wanted: dict[str, str]) -> bool:
        """Write what differs from the entries as they were read; False when somebody has changed them since."""
        there = self.read[direction]
        where = {"NetworkAclId": acl, "Egress": direction == "egress"}
        try:
            for number, text in wanted.items():
                if there.get(number) != text:
                    write = self.client.replace_network_acl_entry if number in there else self.client.create_network_acl_entry
                    write(**where, RuleNumber=int(number), **self.entries[text])
            for number in sorted(there.keys() - wanted.keys(), key=int):
                self.client.delete_network_acl_entry(**where, RuleNumber=int(number))
        except is_boto3_error_code(OVERTAKEN):
            self.find()
            return False
        return True

    def _take(self, acl: str, subnet: str) -> bool:
        """Give the ACL a subnet, whichever ACL has it; False when that has changed since it was read."""
        association = self.associations.get(subnet)
        if association is not None and association.acl == acl:
            return True
        if association is None or not self._move(association, acl):
            self.find()
            return False
        return True

    def _move(self, association: Association, acl: str) -> bool:
        try:
            self.client.replace_network_acl_association(AssociationId=association.id, NetworkAclId=acl)
        except is_boto3_error_code(MOVED):
            return False
        return True

    def _release(self, subnet: str) -> None:
        """Give a subnet the default ACL, as it was read; if another ACL has taken it since, it is there."""
        self._move(self.associations[subnet], self.default)

    def delete(self, current: Properties) -> None:
        for subnet in self._subnets(current["network_acl_id"]):
            self._release(subnet)
        self.client.delete_network_acl(NetworkAclId=current["network_acl_id"])


def _entry(options: dict[str, Any]) -> dict[str, Any]:
    """A declared entry as AWS takes it, without its place; ValueError for what is none."""
    network = str(ip_network(options["cidr"]))
    protocol, first, last = traffic(*(options[name] for name in OPTIONS))
    ports: dict[str, Any] = {"PortRange": {"From": first, "To": last}}
    if protocol.startswith("icmp"):
        ports = {"IcmpTypeCode": {"Type": first, "Code": last}}
    return {
        "Protocol": PROTOCOLS[protocol],
        "RuleAction": options["action"],
        "Ipv6CidrBlock" if ":" in network else "CidrBlock": network,
        **({} if first is None else ports),
    }


def _text(entry: dict[str, Any]) -> str:
    """What an entry does, so that two that do the same have one text."""
    protocol = PROTOCOL_NAMES.get(entry["Protocol"], entry["Protocol"])
    ports, icmp = entry.get("PortRange") or {}, entry.get("IcmpTypeCode") or {}
    about = Traffic(protocol, ports.get("From", icmp.get("Type")), ports.get("To", icmp.get("Code")))
    return f"{entry['RuleAction']} {about} {entry.get('CidrBlock') or entry.get('Ipv6CidrBlock')}"


def main() -> None:
    run(NetworkAcl)


if __name__ == "__main__":
    main()
