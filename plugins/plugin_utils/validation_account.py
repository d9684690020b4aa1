# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults in what protects an account: what AWS would refuse, or what would keep instances from starting.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

ANALYZER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,200}")
UNUSED = "ACCOUNT_UNUSED_ACCESS"
UNUSED_DAYS = (1, 365)
HOP_LIMITS = (1, 64)
PASSWORD_LIMITS = {"minimum_length": (6, 128), "maximum_age_days": (0, 1095), "reuse_prevention": (0, 24)}


def account_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with a stack's part of the account. values: the stack's variables with the roles' defaults."""
    yield from _limit_problems("aws_account_metadata_hop_limit", "", values.get("aws_account_metadata_hop_limit"), HOP_LIMITS)
    policy = values.get("aws_account_password_policy")
    for key, limits in PASSWORD_LIMITS.items():
        yield from _limit_problems("aws_account_password_policy", f".{key}", mapping(policy).get(key), limits)
    yield from _analyzer_problems(entries(values.get("aws_account_analyzers")))
    yield from _key_problems(values)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a dictionary, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def entries(value: Any) -> list[Mapping[str, Any]]:
    """Those elements of a list that are dictionaries and have a name."""
    return [entry for entry in value if isinstance(entry, Mapping) and "name" in entry] if isinstance(value, list) else []


def repeated(names: Iterator[Any]) -> list[Any]:
    """What occurs more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _limit_problems(variable: str, path: str, value: Any, limits: tuple[int, int]) -> Iterator[Problem]:
    low, high = limits
    if isinstance(value, int) and not isinstance(value, bool) and not low <= value <= high:
        yield Problem(variable, f"cannot be {value}{path and f' at {variable}{path}'}.", f"AWS takes {low} to {high}.")


def _analyzer_problems(analyzers: list[Mapping[str, Any]]) -> Iterator[Problem]:
    variable = "aws_account_analyzers"
    for name in repeated(str(entry["name"]) for entry in analyzers):
        yield Problem(variable, f"has two analyzers called {name!r}.", "Give each a name of its own.")
    for kind in repeated(str(entry.get("type", "ACCOUNT")) for entry in analyzers):
        yield Problem(variable, f"has two analyzers of the type {kind}.", "AWS allows one of each type in a region: leave one out.")
    for entry in analyzers:
        name, days = str(entry["name"]), entry.get("unused_days")
        if not ANALYZER_NAME.fullmatch(name):
            yield Problem(variable, f"has an analyzer called {name!r}.", "Use letters, digits, dots, hyphens and _; begin with a letter.")
        if days is not None and entry.get("type") != UNUSED:
            yield Problem(variable, f"sets unused_days for {name!r}, which does not look for that.", f"Remove it, or set type: {UNUSED}.")
        elif days is not None:
            yield from _limit_problems(variable, f".{name}.unused_days", days, UNUSED_DAYS)


def _key_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """A key that EC2 may not use for whoever launches would keep every Auto Scaling group from starting an instance."""
    wanted, keys = values.get("aws_account_volume_key"), values.get("aws_keys_keys")
    if values.get("stack_kind") == "global" or not isinstance(wanted, str) or not isinstance(keys, list):
        return
    purposes = {entry["purpose"]: entry for entry in keys if isinstance(entry, Mapping) and isinstance(entry.get("purpose"), str)}
    if wanted not in purposes:
        yield Problem("aws_account_volume_key", f"names {wanted!r}, which is no key.", f"Keys are: {', '.join(sorted(purposes))}.")
    elif "ec2" not in (purposes[wanted].get("through_services") or []):
        fix = f"Add ec2 to through_services of {wanted} in aws_keys_keys, or name another key."
        yield Problem("aws_account_volume_key", f"names {wanted!r}, which nobody may use through EC2, so nothing could be launched.", fix)
