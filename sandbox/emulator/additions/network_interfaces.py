# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups that an instance's interface gets after its start.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
In moto 5.2.5 the instance goes on showing those that it was started with, and the interface shows both.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(NetworkInterfaceBackend, "modify_network_interface_attribute")
    def modify_network_interface_attribute(original: Any, self: Any, eni_id: str, group_ids: list[str], *rest: Any, **named: Any) -> None:
        original(self, eni_id, group_ids, *rest, **named)
        instance = self.get_network_interface(eni_id).instance
        if group_ids and instance:
            self.modify_instance_security_groups(instance.id, group_ids)
