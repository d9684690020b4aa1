# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of load balancers, databases and caches: the top of the first subnet of each.

A container's address cannot change, so it must not depend on which other resources come and go: each kind has a range of its
own and each resource takes the slot that its name hashes to, or the next free one.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable

from sandbox.model import Subnet

# Last octets; the emulator gives instances addresses from .4 upwards.
LOAD_BALANCER_SLOTS = range(230, 251)
DATABASE_SLOTS = range(215, 230)
CACHE_SLOTS = range(200, 215)


def assign(owners: Iterable[tuple[str, Subnet]], slots: range) -> dict[str, str]:
    """Address of each named owner in its subnet. Names must come in an order that lasts: by creation, say.

    Raises ValueError when a subnet has more owners than slots.
    """
    addresses: dict[str, str] = {}
    for name, subnet in owners:
        base = ipaddress.ip_network(subnet.cidr).network_address
        start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(slots)
        candidates = (str(base + slots[(start + step) % len(slots)]) for step in range(len(slots)))
        free = next((candidate for candidate in candidates if candidate not in addresses.values()), None)
        if free is None:
            raise ValueError(f"subnet {subnet.id} has no address left for {name}: the sandbox keeps {len(slots)} for its kind")
        addresses[name] = free
    return addresses
