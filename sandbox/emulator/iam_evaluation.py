# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether policies allow an action on a resource, by IAM's rules: nothing is allowed unless a statement says so, and a denial wins.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

Context = Mapping[str, str | list[str]]


class UnsupportedPolicyError(Exception):
    """A policy uses what is not evaluated here; judging it all the same would prove nothing."""


def allows(policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> bool:
    """Whether the policies, together, allow the action on the resource's ARN (`*` when the action has none).

    `context` holds the condition keys of the request. Raises UnsupportedPolicyError for an element or operator that is not known here.
    """
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in _list(policy["Statement"])
        if _concerns(statement, action, resource, context)
    }
    return effects == {"Allow"}


def _concerns(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    unknown = statement.keys() - {"Sid", "Effect", "Action", "NotAction", "Resource", "Condition"}
    if unknown:
        raise UnsupportedPolicyError(f"a statement has {', '.join(sorted(unknown))}")
    if "NotAction" in statement:
        actions = not _any_match(statement["NotAction"], action.lower(), lower=True)
    else:
        actions = _any_match(statement["Action"], action.lower(), lower=True)
    conditions = statement.get("Condition", {})
    return (
        actions
        and _any_match(statement["Resource"], resource)
        and all(_holds(operator, key, _list(wanted), context) for operator, keys in conditions.items() for key, wanted in keys.items())
    )


def _holds(operator: str, key: str, wanted: list[Any], context: Context) -> bool:
    found = _list(context[key]) if key in context else []
    match operator.removeprefix("ForAnyValue:"):
        case "StringEquals" | "Bool":
            return any(value in [str(one) for one in wanted] for value in found)
        case "StringLike" | "ArnLike":
            return any(_any_match(wanted, value) for value in found)
        case "Null":
            return (not found) == (str(wanted[0]).lower() == "true")
        case _:
            raise UnsupportedPolicyError(f"a condition has the operator {operator}")


def _any_match(patterns: str | list[str], text: str, *, lower: bool = False) -> bool:
    return any(_pattern(pattern.lower() if lower else pattern).fullmatch(text) for pattern in _list(patterns))


@cache
def _pattern(wildcards: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in wildcards), re.DOTALL)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
