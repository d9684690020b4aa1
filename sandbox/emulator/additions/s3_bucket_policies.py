# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions in bucket policies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
moto 5.2.5 treats a statement whose condition it cannot evaluate as a refusal, so that the usual "deny without TLS" locks
every object. Here the conditions on transport are evaluated (the emulator stands for AWS's TLS endpoints, so every request
counts as TLS 1.3); a statement with any other condition does not apply.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from sandbox.emulator.additions.patching import wrap

_REQUEST = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "Bool": lambda actual, wanted: actual == wanted.lower(),
    "StringEquals": lambda actual, wanted: actual == wanted,
    "StringNotEquals": lambda actual, wanted: actual != wanted,
    "NumericEquals": lambda actual, wanted: float(actual) == float(wanted),
    "NumericNotEquals": lambda actual, wanted: float(actual) != float(wanted),
    "NumericLessThan": lambda actual, wanted: float(actual) < float(wanted),
    "NumericLessThanEquals": lambda actual, wanted: float(actual) <= float(wanted),
    "NumericGreaterThan": lambda actual, wanted: float(actual) > float(wanted),
    "NumericGreaterThanEquals": lambda actual, wanted: float(actual) >= float(wanted),
}


def applies(statement: dict[str, Any]) -> bool:
    """Whether every condition of the statement is known and true for a request over TLS."""
    for operator, keys in statement.get("Condition", {}).items():
        holds = _OPERATORS.get(operator)
        for key, wanted in keys.items():
            actual = _REQUEST.get(key.lower())
            if holds is None or actual is None:
                return False
            values = wanted if isinstance(wanted, list) else [wanted]
            if not any(holds(actual, str(value)) for value in values):
                return False
    return True


@functools.cache
def install() -> None:
    @wrap(FakeBucket, "get_permission")
    def get_permission(original: Any, self: Any, action: str, resource: str) -> Any:
        if self.policy is None:
            return original(self, action, resource)
        whole = self.policy
        document = json.loads(whole)
        statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        document["Statement"] = [
            {key: value for key, value in statement.items() if key != "Condition"} for statement in statements if applies(statement)
        ]
        if not document["Statement"]:
            return PermissionResult.NEUTRAL
        # The original reads self.policy; a copy of the bucket's surface keeps this free of races between threads.
        return original(_PolicyView(json.dumps(document).encode()), action, resource)


class _PolicyView:
    """The one attribute of a bucket that moto's permission check reads."""

    def __init__(self, policy: bytes) -> None:
        self.policy = policy
