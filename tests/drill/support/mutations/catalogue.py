# SPDX-License-Identifier: GPL-3.0-or-later
"""All mutations, and how many of them can be tried on one account at a time."""

from __future__ import annotations

import importlib
import pkgutil

from tests.drill.support import mutations as package
from tests.drill.support.mutations.model import ALL, Mutation

for _module in pkgutil.iter_modules(package.__path__):
    if _module.name != __name__.rpartition(".")[2]:
        importlib.import_module(f"{package.__name__}.{_module.name}")  # registers its mutations


def mutations() -> list[Mutation]:
    return list(ALL)


def batches() -> list[list[Mutation]]:
    """Groups of mutations that do not meet: no two of a group are planned in the same task and item, or they name different fields of it.

    Those that a plan does not see are no part of it.
    """
    groups: list[list[Mutation]] = []
    for mutation in ALL:
        if mutation.reason:
            continue
        for group in groups:
            if not any(_meet(mutation, other) for other in group):
                group.append(mutation)
                break
        else:
            groups.append([mutation])
    return groups


def _meet(one: Mutation, other: Mutation) -> bool:
    if one.alone or other.alone:
        return not (one.alone and other.alone) or one.resource == other.resource
    if one.host != other.host or not one.plan.keys() & other.plan.keys():
        return False
    return not (one.field and other.field and one.field != other.field)
