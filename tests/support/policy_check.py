# SPDX-License-Identifier: GPL-3.0-or-later
"""What parliament holds against an IAM policy, less what is no fault; https://github.com/duo-labs/parliament."""

from __future__ import annotations

import fnmatch
import functools
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it finds its data by pkg_resources, which warns of itself
    from parliament import analyze_policy_string

READS = ("Get*", "Describe*", "List*", "Search*", "View*", "BatchGet*", "Select*")
# IAM asks for two resources, each of which has a statement with conditions of its own.
TWO_RESOURCES = frozenset({"kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"})
# Newer than its data. https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
NEWER = "kms:ResourceAliases"


def faults(policy: Mapping[str, Any]) -> list[str]:
    """One line for each fault: <name of the statement>: <issue>: <detail>."""
    found: list[str] = []
    for statement in policy["Statement"]:
        name = statement.get("Sid", "?")
        if statement["Action"] == "*":
            found.append(f"{name}: everything is allowed")
        single = {"Version": policy["Version"], "Statement": [statement]}
        told = [(one.issue, _fault(one.issue, one.detail, statement)) for one in analyze_policy_string(json.dumps(single)).findings]
        found += [f"{name}: {issue}: {detail}" for issue, detail in told if detail]
    return found


def _fault(issue: str, detail: Any, statement: Mapping[str, Any]) -> Any:
    """What of a finding is left; nothing when all of it is explained."""
    match issue:
        case "RESOURCE_STAR":  # what reads may read; what changes something is bound by tags, as ids have no names
            return None if "Condition" in statement else [action for action in detail if not _reads(action)]
        case "RESOURCE_MISMATCH":
            wrong = [entry for entry in detail if entry["action"] not in TWO_RESOURCES]
            return [entry for entry in wrong if not any(_overlap(entry["required_format"], resource) for resource in _texts(statement))]
        case "UNKNOWN_CONDITION_FOR_ACTION":
            return None if NEWER in str(detail) else detail
        case "RESOURCE_POLICY_PRIVILEGE_ESCALATION":  # who makes an environment's buckets can open them to himself; he has its data anyway
            return None
        case _:
            return detail


def _reads(action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.partition(":")[2], pattern) for pattern in READS)


@functools.cache
def _overlap(one: str, other: str) -> bool:
    """Whether there is an ARN that fits both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])


def _texts(statement: Mapping[str, Any]) -> Iterator[str]:
    resources = statement["Resource"]
    yield from [resources] if isinstance(resources, str) else resources
