# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateway endpoints whose route tables change.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
moto 5.2.5 keeps the list of route tables, but neither adds the endpoint's route to a new one nor takes it from a former one; deleting the
endpoint then fails for want of that route.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.models import EC2Backend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(EC2Backend, "modify_vpc_endpoint")
    def modify_vpc_endpoint(original: Any, self: Any, vpc_id: str, **changes: Any) -> None:
        original(self, vpc_id=vpc_id, **changes)
        (endpoint,) = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])
        for table in changes["add_route_tables"] or []:
            self.create_route(table, None, gateway_id=endpoint.id, destination_prefix_list_id=endpoint.destination_prefix_list_id)
        for table in changes["remove_route_tables"] or []:
            self.delete_route(table, endpoint.destination_prefix_list_id)
