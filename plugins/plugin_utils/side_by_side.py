# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that wait for other processes most of their time, made several at a time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from queue import SimpleQueue

from ansible_collections.indivillage.infra.plugins.plugin_utils.turns import waiting


def in_order[T](calls: Iterable[Callable[[], T]], limit: int) -> Iterator[Future[T]]:
    """Make the calls, at most C(limit) at a time, and yield their ended futures in the order of the calls.

    Each is begun as soon as there is one, while the following ones are made ready. They see the caller's context variables. Their threads
    are daemons: when the caller gives up, no further call is made, and the end of the process does not wait for those under way.
    """
    futures: list[Future[T]] = []
    queue: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()

    def work() -> None:
        while entry := queue.get():
            future, call = entry
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)

    try:
        for call in calls:
            futures.append(Future())
            queue.put((futures[-1], call))
            if len(futures) <= limit:
                threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
        for future in futures:
            if not future.done():
                with waiting():
                    wait([future])
            yield future
    finally:
        for future in futures:
            future.cancel()
            queue.put(None)
