#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_route_table
version_added: 0.2.0
short_description: Manage a route table of a VPC, its routes and its subnets
description:
  - Creates, changes, tags and deletes one route table.
  - A route table is identified by its VPC and its tag C(Name). Two of one name are an error.
  - Unlike M(amazon.aws.ec2_vpc_route_table) it moves a subnet from another table in one step, so that the subnet is never without its
    routes; sees routes whose target is gone; says what differs; and asks AWS once when nothing does.
options:
  vpc_id:
    description: Id of the VPC.
    type: str
    required: true
  name:
    description: The table's tag C(Name), which O(tags) need not have.
    type: str
    required: true
  routes:
    description:
      - All routes, each destination with the id of the internet gateway, NAT gateway, transit gateway or VPC peering connection that
        it leads to.
      - The routes within the VPC, those of gateway endpoints and those that are propagated belong to others and are left alone.
      - Nothing is looked at when left out.
    type: dict
  subnet_ids:
    description:
      - Ids of all subnets that have this table. One that has another table gets this one; one that has this table and is not
        here falls back to the VPC's main table.
      - Nothing is looked at when left out.
    type: list
    elements: str
  other_subnet_ids:
    description:
      - Ids of subnets that are declared for other tables of the VPC. One that this table still has is left to them, so that it goes
        from table to table and not by the main table.
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
- name: Let the public subnets reach the internet
  indivillage.infra.ec2_route_table:
    vpc_id: vpc-0123456789abcdef0
    name: indivillage-production-public
    routes:
      0.0.0.0/0: igw-0123456789abcdef0
      10.3.0.0/16: tgw-0123456789abcdef0
    subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    tags:
      Project: indivillage

- name: Let the data subnets reach nothing outside
  indivillage.infra.ec2_route_table:
    vpc_id: vpc-0123456789abcdef0
    name: indivillage-production-data
    routes: {}
    subnet_ids: [subnet-0123456789abcdef2]
    other_subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
"""

RETURN = r"""
resource:
  description: The route table. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    route_table_id:
      description: Id of the route table.
      type: str
      returned: when the route table exists
      sample: rtb-0123456789abcdef0
    routes:
      description: Its routes, as O(routes) declares them. A target that is gone is followed by C((blackhole)).
      type: dict
      returned: when the route table exists
      sample: {0.0.0.0/0: igw-0123456789abcdef0}
  sample: {route_table_id: rtb-0123456789abcdef0, routes: {0.0.0.0/0: igw-0123456789abcdef0}, subnet_ids: [subnet-0123456789abcdef0]}
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

# How the ids of targets begin -> their parameter of CreateRoute and ReplaceRoute.
TARGETS = {"igw": "GatewayId", "nat": "NatGatewayId", "tgw": "TransitGatewayId", "pcx": "VpcPeeringConnectionId"}
# How the members of a route end that name its target; somebody may have made it lead to other things than a declaration can.
TARGET_MEMBERS = ("GatewayId", "ConnectionId", "InterfaceId", "Arn")
# An association in another state is over, or never came to be.
ASSOCIATED = ("associating", "associated")
# The association was replaced or taken away, or the subnet got another one, since it was read.
GONE = "InvalidAssociationID.NotFound"
OVERTAKEN = [GONE, "Resource.AlreadyAssociated"]


class Association(NamedTuple):
    id: str
    table: str


class RouteTable(NamedInVpc):
    id_property = "route_table_id"
    kind = "route table"
    options: ClassVar[dict[str, Any]] = {
        "vpc_id": {"required": True},
        "name": {"required": True},
        "routes": {"type": "dict"},
        "subnet_ids": {"type": "list", "elements": "str"},
        "other_subnet_ids": {"type": "list", "elements": "str", "default": []},
    }
    properties = ("routes", "subnet_ids")
    exact = frozenset({"routes"})

    def __init__(self, module: Any, client: Any) -> None:
        super().__init__(module, client)
        self.associations: dict[str, Association] = {}
        """Those of the whole VPC as they were last read, by subnet, or by gateway."""

    def declared(self) -> Properties:
        routes = self.params["routes"]
        return {**super().declared(), "routes": None if routes is None else dict(_route(*route) for route in routes.items())}

    def find(self) -> Properties | None:
        tables, own = self.in_vpc("describe_route_tables", "RouteTables", "RouteTableId")
        self.associations = {
            place: Association(link["RouteTableAssociationId"], table["RouteTableId"])
            for table in tables
            for link in table.get("Associations", [])
            if (place := link.get("SubnetId") or link.get("GatewayId")) and link["AssociationState"]["State"] in ASSOCIATED
        }
        return self._read(own) if own else None

    def _read(self, table: dict[str, Any]) -> Properties:
        if self.params["state"] == "absent" and any(link.get("Main") for link in table.get("Associations", [])):
            raise ResourceError(
                f"{table['RouteTableId']} is the main table of the VPC, which AWS never deletes. Make another table the main one first."
            )
        return {
            "route_table_id": table["RouteTableId"],
            "routes": {_destination(route): _target(route) for route in table["Routes"] if _is_made_by_hand(route)},
            "subnet_ids": [
                place for place in self._places(table["RouteTableId"]) if place.startswith("subnet-") and place not in self.left_to_others
            ],
            "tags": tags_of(table),
        }

    def _places(self, table: str) -> list[str]:
        return sorted(place for place, association in self.associations.items() if association.table == table)

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        specification = self.specification("route-table", tags)
        made = self.client.create_route_table(VpcId=self.params["vpc_id"], TagSpecifications=specification)["RouteTable"]
        wait_until(lambda: self.find() is not None, "AWS to report it", READ_BACK_SECONDS)
        self.update({"route_table_id": made["RouteTableId"], "routes": {}, "subnet_ids": []}, wanted)

    def update(self, current: Properties, changes: Properties) -> None:
        table = current["route_table_id"]
        if "routes" in changes:  # first, so that a subnet finds them
            self._set_routes(table, current["routes"], changes["routes"])
        if "subnet_ids" in changes:
            for subnet in changes["subnet_ids"]:
                wait_until(partial(self._take, table, subnet), f"{subnet} to be left alone by others", READ_BACK_SECONDS)
            for subnet in sorted(set(current["subnet_ids"]) - set(changes["subnet_ids"])):
                self._release(subnet)

    def _set_routes(self, table: str, current: dict[str, str], wanted: dict[str, str]) -> None:
        for destination, target in wanted.items():
            if current.get(destination) != target:
                write = self.client.replace_route if destination in current else self.client.create_route
                write(RouteTableId=table, **_destination_parameter(destination), **{TARGETS[target.partition("-")[0]]: target})
        for destination in sorted(current.keys() - wanted.keys()):
            self.client.delete_route(RouteTableId=table, **_destination_parameter(destination))

    def _take(self, table: str, subnet: str) -> bool:
        """Give the table a subnet, whichever table has it; False when that has changed since it was read."""
        association = self.associations.get(subnet)
        try:
            if association is None:
                self.client.associate_route_table(RouteTableId=table, SubnetId=subnet)
            elif association.table != table:
                self.client.replace_route_table_association(AssociationId=association.id, RouteTableId=table)
        except is_boto3_error_code(OVERTAKEN):
            self.find()
            return False
        return True

    def _release(self, place: str) -> None:
        """Take away what a subnet or a gateway has as it was read; if another table has taken it since, it is not there any more."""
        try:
            self.client.disassociate_route_table(AssociationId=self.associations[place].id)
        except is_boto3_error_code(GONE):
            self.find()

    def delete(self, current: Properties) -> None:
        for place in self._places(current["route_table_id"]):
            self._release(place)
        self.client.delete_route_table(RouteTableId=current["route_table_id"])


def _route(destination: str, target: Any) -> tuple[str, str]:
    """A declared route in the words of AWS; ResourceError for what is none."""
    try:
        network = ip_network(destination)
    except ValueError as error:
        raise ResourceError(f"routes: {destination!r} is not a network: {error}.") from error
    if str(target).partition("-")[0] not in TARGETS or "-" not in target:
        raise ResourceError(
            f"routes: {destination} leads to {target!r}, which is not the id of an internet gateway (igw-...), NAT gateway (nat-...), "
            "transit gateway (tgw-...) or VPC peering connection (pcx-...)."
        )
    return str(network), target


def _is_made_by_hand(route: dict[str, Any]) -> bool:
    """Whether somebody has made the route, and not the VPC, propagation or a gateway endpoint."""
    of_endpoint = route.get("DestinationPrefixListId") and _target(route).startswith("vpce-")
    return route.get("Origin") == "CreateRoute" and not of_endpoint


def _destination(route: dict[str, Any]) -> str:
    return next(str(value) for member, value in route.items() if member.startswith("Destination"))


def _target(route: dict[str, Any]) -> str:
    target = next((value for member, value in route.items() if member.endswith(TARGET_MEMBERS)), route.get("InstanceId", "nothing"))
    return f"{target} (blackhole)" if route.get("State") == "blackhole" else str(target)


def _destination_parameter(destination: str) -> dict[str, str]:
    if destination.startswith("pl-"):
        return {"DestinationPrefixListId": destination}
    return {"DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock": destination}


def main() -> None:
    run(RouteTable)


if __name__ == "__main__":
    main()
