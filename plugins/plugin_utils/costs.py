# SPDX-License-Identifier: GPL-3.0-or-later
"""What things cost a month, by the table of prices.yml: the one price function of the declared estimates and of plans.

A size that the table does not have is told as not priced; nothing costs nothing without a word. What grows with traffic and stored bytes
is in no estimate: the table lists it.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load


@dataclass(frozen=True)
class Thing:
    """What costs as long as it is there, used or not."""

    kind: str
    """A name of the table."""
    size: str = ""
    """Its type or class, for kinds whose price differs by it."""
    count: float = 1
    """How many, or how many of the kind's unit; below zero for what goes."""

    def times(self, factor: float) -> Thing:
        """So many of it."""
        return Thing(self.kind, self.size, self.count * factor)


@dataclass(frozen=True)
class Unpriced:
    """What costs, and nobody can say how much."""

    what: str


type Item = Thing | Unpriced


@dataclass(frozen=True)
class Cost:
    """US dollars a month, and what is not in them."""

    usd: float = 0.0
    unpriced: tuple[str, ...] = ()

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.usd + other.usd, tuple(dict.fromkeys(self.unpriced + other.unpriced)))


@dataclass(frozen=True)
class Price:
    """One kind of the table."""

    name: str
    unit: str
    """Empty where things are counted."""
    by_size: dict[str, float]
    """US dollars a month for one; under an empty size where all cost the same."""


@dataclass(frozen=True)
class Table:
    """The price table."""

    date: datetime.date
    source: str
    regions: frozenset[str]
    hours_a_month: int
    prices: dict[str, Price]
    left_out: tuple[dict[str, Any], ...]
    without_price: dict[str, frozenset[str]]


@cache
def table() -> Table:
    """The price table, read once."""
    data = yaml_load(Path(__file__).with_name("prices.yml").read_text(encoding="utf-8"))
    hours = data["hours_a_month"]
    prices: dict[str, Price] = {}
    for kind, row in data["prices"].items():  # what is a multiple stands below what it is a multiple of
        if "as" in row:
            by_size = {size: usd * row["times"] for size, usd in prices[row["as"]].by_size.items()}
        else:
            usd = row["usd"] if isinstance(row["usd"], dict) else {"": row["usd"]}
            by_size = {size: float(one) * (hours if row["per"] == "hour" else 1) for size, one in usd.items()}
        prices[kind] = Price(row["name"], row.get("unit", ""), by_size)
    return Table(
        data["date"],
        data["source"],
        frozenset(data["regions"]),
        hours,
        prices,
        tuple(data["left_out"]),
        {service: frozenset(words.split()) for service, words in data["without_price"].items()},
    )


def price(thing: Thing) -> float | None:
    """US dollars a month for one of it; None when the table does not have its size."""
    return table().prices[thing.kind].by_size.get(thing.size)


def described(thing: Thing) -> str:
    """What it is, in words."""
    return f"{table().prices[thing.kind].name}{f' {thing.size}' if thing.size else ''}"


def cost(items: Iterable[Item]) -> Cost:
    """What things cost together."""
    total = Cost()
    for item in items:
        if isinstance(item, Unpriced):
            total += Cost(unpriced=(item.what,))
        elif (one := price(item)) is None:
            total += Cost(unpriced=(described(item),))
        else:
            total += Cost(one * item.count)
    return total


def gathered(items: Iterable[Item]) -> list[Item]:
    """The same things as one, in the order in which they first came; what comes and goes again is left out."""
    counts: dict[tuple[str, str] | Unpriced, float] = {}
    for item in items:
        key = item if isinstance(item, Unpriced) else (item.kind, item.size)
        counts[key] = counts.get(key, 0) + (1 if isinstance(item, Unpriced) else item.count)
    return [key if isinstance(key, Unpriced) else Thing(*key, count) for key, count in counts.items() if count]


# ---- What is bought together -----------------------------------------------------------------------------------------------------


def instances(count: int, size: str, on_demand_percentage: int = 100, on_demand_base: int = 0) -> Iterator[Thing]:
    """The instances of an Auto Scaling group, which rounds in favour of those that are not spot capacity."""
    on_demand = min(count, on_demand_base + math.ceil(max(count - on_demand_base, 0) * on_demand_percentage / 100))
    if on_demand:
        yield Thing("instance", size, on_demand)
    if count > on_demand:
        yield Thing("spot_instance", size, count - on_demand)


def database(size: str, storage_gib: float, *, multi_az: bool) -> Iterator[Thing]:
    """A PostgreSQL instance with its storage."""
    suffix = "_multi_az" if multi_az else ""
    yield Thing(f"database{suffix}", size)
    yield Thing(f"database_storage{suffix}", "", storage_gib)


def containers(count: int, cpu_units: int, memory_mib: int, *, spot: bool) -> Iterator[Thing]:
    """Tasks on Fargate; those that are spot capacity in part are told as what costs more, which is not spot."""
    kind = "fargate_spot" if spot else "fargate"
    yield Thing(f"{kind}_vcpu", "", count * cpu_units / 1024)
    yield Thing(f"{kind}_gib", "", count * memory_mib / 1024)


def alarm_metrics(metrics: int, *, of_anomaly: bool) -> int:
    """What an alarm is charged by: the metrics that it looks at, and for one of an anomaly also the two edges of the band."""
    return metrics * (3 if of_anomaly else 1)
