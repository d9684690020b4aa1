# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server does with events that arrive together."""

import os
import select
import socket
import time
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_server
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_children import Task
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_library import Library
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_protocol import end_with

RUN, EXIT, CLIENT = 900, 901, 902


def test_an_event_of_a_client_that_has_gone_does_not_hit_the_one_that_got_its_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _signal: killed.append(group))
    with socket.socket(socket.AF_UNIX) as listener:
        run, end = os.pipe()
        server = worker_server.Server(listener, run, Library({}, {}), 1, worker_server.RunFiles(0, 0, None, [], {}))
        events = server._events
        server._run_pidfd = RUN
        old = Task(1, listener, b"", 0, (), None, 0, set())
        children = server._children
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
            server._knocking[CLIENT] = listener

        monkeypatch.setattr(server, "_events", Events())
        monkeypatch.setattr(children, "_report", report)
        monkeypatch.setattr(server, "_accept", accept)
        assert server.serve_until_the_run_ends() is None
        events.close()
        os.close(run)
        os.close(end)
    assert killed == []
    assert server._knocking == {CLIENT: listener}
    assert children._by_client == {}


def test_all_that_works_for_a_run_ends_before_anything_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    working, at_work = os.pipe()

    def keep() -> None:
        time.sleep(1)
        kept.write_text("kept")

    server = os.fork()
    if server == 0:
        try:
            leader = os.getpid()
            if os.fork() == 0:
                end_with(leader)
                while True:
                    os.write(at_work, b".")
                    time.sleep(0.01)
            os.close(at_work)
            time.sleep(0.5)
            worker_server.end(keep)
        finally:
            os._exit(1)
    os.close(at_work)
    assert os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]) == 0
    with os.fdopen(working, "rb") as pipe:
        assert pipe.read(), "it was at work"
    assert not kept.exists()
    deadline = time.monotonic() + 30
    while not kept.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
