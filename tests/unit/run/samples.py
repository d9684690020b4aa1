# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REGION = "us-east-1"


@dataclass
class Clock:
    """Time that passes only when a test says so."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Account:
    """Clients of an account that has what the role aws_operations makes."""

    dynamodb: Any
    s3: Any
    leases: str = "site-leases"
    runs: str = "site-deployments"
    bucket: str = "site-operations"


def record(**changes: Any) -> dict[str, Any]:
    """A run's record."""
    return {
        "format": 1,
        "run_id": "20260102T030405Z-aa",
        "environment": "staging",
        "who": "ada@desk",
        "awx": None,
        "commit": "0123456789abcdef",
        "dirty": False,
        "reason": "site.yml",
        "inventory": "inventories/staging",
        "playbooks": ["site.yml"],
        "limit": "staging-us-east-1",
        "tags": ["provision", "images"],
        "skip_tags": [],
        "extra_vars": ["release"],
        "token": 7,
        "began": "2026-01-02T03:04:05Z",
        "ended": "2026-01-02T03:05:07Z",
        "seconds": 62.4,
        "result": "succeeded",
        "note": "",
        "plan": "f" * 64,
        "plays": [{"name": "Provision", "seconds": 61.0}],
        "changed": [{"host": "staging-us-east-1", "role": "aws_network", "task": "Make the VPC", "item": ""}],
        "hosts": {"staging-us-east-1": {"ok": 9, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 2}},
    } | changes
