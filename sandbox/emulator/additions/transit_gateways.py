# SPDX-License-Identifier: GPL-3.0-or-later
"""Transit gateways: tags of attachments, lists of one kind each, routes as they are read, and what keeps a gateway from being deleted.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTransitGatewayVpcAttachment.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTransitGatewayPeeringAttachments.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceTransitGatewayRoute.html
moto 5.2.5 looks for the tags of a VPC attachment under another type, lists attachments of all kinds as VPC attachments and as peerings,
knows no filter by id, shows the tags of a peering's one side on the other, loses the attachment of a route, cannot replace one, and
deletes gateways in use.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.responses.transit_gateway_attachments import TransitGatewayAttachment
from moto.ec2.responses.transit_gateway_route_tables import TransitGatewayRouteTable
from moto.ec2.utils import convert_tag_spec

from sandbox.emulator.additions.patching import add, wrap

GONE = ("deleted", "rejected", "failed")


class InUseError(EC2ClientError):
    def __init__(self, gateway_id: str, attachments: list[str]) -> None:
        super().__init__("IncorrectState", f"{gateway_id} has non-deleted Transit Gateway Attachments: {', '.join(attachments)}.")


def _install_lists() -> None:
    @wrap(EC2Backend, "describe_transit_gateway_vpc_attachments")
    def vpc_attachments(original: Any, self: Any, *arguments: Any, **options: Any) -> list[Any]:
        return [attachment for attachment in original(self, *arguments, **options) if attachment.resource_type == "vpc"]

    @wrap(EC2Backend, "describe_transit_gateway_attachments")
    def attachments(original: Any, self: Any, ids: list[str] | None = None, filters: Any = None, **options: Any) -> list[Any]:
        named = options.get("transit_gateways_attachment_ids", ids)
        found = original(self, named, filters)
        return [one for one in found if one.id in (filters or {}).get("transit-gateway-attachment-id", [one.id])]

    @wrap(EC2Backend, "describe_transit_gateway_peering_attachments")
    def peerings(original: Any, self: Any, *arguments: Any, **options: Any) -> list[Any]:
        found = [copy.copy(one) for one in original(self, *arguments, **options) if one.resource_type == "peering"]
        for one in found:
            one.ec2_backend = self  # whose tags it shows
        return found


@functools.cache
def install() -> None:
    _install_lists()

    @wrap(TransitGatewayAttachment, "create_transit_gateway_vpc_attachment")
    def create_vpc_attachment(original: Any, self: Any) -> Any:
        answer: ActionResult = original(self)
        attachment = answer.result["TransitGatewayVpcAttachment"]  # type: ignore[index]
        attachment.add_tags(convert_tag_spec(self._get_param("TagSpecifications", [])).get("transit-gateway-attachment", {}))
        return answer

    @wrap(EC2Backend, "create_transit_gateway_route")
    def create_route(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        route = original(self, *arguments, **options)
        attachment = route.pop("transitGatewayAttachments", None)
        if attachment:
            route["TransitGatewayAttachments"] = [{name[0].upper() + name[1:]: value for name, value in attachment.items()}]
        return route

    @add(TransitGatewayRouteTable, "replace_transit_gateway_route")
    def replace_route(self: Any) -> ActionResult:
        route = self.ec2_backend.create_transit_gateway_route(
            transit_gateway_route_table_id=self._get_param("TransitGatewayRouteTableId"),
            destination_cidr_block=self._get_param("DestinationCidrBlock"),
            transit_gateway_attachment_id=self._get_param("TransitGatewayAttachmentId"),
        )
        return ActionResult({"Route": route})

    @wrap(EC2Backend, "delete_transit_gateway")
    def delete_transit_gateway(original: Any, self: Any, transit_gateway_id: str) -> Any:
        using = []
        for attachment in self.transit_gateway_attachments.values():
            peer = getattr(attachment, "accepter_tgw_info", {}).get("TransitGatewayId")
            if transit_gateway_id in (attachment.transit_gateway_id, peer) and attachment.state not in GONE:
                using.append(attachment.id)
        if using:
            raise InUseError(transit_gateway_id, using)
        for table in self.transit_gateways_route_tables.values():
            if table.transit_gateway_id == transit_gateway_id:
                table.state = "deleted"
        return original(self, transit_gateway_id)
