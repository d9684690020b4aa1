# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS does by itself, once a second: additions subscribe, one thread calls them under the runtime's lock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sandbox.emulator.runtime import runtime

LOG = logging.getLogger("emulator")
_subscribers: list[Callable[[], bool]] = []


def every_second(function: Callable[[], bool]) -> None:
    """Call `function` each second; it says whether it changed anything that observers should see."""
    _subscribers.append(function)


def tick() -> None:
    """One round. A failing subscriber is logged and does not keep the others from running."""
    for function in _subscribers:
        with runtime.lock:
            try:
                if function():
                    runtime.changed()
            except Exception:
                LOG.exception("%s failed; it is tried again in a second", function.__module__)


def start() -> None:
    """Begin ticking in the background."""
    threading.Thread(target=_run, name="clock", daemon=True).start()


def _run() -> None:
    pause = threading.Event()
    while not pause.wait(1.0):
        tick()
