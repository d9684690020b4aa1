# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWS would refuse, or the company forbids, in the declared databases, caches and tiers: sizes, copies, backups, windows.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

# Of the backups of these environments' databases, and that a second zone takes over.
LEAST_RETENTION_DAYS = {"production": 30}
HIGHLY_AVAILABLE = ("production",)
MOST_RETENTION_DAYS = 35  # AWS's limit
MOST_REPLICAS = {"database": 15, "cache": 5}  # AWS's limits
LEAST_WINDOW_MINUTES = 30
WEEK_MINUTES = 7 * 24 * 60
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIME = re.compile(r"(?:(?P<day>[a-z]{3}):)?(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)")
NAME = re.compile(r"[a-z]([a-z0-9]|-(?!-))*(?<!-)")

Values = Mapping[str, Any]


def capacity_problems(values: Values, layers: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the databases, caches and tiers of a stack, of whose layers only the given ones count."""
    if "aws_database" in layers:
        yield from _type_problems("aws_database_instance_class", values.get("aws_database_instance_class"), "rds")
        yield from _database_problems(values)
        yield from _replica_problems(values)
        yield from _window_problems("aws_database", values)
    if "aws_cache" in layers:
        yield from _type_problems("aws_cache_node_type", values.get("aws_cache_node_type"), "elasticache")
        yield from _cache_problems(values)
    if "aws_compute" in layers:
        yield from _type_problems("aws_compute_bastion_instance_type", values.get("aws_compute_bastion_instance_type"), "ec2")
        yield from _tier_problems(values)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _entries(value: Any) -> list[Values]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


# ---- Types ---------------------------------------------------------------------------------------------------------------------------

PREFIXES = {"ec2": "", "rds": "db.", "elasticache": "cache."}


@cache
def known_types(service: str) -> tuple[str, ...]:
    """Every instance type of a service, as its API calls it."""
    lines = (Path(__file__).with_name("instance_types.txt")).read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line.startswith(f"{service} ")]
    return tuple(f"{PREFIXES[service]}{family}.{size}" for _service, family, *sizes in rows for size in sizes)


def _type_problems(variable: str, name: Any, service: str, where: str = "") -> Iterator[Problem]:
    if isinstance(name, str) and name not in known_types(service):
        close = difflib.get_close_matches(name, known_types(service), n=1, cutoff=0.6)
        fix = f"Did you mean {close[0]}? " if close else ""
        yield Problem(
            variable,
            f"{where}names the instance type {name!r}, which does not exist.",
            f"{fix}A type that is newer than plugins/plugin_utils/instance_types.txt is added there.",
        )


# ---- Databases -----------------------------------------------------------------------------------------------------------------------


def _database_problems(values: Values) -> Iterator[Problem]:
    environment, days = str(values.get("environment_name")), _number(values.get("aws_database_backup_retention_days"))
    least = LEAST_RETENTION_DAYS.get(environment, 0)
    yield from _retention_problems("aws_database_backup_retention_days", days)
    if days is not None and days < least:
        yield Problem(
            "aws_database_backup_retention_days",
            f"is {days}; backups of {environment} are kept for at least {least} days.",
            f"Set it to {least} or more.",
        )
    if days == 0 and values.get("aws_database_replicas"):
        yield Problem(
            "aws_database_backup_retention_days",
            "is 0 for a database that has replicas; AWS copies no database that is not backed up.",
            "Set it to 1 or more, or declare no aws_database_replicas.",
        )
    if environment in HIGHLY_AVAILABLE and values.get("aws_database_multi_az") is False:
        yield Problem("aws_database_multi_az", f"is false; {environment} survives the loss of a zone.", "Set it to true.")
    yield from _zones_problems("aws_database_multi_az", values, values.get("aws_database_multi_az"))
    storage, most = (_number(values.get(f"aws_database_{name}allocated_storage_gib")) for name in ("", "max_"))
    if storage is not None and most is not None and storage > most:
        yield Problem(
            "aws_database_max_allocated_storage_gib",
            f"is {most}, less than the {storage} GiB that the database begins with.",
            "Set it to at least aws_database_allocated_storage_gib.",
        )


def _retention_problems(variable: str, days: int | None, where: str = "") -> Iterator[Problem]:
    if days is not None and not 0 <= days <= MOST_RETENTION_DAYS:
        yield Problem(
            variable, f"{where}keeps backups for {days} days; AWS keeps them for 0 to {MOST_RETENTION_DAYS}.", "Correct the number."
        )


def _zones_problems(variable: str, values: Values, wanted: Any, where: str = "") -> Iterator[Problem]:
    zones = values.get("aws_database_zones") or values.get("availability_zones")
    if wanted is True and isinstance(zones, list) and len(set(map(str, zones))) < 2:
        yield Problem(
            variable, f"{where}wants a second zone, and there is {len(zones)}.", "Add a zone to availability_zones, or set it to false."
        )


def _replica_problems(values: Values) -> Iterator[Problem]:
    variable, replicas = "aws_database_replicas", _entries(values.get("aws_database_replicas"))
    here, source = values.get("stack_region"), values.get("aws_database_primary_region") or values.get("stack_region")
    if len(replicas) > MOST_REPLICAS["database"]:
        yield Problem(variable, f"has {len(replicas)} replicas; AWS makes at most {MOST_REPLICAS['database']}.", "Remove some.")
    if source != here and not replicas:
        yield Problem(
            variable,
            f"is empty in {here}, whose database is written in {source}.",
            "Declare a replica, or take aws_database out of stack_layers.",
        )
    seen: set[str] = set()
    for replica in replicas:
        name = str(replica.get("name"))
        where = f"at {name!r} "
        if name in seen:
            yield Problem(variable, f"has two replicas called {name!r}.", "Call them differently.")
        seen.add(name)
        if not NAME.fullmatch(name):
            yield Problem(variable, f"calls a replica {name!r}.", "Use lower-case letters, digits and single hyphens.")
        if source != here and not replica.get("kms_key_id"):
            yield Problem(
                variable,
                f"{where}copies the database of {source} without a key of {here}; without one AWS makes no encrypted copy there.",
                'Give it kms_key_id: "alias/{{ name_prefix }}-database".',
            )
        yield from _type_problems(variable, replica.get("instance_class"), "rds", where)
        yield from _retention_problems(variable, _number(replica.get("backup_retention_days")), where)
        yield from _zones_problems(variable, values, replica.get("multi_az"), where)


# ---- Windows -------------------------------------------------------------------------------------------------------------------------


def _minutes(text: str) -> int | None:
    """A time of the week, or of the day, in minutes since its begin."""
    found = TIME.fullmatch(text)
    if not found or (found["day"] and found["day"] not in DAYS):
        return None
    return (DAYS.index(found["day"]) if found["day"] else 0) * 24 * 60 + int(found["hour"]) * 60 + int(found["minute"])


def _window(variable: str, value: str, days: bool) -> tuple[Problem | None, set[int]]:
    """What is wrong with a window, and the minutes of the week that it covers."""
    sides = value.split("-")
    begin, end = (_minutes(side) for side in sides) if len(sides) == 2 else (None, None)
    if begin is None or end is None or any((side.count(":") == 2) != days for side in sides):
        example = "sun:05:00-sun:07:00" if days else "03:00-05:00"
        return Problem(variable, f"is {value!r}, which is no window of time.", f"Write it like {example}, in UTC and quotes."), set()
    length = (end - begin) % (WEEK_MINUTES if days else 24 * 60)
    if length < LEAST_WINDOW_MINUTES:
        return Problem(variable, f"is {value}, {length} minutes; AWS wants at least {LEAST_WINDOW_MINUTES}.", "Make it longer."), set()
    starts = [begin] if days else [begin + day * 24 * 60 for day in range(7)]
    return None, {(start + minute) % WEEK_MINUTES for start in starts for minute in range(length)}


def _window_problems(role: str, values: Values) -> Iterator[Problem]:
    covered = []
    for name, days in (("backup", False), ("maintenance", True)):
        variable, value = f"{role}_{name}_window", values.get(f"{role}_{name}_window")
        if isinstance(value, str):
            problem, minutes = _window(variable, value, days)
            covered.append(minutes)
            if problem:
                yield problem
    if len(covered) == 2 and covered[0] & covered[1]:
        yield Problem(
            f"{role}_maintenance_window",
            f"overlaps {role}_backup_window, which AWS refuses.",
            "Move one of them, in the environment's group_vars.",
        )


# ---- Caches and tiers ----------------------------------------------------------------------------------------------------------------


def _cache_problems(values: Values) -> Iterator[Problem]:
    replicas = _number(values.get("aws_cache_replicas"))
    if replicas is not None and not 0 <= replicas <= MOST_REPLICAS["cache"]:
        yield Problem("aws_cache_replicas", f"is {replicas}; AWS makes 0 to {MOST_REPLICAS['cache']}.", "Correct the number.")
    if replicas == 0 and values.get("environment_name") in HIGHLY_AVAILABLE and values.get("stack_kind") == "primary":
        yield Problem("aws_cache_replicas", f"is 0; {values['environment_name']} survives the loss of a zone.", "Set it to 1 or more.")


def _tier_problems(values: Values) -> Iterator[Problem]:
    variable, tiers = "aws_compute_tiers", values.get("aws_compute_tiers")
    for name, tier in tiers.items() if isinstance(tiers, Mapping) else ():
        if not isinstance(tier, Mapping):
            continue
        yield from _type_problems(variable, tier.get("instance_type"), "ec2", f"at {name} ")
        yield from _limit_problems(variable, str(name), [(key, _number(tier.get(key))) for key in ("min", "desired", "max")])


def _limit_problems(variable: str, tier: str, limits: Sequence[tuple[str, int | None]]) -> Iterator[Problem]:
    given = [(key, number) for key, number in limits if number is not None]
    for key, number in given:
        if number < 0:
            yield Problem(variable, f"at {tier} has {key} {number}.", "Instances are counted from 0.")
    for (low, few), (high, many) in pairwise(given):
        if few > many:
            yield Problem(
                variable,
                f"at {tier} has {low} {few}, which is more than {high} {many}.",
                "Keep min, desired and max in this order, each at least the one before.",
            )
