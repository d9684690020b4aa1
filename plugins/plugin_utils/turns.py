# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads of which one at a time does something: each has the turn until it gives it up, to wait for what needs none of the others.

Knows nothing of Ansible, so that the aws_worker connection can use it on any version.
"""

from __future__ import annotations

import contextvars
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

no_fork = threading.Lock()
"""Held while descriptors exist that no fork may inherit; every fork takes it."""
os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)

something_to_do = threading.Event()
"""Set when a thread wants the turn."""

_current = threading.local()
_under_way: list[Turn] = []
_connections: set[socket.socket] = set()


class Turn:
    """The thread of one call."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._turn, self._given_up = threading.Semaphore(0), threading.Semaphore(0)
        self._waits = self.is_over = False

    def begin(self) -> None:
        """Do the call as far as it comes without waiting."""
        threading.Thread(target=contextvars.copy_context().run, args=(self._run,), daemon=True).start()
        _under_way.append(self)
        self._let_go_on()

    def _let_go_on(self) -> None:
        self._turn.release()
        self._given_up.acquire()
        if self.is_over:
            _under_way.remove(self)

    def _run(self) -> None:
        _current.turn = self
        self._turn.acquire()
        try:
            self._call()
        finally:
            self.is_over = True
            self._given_up.release()

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Give the turn up."""
        self._waits = True
        self._given_up.release()
        try:
            yield
        finally:
            self._waits = False
            something_to_do.set()
            self._turn.acquire()


def go_on() -> None:
    """Give the turn to each thread that wants it; called by the main thread between other things."""
    for turn in _under_way.copy():
        if not turn._waits:
            turn._let_go_on()


def give_up() -> None:
    """End what others do for the threads of this process, as the end of a process would; whoever waits does not get the turn again."""
    for connection in list(_connections):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def current() -> Turn | None:
    """That of this thread; None in any other, as the main one."""
    return getattr(_current, "turn", None)


@contextmanager
def waiting(connection: socket.socket | None = None) -> Iterator[None]:
    """Let others go on while this thread waits, if it has a turn; for what comes by this connection, if that is known."""
    turn = current()
    if connection:
        _connections.add(connection)
    try:
        if turn:
            with turn.wait():
                yield
        else:
            yield
    finally:
        if connection:
            _connections.discard(connection)
