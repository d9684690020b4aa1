# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server does with events that arrive together, and when the run has ended."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_server
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_children import Task
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_library import Library

RUN, EXIT, CLIENT = 900, 901, 902


@pytest.fixture
def server() -> Iterator[tuple[worker_server.Server, int]]:
    """A server, and a descriptor: what is written to it ends the run."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # to a name that the kernel chooses
        listener.listen()
        run, end = os.pipe()
        found = worker_server.Server(listener, run, Library({}, {}), 1, worker_server.RunFiles(0, 0, None, [], {}))
        with found._events:
            yield found, end
        os.close(run)
        os.close(end)


def test_an_event_of_a_client_that_has_gone_does_not_hit_the_one_that_got_its_descriptor(
    monkeypatch: pytest.MonkeyPatch, server: tuple[worker_server.Server, int]
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _signal: killed.append(group))
    running, _end = server
    listener = running._listener
    running._run_pidfd = RUN
    old = Task(1, listener, b"", 0, (), None, 0, set())
    children = running._children
    children._by_exit, children._by_client = {EXIT: old}, {CLIENT: old}

    class Events:
        """The old task ended, its client left, and a new client knocks: all between two looks, in the worst order."""

        batches = [  # noqa: RUF012  # read once
            [(EXIT, select.EPOLLIN), (listener.fileno(), select.EPOLLIN), (CLIENT, select.EPOLLRDHUP)],
            [(RUN, select.EPOLLIN)],
        ]

        def poll(self, _timeout: float) -> list[tuple[int, int]]:
            return self.batches.pop(0)

        def unregister(self, descriptor: int) -> None:
            pass

    def report(pidfd: int) -> None:
        del children._by_exit[pidfd], children._by_client[CLIENT]

    def accept() -> None:
        running._knocking[CLIENT] = listener

    monkeypatch.setattr(running, "_events", Events())
    monkeypatch.setattr(children, "_report", report)
    monkeypatch.setattr(running, "_accept", accept)
    assert running.serve_until_the_run_ends() is None
    assert killed == []
    assert running._knocking == {CLIENT: listener}
    assert children._by_client == {}


def test_all_that_works_for_a_run_is_ended_when_the_run_has(server: tuple[worker_server.Server, int]) -> None:
    """Before the server keeps anything, which takes a while."""
    running, end = server
    working, at_work = os.pipe()
    caller, task = _work_for_ever(at_work, processes=1), _work_for_ever(at_work, processes=2)
    os.close(at_work)
    running._calling = [caller]
    running._children._by_exit = {EXIT: Task(task, running._listener, b"", 0, (), None, 0, set())}
    os.write(end, b".")
    try:
        assert running.serve_until_the_run_ends() is None
        assert [_end_of(pid) for pid in (caller, task)] == [-signal.SIGKILL] * 2
        with os.fdopen(working, "rb") as pipe:
            assert pipe.read() == b"...", "also what they have started is gone"
    finally:
        for group in (caller, task):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def _end_of(pid: int) -> int | None:
    """How a child ended; None when it has not after ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def _work_for_ever(pipe: int, processes: int) -> int:
    """A process that leads a group, as a task does, and has started the others; returns when all are at work."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        for _ in range(processes - 1):
            if os.fork() == 0:
                break
        os.write(pipe, b".")
        os.write(tell, b".")
        while True:
            time.sleep(60)
    os.close(tell)
    assert [os.read(ready, 1) for _ in range(processes)] == [b"."] * processes
    os.close(ready)
    return pid
