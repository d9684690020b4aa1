# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the run when a task has changed something for the n-th time: DIE_AFTER_CHANGES."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: die
type: aggregate
short_description: Kill a run
description: Kills a run.
"""


class CallbackModule(CallbackBase):
    """Counts changes."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "die"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._left = int(os.environ["DIE_AFTER_CHANGES"])

    def v2_runner_on_ok(self, result: Any) -> None:
        """Kill the process group when it is time."""
        if result.result.get("changed") and not result.task.loop:
            self._count()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Each item of a loop counts."""
        if result.result.get("changed"):
            self._count()

    def _count(self) -> None:
        self._left -= 1
        if not self._left:
            os.killpg(0, signal.SIGKILL)
