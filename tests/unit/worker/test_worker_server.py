# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server does with events that arrive together."""

import os
import select
import socket

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_server
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_children import Task
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_library import Library

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
