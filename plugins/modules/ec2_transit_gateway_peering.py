#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_transit_gateway_peering
version_added: 0.3.0
short_description: Join transit gateways of two regions
description:
  - Asks for a peering attachment in this region and accepts it in the other one; one that was asked for and not accepted is accepted.
  - It is identified by the two gateways, and tagged in both regions, each of which has tags of its own.
  - Routes do not follow from it, see M(indivillage.infra.ec2_transit_gateway_route).
options:
  transit_gateway_id:
    description: Id of this region's gateway.
    type: str
    required: true
  peer_transit_gateway_id:
    description: Id of the other region's gateway.
    type: str
    required: true
  peer_region:
    description: The other region.
    type: str
    required: true
  peer_account_id:
    description: The account of the other gateway, which must be that of the caller.
    type: str
    required: true
  peer_tags:
    description: Tags of the attachment in the other region. Tags that are not named are removed. Left alone when left out.
    type: dict
  wait_timeout_seconds:
    description: How long it may take until the attachment is available.
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
- name: Join the gateways of both regions
  indivillage.infra.ec2_transit_gateway_peering:
    transit_gateway_id: tgw-0123456789abcdef0
    peer_transit_gateway_id: tgw-0fedcba9876543210
    peer_region: us-west-2
    peer_account_id: "123456789012"
"""

RETURN = r"""
resource:
  description: The attachment. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    transit_gateway_attachment_id:
      description: Id of the attachment, the same in both regions.
      type: str
      returned: when the attachment exists
      sample: tgw-attach-0123456789abcdef0
    state:
      description: What AWS says of it.
      type: str
      returned: when the attachment exists
      sample: available
  sample: {transit_gateway_attachment_id: tgw-attach-0123456789abcdef0, state: available, accepted: true}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
    compare_aws_tags,
)
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.ec2_resource import Ec2Resource, set_tags

REQUESTED = ("initiatingRequest", "initiating", "pendingAcceptance")
LIVING = (*REQUESTED, "pending", "available", "modifying", "rollingBack")
POLL_SECONDS = 2


class Peering(Ec2Resource):
    id_property = "transit_gateway_attachment_id"
    kind = "peering"
    options: ClassVar[dict[str, Any]] = {
        "transit_gateway_id": {"required": True},
        "peer_transit_gateway_id": {"required": True},
        "peer_region": {"required": True},
        "peer_account_id": {"required": True},
        "peer_tags": {"type": "dict"},
        "wait_timeout_seconds": {"type": "int", "default": 600},
    }
    properties = ("accepted", "peer_tags")
    exact = frozenset({"peer_tags"})
    peer: Any = None

    @property
    def name(self) -> str:
        return f"{self.params['transit_gateway_id']} with {self.params['peer_transit_gateway_id']} in {self.params['peer_region']}"

    def declared(self) -> Properties:
        tags = self.params["peer_tags"]
        return {"accepted": True, "peer_tags": tags and {key: str(value) for key, value in tags.items()}}

    @property
    def there(self) -> Any:
        """The client of the other region."""
        if self.peer is None:
            self.peer = self.module.client("ec2", region=self.params["peer_region"])
        return self.peer

    def find(self) -> Properties | None:
        gateways = {self.params["transit_gateway_id"], self.params["peer_transit_gateway_id"]}
        for page in self.client.get_paginator("describe_transit_gateway_peering_attachments").paginate():
            for attachment in page["TransitGatewayPeeringAttachments"]:
                sides = {attachment.get(side, {}).get("TransitGatewayId") for side in ("RequesterTgwInfo", "AccepterTgwInfo")}
                if sides == gateways and attachment["State"] in LIVING:
                    return {
                        "transit_gateway_attachment_id": attachment["TransitGatewayAttachmentId"],
                        "state": attachment["State"],
                        "accepted": attachment["State"] not in REQUESTED,
                        "peer_tags": self._peer_side(attachment["TransitGatewayAttachmentId"]).get("tags", {}),
                        "tags": boto3_tag_list_to_ansible_dict(attachment.get("Tags", [])),
                    }
        return None

    def _peer_side(self, attachment_id: str) -> Properties:
        """State and tags of the attachment as the other region reports it; nothing while it does not."""
        try:
            found = self.there.describe_transit_gateway_peering_attachments(TransitGatewayAttachmentIds=[attachment_id])
        except is_boto3_error_code("InvalidTransitGatewayAttachmentID.NotFound"):
            return {}
        for attachment in found["TransitGatewayPeeringAttachments"]:
            return {"state": attachment["State"], "tags": boto3_tag_list_to_ansible_dict(attachment.get("Tags", []))}
        return {}

    def settle(self, current: Properties) -> Properties:
        if current["accepted"]:  # one that is not is a difference, which is seen to first
            wait_until(
                lambda: (self.find() or {}).get("state") == "available",
                "it to be available",
                self.params["wait_timeout_seconds"],
                POLL_SECONDS,
            )
        return self.find() or current

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        specification = {"ResourceType": "transit-gateway-attachment", "Tags": ansible_dict_to_boto3_tag_list(tags)}
        attachment = self.client.create_transit_gateway_peering_attachment(
            TransitGatewayId=self.params["transit_gateway_id"],
            PeerTransitGatewayId=self.params["peer_transit_gateway_id"],
            PeerAccountId=self.params["peer_account_id"],
            PeerRegion=self.params["peer_region"],
            TagSpecifications=[specification] if tags else [],
        )["TransitGatewayPeeringAttachment"]
        self._accept(attachment["TransitGatewayAttachmentId"])
        self._tag_there(attachment["TransitGatewayAttachmentId"], {}, wanted.get("peer_tags") or {})

    def _accept(self, attachment_id: str) -> None:
        def offered() -> bool:
            state = self._peer_side(attachment_id).get("state")
            if state in ("failed", "failing"):
                raise ResourceError("AWS could not make the attachment.")
            return state == "pendingAcceptance"

        if not planning.active:
            wait_until(offered, "the other region to be asked", self.params["wait_timeout_seconds"], POLL_SECONDS)
        self.there.accept_transit_gateway_peering_attachment(TransitGatewayAttachmentId=attachment_id)

    def _tag_there(self, attachment_id: str, current: dict[str, str], wanted: dict[str, str]) -> None:
        add, remove = compare_aws_tags(current, wanted, True)
        set_tags(self.there, attachment_id, add, remove)

    def update(self, current: Properties, changes: Properties) -> None:
        if "accepted" in changes:
            self._accept(current["transit_gateway_attachment_id"])
        if "peer_tags" in changes:
            self._tag_there(current["transit_gateway_attachment_id"], current["peer_tags"], changes["peer_tags"])

    def delete(self, current: Properties) -> None:
        self.client.delete_transit_gateway_peering_attachment(TransitGatewayAttachmentId=current["transit_gateway_attachment_id"])


def main() -> None:
    run(Peering)


if __name__ == "__main__":
    main()
