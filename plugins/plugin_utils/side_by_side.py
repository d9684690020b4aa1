# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that wait for other processes most of their time, made several at a time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue

from ansible_collections.indivillage.infra.plugins.plugin_utils.turns import waiting


def in_order[T](calls: Sequence[Callable[[], T]], limit: int) -> Iterator[Future[T]]:
    """Make the calls, at most C(limit) at a time, and yield their ended futures in the order of the calls.

    They see the caller's context variables. Their threads are daemons: when the caller gives up, no further call is made, and the end
    of the process does not wait for those under way.
    """
    futures: list[Future[T]] = [Future() for _call in calls]
    queue: SimpleQueue[tuple[Future[T], Callable[[], T]]] = SimpleQueue()
    for entry in zip(futures, calls, strict=True):
        queue.put(entry)

    def work() -> None:
        while True:
            try:
                future, call = queue.get_nowait()
            except Empty:
                return
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)

    for _thread in range(min(limit, len(calls))):
        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
    try:
        for future in futures:
            if not future.done():
                with waiting():
                    wait([future])
            yield future
    finally:
        for future in futures:
            future.cancel()
