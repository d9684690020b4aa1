# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets that have a route table already, and routes that lead nowhere.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html (a subnet has one table at a time)
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (Resource.AlreadyAssociated)
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Route.html (blackhole: the target is not there, or not attached to the VPC)
moto 5.2.5 answers for a subnet of another table as if it had got the new one, and calls every route active.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.exceptions import ResourceAlreadyAssociatedError
from moto.ec2.models import EC2Backend
from moto.ec2.models.internet_gateways import InternetGateway
from moto.ec2.models.route_tables import Route

from sandbox.emulator.additions.patching import replace_property, wrap


@functools.cache
def install() -> None:
    replace_property(Route, "state", _state)

    @wrap(EC2Backend, "associate_route_table")
    def associate_route_table(
        original: Any, self: Any, route_table_id: str, gateway_id: str | None = None, subnet_id: str | None = None
    ) -> Any:
        others = (table for table in self.route_tables.values() if table.id != route_table_id)
        if subnet_id and any(subnet_id in table._associations.values() for table in others):
            raise ResourceAlreadyAssociatedError(subnet_id)
        return original(self, route_table_id, gateway_id, subnet_id)


def _state(route: Any) -> str:
    detached = isinstance(route.gateway, InternetGateway) and route.gateway.vpc is None
    deleted = route.nat_gateway is not None and route.nat_gateway.state == "deleted"
    return "blackhole" if detached or deleted else "active"
