#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: web_denials
version_added: 0.2.0
short_description: Let a web ACL refuse networks
description:
  - Keeps an IP set for each IP version and one rule in a web ACL that blocks them. Without networks there is neither rule nor sets.
  - M(indivillage.infra.wafv2_web_acl) leaves this rule alone.
options:
  name:
    description: Name of the web ACL.
    type: str
    required: true
  scope:
    description: V(REGIONAL) for load balancers of the region, V(CLOUDFRONT) for distributions. The latter is managed in us-east-1 alone.
    type: str
    choices: [REGIONAL, CLOUDFRONT]
    required: true
  networks:
    description: All networks that are refused, IPv4 or IPv6.
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
- name: Refuse an address at the edge
  indivillage.infra.web_denials:
    name: indivillage-production-edge
    scope: CLOUDFRONT
    networks: [203.0.113.7/32]
    region: us-east-1
"""

RETURN = r"""
resource:
  description: The networks that it refuses.
  returned: always
  type: dict
  sample: {networks: [203.0.113.7/32]}
"""

from ipaddress import ip_network
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.web_acls import DENIED_RULE, DENIED_RULE_PRIORITY, KEPT, listed, visibility

VERSIONS = {4: "IPV4", 6: "IPV6"}


class WebDenials(Resource):
    service = "wafv2"
    kind = "denials of web ACL"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "scope": {"required": True, "choices": ["REGIONAL", "CLOUDFRONT"]},
        "networks": {"type": "list", "elements": "str", "required": True},
    }
    properties = ("networks", "refused_by")
    taggable = False
    lasting = True

    def declared(self) -> Properties:
        wanted = self.params["networks"]
        return {"networks": wanted, "refused_by": [DENIED_RULE] if wanted else []}

    def _named(self, version: int) -> str:
        return f"{self.name}-denied-{VERSIONS[version].lower()}"

    def _sets(self) -> dict[int, dict[str, Any]]:
        """The IP sets that are there, by IP version."""
        found = {item["Name"]: item for item in listed(self.client.list_ip_sets, "IPSets", self.params["scope"])}
        return {version: found[self._named(version)] for version in VERSIONS if self._named(version) in found}

    def _acl(self) -> dict[str, Any]:
        summary = next(
            (item for item in listed(self.client.list_web_acls, "WebACLs", self.params["scope"]) if item["Name"] == self.name), None
        )
        if summary is None:
            raise ResourceError("there is no web ACL of that name: apply site.yml --tags aws_edge.")
        acl: dict[str, Any] = self.client.get_web_acl(Name=self.name, Scope=self.params["scope"], Id=summary["Id"])
        return acl

    def find(self) -> Properties | None:
        rules = [rule["Name"] for rule in self._acl()["WebACL"]["Rules"] if rule["Name"] == DENIED_RULE]
        networks = [address for item in self._sets().values() for address in self._read(item)["IPSet"]["Addresses"]]
        return {"networks": sorted(networks), "refused_by": rules}

    def _read(self, item: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_ip_set(Name=item["Name"], Scope=self.params["scope"], Id=item["Id"])
        return answer

    def update(self, current: Properties, changes: Properties) -> None:
        wanted = self.params["networks"]
        if not wanted:  # a set that a rule names cannot be deleted
            self._write_rule([])
        there = self._sets()
        for version, words in VERSIONS.items():
            addresses = [address for address in wanted if ip_network(address).version == version]
            if version in there:
                answer = self._read(there[version])
                where = {
                    "Name": self._named(version),
                    "Scope": self.params["scope"],
                    "Id": there[version]["Id"],
                    "LockToken": answer["LockToken"],
                }
                if not wanted:
                    self.client.delete_ip_set(**where)
                elif sorted(answer["IPSet"]["Addresses"]) != sorted(addresses):
                    self.client.update_ip_set(**where, Addresses=addresses)
            elif wanted:
                self.client.create_ip_set(
                    Name=self._named(version), Scope=self.params["scope"], IPAddressVersion=words, Addresses=addresses
                )
        if wanted:
            self._write_rule([self._sets()[version]["ARN"] for version in VERSIONS])

    def _write_rule(self, sets: list[str]) -> None:
        """Have the rule that refuses these sets, or none; nothing when it is so."""
        answer = self._acl()
        acl = answer["WebACL"]
        others = [rule for rule in acl["Rules"] if rule["Name"] != DENIED_RULE]
        statements = [{"IPSetReferenceStatement": {"ARN": arn}} for arn in sets]
        rule = {
            "Name": DENIED_RULE,
            "Priority": DENIED_RULE_PRIORITY,
            "Statement": {"OrStatement": {"Statements": statements}},
            "Action": {"Block": {}},
            "VisibilityConfig": visibility(DENIED_RULE),
        }
        rules = [*others, *([rule] if sets else [])]
        if rules == acl["Rules"]:
            return
        kept = {key: acl[key] for key in ("DefaultAction", "Description", "VisibilityConfig", *KEPT) if acl.get(key)}
        self.client.update_web_acl(
            Name=self.name,
            Scope=self.params["scope"],
            Id=acl["Id"],
            LockToken=answer["LockToken"],
            **kept | {"Rules": rules},
        )


def main() -> None:
    run(WebDenials)


if __name__ == "__main__":
    main()
