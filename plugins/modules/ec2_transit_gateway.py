#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_transit_gateway
version_added: 0.3.0
short_description: Manage a transit gateway
description:
  - Creates, changes, tags and deletes a transit gateway. It is identified by its tag C(Name).
  - Unlike M(amazon.aws.ec2_transit_gateway) it brings options of an existing gateway back to what is declared, and tags it as it is made.
options:
  name:
    description: The tag C(Name) of the gateway.
    type: str
    required: true
  description:
    description: What the gateway is for.
    type: str
  amazon_side_asn:
    description: Number of the gateway among others that it exchanges routes with, V(64512) to V(65534) or V(4200000000) to V(4294967294).
    type: int
    default: 64512
  dns_support:
    description: Whether names of a VPC are resolved in the others.
    type: bool
    default: true
  auto_accept_shared_attachments:
    description: Whether other accounts may attach their VPCs without being asked for.
    type: bool
    default: false
  default_route_table_association:
    description: Whether attachments use the gateway's default route table.
    type: bool
    default: true
  default_route_table_propagation:
    description: Whether attachments tell the default route table their networks.
    type: bool
    default: true
  wait_timeout_seconds:
    description: How long a change may take until the gateway is available.
    type: int
    default: 600
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
- name: Have a transit gateway
  indivillage.infra.ec2_transit_gateway:
    name: indivillage-production-tgw
    amazon_side_asn: 64513
"""

RETURN = r"""
resource:
  description: The transit gateway. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    transit_gateway_id:
      description: Id of the gateway.
      type: str
      returned: when the gateway exists
      sample: tgw-0123456789abcdef0
    state:
      description: What AWS says of it.
      type: str
      returned: when the gateway exists
      sample: available
  sample: {transit_gateway_id: tgw-0123456789abcdef0, state: available, amazon_side_asn: 64512}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.ec2_resource import Ec2Resource

# Option -> its name among the Options of the API.
SWITCHES = {
    "auto_accept_shared_attachments": "AutoAcceptSharedAttachments",
    "default_route_table_association": "DefaultRouteTableAssociation",
    "default_route_table_propagation": "DefaultRouteTablePropagation",
    "dns_support": "DnsSupport",
}
LIVING = ["pending", "available", "modifying"]


class TransitGateway(Ec2Resource):
    id_property = "transit_gateway_id"
    kind = "transit gateway"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {},
        "amazon_side_asn": {"type": "int", "default": 64512},
        "dns_support": {"type": "bool", "default": True},
        "auto_accept_shared_attachments": {"type": "bool", "default": False},
        "default_route_table_association": {"type": "bool", "default": True},
        "default_route_table_propagation": {"type": "bool", "default": True},
        "wait_timeout_seconds": {"type": "int", "default": 600},
    }
    properties = ("description", "amazon_side_asn", *SWITCHES)

    def find(self) -> Properties | None:
        filters = [{"Name": "tag:Name", "Values": [self.name]}, {"Name": "state", "Values": LIVING}]
        pages = self.client.get_paginator("describe_transit_gateways").paginate(Filters=filters)
        found = [gateway for page in pages for gateway in page["TransitGateways"]]
        if len(found) > 1:
            raise ResourceError(f"there are {len(found)} of that name: {', '.join(gateway['TransitGatewayId'] for gateway in found)}.")
        return _properties(found[0]) if found else None

    def settle(self, current: Properties) -> Properties:
        wait_until(lambda: (self.find() or {}).get("state") == "available", "it to be available", self.params["wait_timeout_seconds"], 2)
        return self.find() or current

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        specification = {"ResourceType": "transit-gateway", "Tags": ansible_dict_to_boto3_tag_list({"Name": self.name, **tags})}
        description = {"Description": wanted["description"]} if wanted.get("description") else {}
        self.client.create_transit_gateway(Options=_options(wanted), TagSpecifications=[specification], **description)

    def update(self, current: Properties, changes: Properties) -> None:
        options = {"Options": _options(changes)} if changes.keys() - {"description"} else {}
        description = {"Description": changes["description"]} if "description" in changes else {}
        self.client.modify_transit_gateway(TransitGatewayId=current["transit_gateway_id"], **options, **description)

    def delete(self, current: Properties) -> None:
        self.client.delete_transit_gateway(TransitGatewayId=current["transit_gateway_id"])


def _options(properties: Properties) -> dict[str, Any]:
    """The properties as the API takes them."""
    switches = {SWITCHES[key]: "enable" if value else "disable" for key, value in properties.items() if key in SWITCHES}
    return switches | ({"AmazonSideAsn": properties["amazon_side_asn"]} if "amazon_side_asn" in properties else {})


def _properties(gateway: dict[str, Any]) -> Properties:
    options = gateway.get("Options", {})
    return {
        "transit_gateway_id": gateway["TransitGatewayId"],
        "state": gateway["State"],
        "description": gateway.get("Description", ""),
        "amazon_side_asn": options.get("AmazonSideAsn"),
        **{key: options.get(name) == "enable" for key, name in SWITCHES.items()},
        "tags": boto3_tag_list_to_ansible_dict(gateway.get("Tags", [])),
    }


def main() -> None:
    run(TransitGateway)


if __name__ == "__main__":
    main()
