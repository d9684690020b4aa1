# SPDX-License-Identifier: GPL-3.0-or-later
"""Private addresses of instances.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceNetworkInterfaceSpecification.html (DeleteOnTermination)
moto 5.2.5 keeps the network interface of a terminated instance for ever, so its subnet and security groups can never be
deleted, and hands a freed address out again at once, while neighbours still hold state about its former owner.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from moto.ec2.models.instances import Instance
from moto.ec2.models.subnets import Subnet

from sandbox.emulator.additions.patching import wrap

REST_SECONDS = 60.0  # an address is handed out again no earlier than this after its release


@functools.cache
def install() -> None:
    @wrap(Instance, "prep_nics")
    def prep_nics(original: Any, self: Any, nic_spec: list[dict[str, Any]], **named: Any) -> None:
        original(self, nic_spec, **named)
        given = {int(spec.get("DeviceIndex") or 0): spec for spec in nic_spec}
        for index, interface in self.nics.items():
            spec = given.get(index, {})
            if "NetworkInterfaceId" not in spec and "DeleteOnTermination" not in spec:
                interface.delete_on_termination = True

    @wrap(Subnet, "del_subnet_ip")
    def del_subnet_ip(_original: Any, self: Any, ip: str) -> None:
        if self._subnet_ips.pop(ip, None) is not None:
            _released(self)[ip] = time.monotonic()

    @wrap(Subnet, "get_available_subnet_ip")
    def get_available_subnet_ip(original: Any, self: Any, instance: Any) -> str:
        released = _released(self)
        rested = [ip for ip, moment in released.items() if time.monotonic() - moment >= REST_SECONDS]
        for ip in rested:
            del released[ip]
        self._unused_ips.update(rested)
        return original(self, instance)


def _released(subnet: Any) -> dict[str, float]:
    """Addresses at rest in this subnet with the moment of their release."""
    released: dict[str, float] = subnet.__dict__.setdefault("_sandbox_released", {})
    return released
