# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulator knows beyond moto's own state, shared by the server, the control API and the additions."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

# Services whose state the background clock and the reconciler act on: their calls run one at a time and move the version.
# Others (queues with long polls, buckets, logs) run freely.
CONTROL_PLANE: Final = frozenset({"ec2", "autoscaling", "elasticloadbalancing", "rds", "elasticache", "acm", "iam"})


@dataclass
class Runtime:
    """Process-wide state; `lock` guards every field and all control-plane state of moto."""

    standalone: bool = False  # nobody runs real servers: databases, caches and images are ready at once, targets healthy
    enforce_iam: bool = False  # each call needs the permission of its caller's policies
    # With enforcement: role or user -> service:Operation -> what each call needed (the control API has its form)
    demands: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    version: int = 0  # number of changes seen by observers
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    reboots: dict[str, int] = field(default_factory=dict)  # instance id -> RebootInstances calls
    unavailable: set[str] = field(default_factory=set)  # regions that are out, as if they had no power
    target_health: dict[str, dict[str, str]] = field(default_factory=dict)  # target group ARN -> target id -> state
    alarms_evaluated: datetime = datetime.min  # the last round, in UTC
    lock: threading.RLock = field(default_factory=threading.RLock)

    def changed(self) -> None:
        """Tell observers that there is something new to see."""
        with self.lock:
            self.version += 1


runtime = Runtime()
