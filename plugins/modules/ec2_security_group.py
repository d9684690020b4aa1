#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_security_group
version_added: 0.2.0
short_description: Manage a security group of a VPC and its rules
description:
  - Creates, changes, tags and deletes one security group. Its rules are exactly those that are declared.
  - A security group is identified by its VPC and its name. The group V(default), which every VPC has, can be closed, and not deleted.
  - Unlike M(amazon.aws.ec2_security_group) it asks AWS once when nothing differs, does not sleep, changes nothing but the rules that
    differ, and says which these are.
options:
  vpc_id:
    description: Id of the VPC.
    type: str
    required: true
  name:
    description: Name of the group.
    type: str
    required: true
  description:
    description: What the group is for. Needed unless O(state=absent); AWS cannot change it afterwards.
    type: str
  ingress: &rules
    description:
      - All rules of this direction.
      - Nothing is looked at when left out. A group that is made has no rules but those that are declared, also not AWS's own one that
        lets everything out.
    type: list
    elements: dict
    suboptions:
      peer:
        description: Who may connect, or be connected to, as a network, IPv4 or IPv6, or as the id of a security group or prefix list.
          A group of another account has its account's number and a slash in front.
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
      description:
        description: What the rule is for.
        type: str
        default: ""
  egress: *rules
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
- name: Let the app tier reach the database and nothing else
  indivillage.infra.ec2_security_group:
    vpc_id: vpc-0123456789abcdef0
    name: indivillage-production-app-sg
    description: App tier
    ingress:
      - {peer: sg-0123456789abcdef0, from_port: 8443, description: requests to the app tier}
    egress:
      - {peer: sg-0123456789abcdef1, from_port: 5432, description: app tier to the database}

- name: Close the default group
  indivillage.infra.ec2_security_group:
    vpc_id: vpc-0123456789abcdef0
    name: default
    description: default VPC security group
    ingress: []
    egress: []
"""

RETURN = r"""
resource:
  description: The security group. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    group_id:
      description: Id of the group.
      type: str
      returned: when the group exists
      sample: sg-0123456789abcdef0
    ingress:
      description: The rules, each with its description.
      type: dict
      returned: when the group exists
      sample: {tcp/8443 sg-0123456789abcdef0: requests to the app tier}
  sample: {group_id: sg-0123456789abcdef0, ingress: {}, egress: {tcp/443 0.0.0.0/0: updates}}
"""

import re
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network
from typing import Any, ClassVar, NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    ResourceError,
    run,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.module_utils.ec2_resource import Ec2Resource
from ansible_collections.indivillage.infra.plugins.module_utils.network_rules import ALL, OPTIONS, REQUIRED_IF, Traffic, traffic

GROUP = re.compile(r"(\d{12}/)?sg-\w+")
PREFIX_LIST = re.compile(r"pl-\w+")
# The rules were changed by somebody else since they were read.
OVERTAKEN = ["InvalidPermission.Duplicate", "InvalidPermission.NotFound"]
RULES = {
    "type": "list",
    "elements": "dict",
    "options": {"peer": {"required": True}, **OPTIONS, "description": {"default": ""}},
    "required_if": REQUIRED_IF,
}
# Direction -> its member in the answer.
DIRECTIONS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}


class Rule(NamedTuple):
    """One rule, as AWS tells it from others."""

    traffic: Traffic
    peer: str

    def __str__(self) -> str:
        return f"{self.traffic} {self.peer}"


class SecurityGroup(Ec2Resource):
    id_property = "group_id"
    kind = "security group"
    options: ClassVar[dict[str, Any]] = {
        "vpc_id": {"required": True},
        "name": {"required": True},
        "description": {},
        **dict.fromkeys(DIRECTIONS, RULES),
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ["description"])]}
    properties = ("description", *DIRECTIONS)
    exact = frozenset(DIRECTIONS)
    immutable = frozenset({"description"})

    def __init__(self, module: Any, client: Any) -> None:
        super().__init__(module, client)
        self.rules: dict[str, Rule] = {}
        """Those that are declared and those that were read, by their text."""
        self.read: dict[str, dict[str, str]] = {}
        """The descriptions of the rules as they were last read, by direction and text."""

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.params['vpc_id']}"

    def declared(self) -> Properties:
        return {"description": self.params["description"], **{direction: self._declared_rules(direction) for direction in DIRECTIONS}}

    def _declared_rules(self, direction: str) -> dict[str, str] | None:
        if self.params[direction] is None:
            return None
        rules: dict[str, str] = {}
        for options in self.params[direction]:
            try:
                text = self._note(Rule(traffic(*(options[name] for name in OPTIONS)), _declared_peer(options["peer"])))
            except ValueError as error:
                raise ResourceError(f"{direction}: {error}") from error
            if text in rules:
                raise ResourceError(f"{direction}: {text} is declared twice, as {rules[text]!r} and as {options['description']!r}.")
            rules[text] = options["description"]
        return rules

    def _note(self, rule: Rule) -> str:
        self.rules[str(rule)] = rule
        return str(rule)

    def find(self) -> Properties | None:
        filters = [{"Name": name, "Values": [value]} for name, value in (("vpc-id", self.params["vpc_id"]), ("group-name", self.name))]
        pages = self.client.get_paginator("describe_security_groups").paginate(Filters=filters)
        # A filter may hold wildcards, and so may a name.
        group = next((group for page in pages for group in page["SecurityGroups"] if group["GroupName"] == self.name), None)
        if group is None:
            return None
        if self.params["state"] == "absent" and self.name == "default":
            raise ResourceError("every VPC has it, and AWS never deletes it. Declare it without rules instead.")
        self.read = {
            direction: {self._note(rule): description for rule, description in _read_rules(group[member], group["OwnerId"])}
            for direction, member in DIRECTIONS.items()
        }
        return {
            "group_id": group["GroupId"],
            "description": group["Description"],
            **self.read,
            "tags": boto3_tag_list_to_ansible_dict(group.get("Tags", [])),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        specification = [{"ResourceType": "security-group", "Tags": ansible_dict_to_boto3_tag_list(tags)}] if tags else []
        made = self.client.create_security_group(
            GroupName=self.name, Description=wanted["description"], VpcId=self.params["vpc_id"], TagSpecifications=specification
        )
        wait_until(lambda: self.find() is not None, "AWS to report it", READ_BACK_SECONDS)
        self.update({"group_id": made["GroupId"]}, {direction: wanted.get(direction, {}) for direction in DIRECTIONS})

    def update(self, current: Properties, changes: Properties) -> None:
        for direction in DIRECTIONS:
            if direction in changes:
                write = partial(self._set_rules, current["group_id"], direction, changes[direction])
                wait_until(write, f"others to leave its {direction} rules alone", READ_BACK_SECONDS)

    def _set_rules(self, group_id: str, direction: str, wanted: dict[str, str]) -> bool:
        """Write what differs from the rules as they were read; False when somebody has changed them since."""
        there = self.read[direction]
        new = {text: wanted[text] for text in wanted if text not in there}
        described = {text: wanted[text] for text in wanted if text in there and there[text] != wanted[text]}
        gone = {text: "" for text in there if text not in wanted}
        # New ones first, so that what a rule is replaced for goes on.
        for operation, rules in (
            (f"authorize_security_group_{direction}", new),
            (f"update_security_group_rule_descriptions_{direction}", described),
            (f"revoke_security_group_{direction}", gone),
        ):
            if rules:
                permissions = _permissions({self.rules[text]: description for text, description in rules.items()})
                try:
                    getattr(self.client, operation)(GroupId=group_id, IpPermissions=permissions)
                except is_boto3_error_code(OVERTAKEN):
                    self.find()
                    return False
        return True

    def delete(self, current: Properties) -> None:
        self.client.delete_security_group(GroupId=current["group_id"])


def _declared_peer(peer: str) -> str:
    """A declared peer in the words of AWS; ValueError for what is none."""
    if GROUP.fullmatch(peer) or PREFIX_LIST.fullmatch(peer):
        return peer
    try:
        return str(ip_network(peer))
    except ValueError as error:
        raise ValueError(f"the peer {peer!r} is no network, and no id of a security group (sg-...) or prefix list: {error}.") from error


def _read_rules(permissions: list[dict[str, Any]], owner: str) -> Iterator[tuple[Rule, str]]:
    """The rules of an answer with their descriptions: each permission of AWS holds several peers."""
    for permission in permissions:
        protocol = ALL if permission["IpProtocol"] == "-1" else permission["IpProtocol"]
        for member, names in (
            ("IpRanges", ("CidrIp",)),
            ("Ipv6Ranges", ("CidrIpv6",)),
            ("PrefixListIds", ("PrefixListId",)),
            ("UserIdGroupPairs", ("UserId", "GroupId")),
        ):
            for item in permission.get(member, []):
                peer = "/".join(item[name] for name in names if item.get(name, owner) != owner)
                about = Traffic(protocol, permission.get("FromPort"), permission.get("ToPort"))
                yield Rule(about, peer), item.get("Description") or ""


def _permissions(rules: dict[Rule, str]) -> list[dict[str, Any]]:
    """Rules with their descriptions as AWS takes them; those of the same ports together."""
    permissions: dict[Traffic, dict[str, Any]] = {}
    for rule, description in sorted(rules.items(), key=str):
        protocol, first, last = rule.traffic
        ports = {} if first is None else {"FromPort": first, "ToPort": last}
        permission = permissions.setdefault(rule.traffic, {"IpProtocol": "-1" if protocol == ALL else protocol, **ports})
        member, peer = _peer(rule.peer)
        permission.setdefault(member, []).append({**peer, **({"Description": description} if description else {})})
    return list(permissions.values())


def _peer(peer: str) -> tuple[str, dict[str, str]]:
    """Where a permission holds a peer, and how."""
    if GROUP.fullmatch(peer):
        account, _slash, group = peer.rpartition("/")
        return "UserIdGroupPairs", {"GroupId": group, **({"UserId": account} if account else {})}
    if PREFIX_LIST.fullmatch(peer):
        return "PrefixListIds", {"PrefixListId": peer}
    return ("Ipv6Ranges", {"CidrIpv6": peer}) if ":" in peer else ("IpRanges", {"CidrIp": peer})


def main() -> None:
    run(SecurityGroup)


if __name__ == "__main__":
    main()
