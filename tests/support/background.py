# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(action: Callable[[], object], every_seconds: float) -> Iterator[None]:
    """Do something again and again, as long as this lasts."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every_seconds):
            action()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
