# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The forms in which ECS writes tags and shares of capacity, and the ones in which tasks declare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def pairs(values: Mapping[str, str], key: str = "key") -> list[dict[str, str]]:
    """Tags, or environment variables, as ECS takes them."""
    return [{key: name, "value": value} for name, value in values.items()]


def read_tags(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as a dict."""
    return {tag["key"]: tag["value"] for tag in tags or ()}


def shares(declared: Mapping[str, Any]) -> dict[str, int]:
    """The share of tasks that each capacity provider gets; one without a share is left out."""
    return {provider: int(share) for provider, share in declared.items() if int(share)}


def as_strategy(parts: Mapping[str, int]) -> list[dict[str, Any]]:
    """A capacity provider strategy, from the share of each provider."""
    return [{"capacityProvider": provider, "weight": share} for provider, share in parts.items()]


def read_strategy(strategy: Iterable[Mapping[str, Any]] | None) -> dict[str, int]:
    """The share of each provider."""
    return {item["capacityProvider"]: item.get("weight", 0) for item in strategy or ()}
