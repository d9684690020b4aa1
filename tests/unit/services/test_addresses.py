# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of services."""

from __future__ import annotations

import pytest

from sandbox.model import Subnet
from sandbox.services.addresses import CACHE_SLOTS, DATABASE_SLOTS, LOAD_BALANCER_SLOTS, assign

SUBNET = Subnet("subnet-1", "vpc-1", "10.10.30.0/24", "us-east-1a")
OTHER = Subnet("subnet-2", "vpc-1", "10.10.31.0/24", "us-east-1b")


def test_addresses_lie_in_their_subnet_and_range() -> None:
    addresses = assign([("a", SUBNET), ("b", OTHER)], LOAD_BALANCER_SLOTS)
    assert addresses["a"].startswith("10.10.30.")
    assert addresses["b"].startswith("10.10.31.")
    assert all(int(address.rsplit(".", 1)[1]) in LOAD_BALANCER_SLOTS for address in addresses.values())


def test_an_address_does_not_depend_on_resources_that_come_later() -> None:
    alone = assign([("database", SUBNET)], DATABASE_SLOTS)["database"]
    names = [f"other-{number}" for number in range(len(DATABASE_SLOTS) - 1)]
    addresses = assign([("database", SUBNET), *((name, SUBNET) for name in names)], DATABASE_SLOTS)
    assert addresses["database"] == alone
    assert len(set(addresses.values())) == len(DATABASE_SLOTS)


def test_a_full_subnet_is_said_to_be_full() -> None:
    owners = [(f"cache-{number}", SUBNET) for number in range(len(CACHE_SLOTS) + 1)]
    with pytest.raises(ValueError, match="subnet-1 has no address left for cache-15"):
        assign(owners, CACHE_SLOTS)


def test_the_kinds_do_not_share_addresses() -> None:
    assert not set(LOAD_BALANCER_SLOTS) & set(DATABASE_SLOTS)
    assert not set(DATABASE_SLOTS) & set(CACHE_SLOTS)
