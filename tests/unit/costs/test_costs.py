# SPDX-License-Identifier: GPL-3.0-or-later
"""The price table and its one price function."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import costs
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Cost, Thing, Unpriced


def test_the_table_says_when_and_where_it_holds() -> None:
    table = costs.table()
    assert table.date <= datetime.datetime.now(tz=datetime.UTC).date()
    assert table.regions == {"us-east-1", "us-west-2"}
    assert all(usd > 0 for price in table.prices.values() for usd in price.by_size.values())


@pytest.mark.parametrize(
    ("thing", "usd"),
    [
        (Thing("key"), 1.00),  # by the month
        (Thing("nat_gateway"), 32.85),  # by the hour
        (Thing("instance", "m5.large"), 70.08),  # by size
        (Thing("spot_instance", "m5.large"), 28.032),  # a part of another price
        (Thing("database_multi_az", "db.m5.large"), 259.88),
        (Thing("database_storage_multi_az"), 0.23),
    ],
)
def test_a_price_is_for_one_and_a_month(thing: Thing, usd: float) -> None:
    assert costs.price(thing) == pytest.approx(usd)


def test_an_unknown_size_is_said_and_never_free() -> None:
    total = costs.cost([Thing("key", "", 3), Thing("database", "db.x9.huge"), Unpriced("dust"), Unpriced("dust"), Thing("key", "", -1)])
    assert total == Cost(2.0, ("PostgreSQL instance db.x9.huge", "dust"))
    assert costs.cost([Thing("instance")]).unpriced == ("EC2 instance",), "a size is needed where sizes differ"
    with pytest.raises(KeyError):
        costs.price(Thing("unheard-of"))


def test_the_same_things_are_gathered() -> None:
    items = [
        Thing("key"),
        Thing("instance", "t3.micro"),
        Unpriced("x"),
        Thing("key", "", 2),
        Thing("instance", "t3.micro", -1),
        Unpriced("x"),
    ]
    assert costs.gathered(items) == [Thing("key", "", 3), Unpriced("x")]


@pytest.mark.parametrize(
    ("count", "percentage", "base", "on_demand"), [(3, 50, 0, 2), (3, 33, 0, 1), (3, 100, 0, 3), (3, 0, 0, 0), (4, 50, 2, 3), (1, 0, 2, 1)]
)
def test_auto_scaling_rounds_in_favour_of_what_stays(count: int, percentage: int, base: int, on_demand: int) -> None:
    things = {thing.kind: thing.count for thing in costs.instances(count, "t3.large", percentage, base)}
    assert (things.get("instance", 0), things.get("spot_instance", 0)) == (on_demand, count - on_demand)
