#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_transit_gateway_route
version_added: 0.3.0
short_description: Manage a static route of a transit gateway
description:
  - Creates, changes and deletes a static route in the default route table of a transit gateway.
  - A peering tells no routes, unlike the attachment of a VPC, so that each side needs one to the other's network.
options:
  transit_gateway_id:
    description: Id of the gateway.
    type: str
    required: true
  destination_cidr:
    description: The network that is reached.
    type: str
    required: true
  transit_gateway_attachment_id:
    description: Id of the attachment by which it is reached. Required with O(state=present).
    type: str
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Reach the other region's network
  indivillage.infra.ec2_transit_gateway_route:
    transit_gateway_id: tgw-0123456789abcdef0
    destination_cidr: 10.3.0.0/16
    transit_gateway_attachment_id: tgw-attach-0123456789abcdef0
"""

RETURN = r"""
resource:
  description: The route. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {destination_cidr: 10.3.0.0/16, transit_gateway_attachment_id: tgw-attach-0123456789abcdef0, state: active}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


class TransitGatewayRoute(Resource):
    service = "ec2"
    kind = "transit gateway route"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "transit_gateway_id": {"required": True},
        "destination_cidr": {"required": True},
        "transit_gateway_attachment_id": {},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ["transit_gateway_attachment_id"])]}
    properties = ("transit_gateway_attachment_id",)
    table_id = ""

    @property
    def name(self) -> str:
        return f"{self.params['destination_cidr']} of {self.params['transit_gateway_id']}"

    def find(self) -> Properties | None:
        gateways = self.client.describe_transit_gateways(TransitGatewayIds=[self.params["transit_gateway_id"]])["TransitGateways"]
        self.table_id = (gateways[0].get("Options", {}) if gateways else {}).get("AssociationDefaultRouteTableId", "")
        if not self.table_id:
            raise ResourceError("the gateway has no default route table.")
        routes = self.client.search_transit_gateway_routes(
            TransitGatewayRouteTableId=self.table_id,
            Filters=[
                {"Name": "route-search.exact-match", "Values": [self.params["destination_cidr"]]},
                {"Name": "type", "Values": ["static"]},
            ],
        )["Routes"]
        for route in routes:
            attachments = route.get("TransitGatewayAttachments", [])
            return {
                "destination_cidr": route["DestinationCidrBlock"],
                "state": route["State"],
                "transit_gateway_attachment_id": attachments[0]["TransitGatewayAttachmentId"] if attachments else None,
            }
        return None

    def _request(self, wanted: Properties) -> dict[str, str]:
        return {
            "TransitGatewayRouteTableId": self.table_id,
            "DestinationCidrBlock": self.params["destination_cidr"],
            "TransitGatewayAttachmentId": wanted["transit_gateway_attachment_id"],
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_transit_gateway_route(**self._request(wanted))

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.replace_transit_gateway_route(**self._request(changes))

    def delete(self, current: Properties) -> None:
        self.client.delete_transit_gateway_route(
            TransitGatewayRouteTableId=self.table_id, DestinationCidrBlock=self.params["destination_cidr"]
        )


def main() -> None:
    run(TransitGatewayRoute)


if __name__ == "__main__":
    main()
