# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's children: each runs a task, rests, and may run another of the same surroundings.

A fork costs 3 ms, and a task that runs in a process of its own twice the time of one that finds its pages touched. So a task is given to a
child that rests, if there is one, and otherwise to a new one. Of tasks that come side by side some wait for a moment, as long as there are
as many children at work as there are processors: no task is done earlier with more of them, unless those at work are waiting for AWS.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .planning.state import State
from .worker_caller import LENGTH, framed
from .worker_library import EMPTY, Library
from .worker_protocol import Received, calls_aws
from .worker_results import Result
from .worker_task import Child, Following, Surroundings

MAXIMAL_WRITES_BYTES = 16 << 20
MAXIMAL_AT_WORK = 32  # each has 12 MiB of its own; items of lists wait where there are as many
MAXIMAL_RESTING = 6
MAXIMAL_CHILDREN = 8  # of which some may rest: each has some 30 MiB of its own
LOOK_SECONDS = 0.01
MAXIMAL_LOOKS = 50  # before a task is given a new child in any case
IDLE_LOOKS = 3  # in a row, at which a processor was free

Kind = tuple[Any, ...]
"""The surroundings of a task, which all those have that one child may run."""


@dataclass
class Task:
    """A child at work and the client that waits for it; or one that rests, and the client of its last task."""

    pid: int
    connection: socket.socket
    key: bytes
    """By which the task's result is kept."""
    memory: int
    """In which the child leaves what the task would have written, and its result if that may be kept."""
    kind: Kind
    control: socket.socket | None
    """The line to the child; None when it will run no other task."""
    known: int
    """How many writes of earlier tasks the child knows."""
    packed: set[str]
    """The packed files that it knows, by their digest."""


@dataclass
class Waiting:
    """A task that waits for a child."""

    received: Received
    caller: str
    key: bytes
    before: int
    looks: int = 0
    idle_looks: int = 0
    """At how many of these, in a row up to the last one, a processor had nothing to do."""

    @property
    def is_ready(self) -> bool:
        """Whether a new child is of use: those at work wait for AWS, or take their time."""
        return self.idle_looks >= IDLE_LOOKS or self.looks >= MAXIMAL_LOOKS


@dataclass
class Children:
    """Starts and ends them, and tells the clients what has come of their tasks."""

    events: select.epoll
    library: Library
    state: State
    line: int
    calls: int
    """The descriptor of the file to which AWS calls are logged."""
    directory: int
    """The descriptor of the run's directory."""
    results: dict[bytes, Result]
    """Those of this run that the next one may use."""
    give_up: Callable[[], None]
    """Gives up, in a child, what belongs to the server alone."""
    _by_exit: dict[int, Task] = field(default_factory=dict)
    _by_client: dict[int, Task] = field(default_factory=dict)
    _by_control: dict[int, Task] = field(default_factory=dict)
    _resting: list[Task] = field(default_factory=list)
    _waiting: list[Waiting] = field(default_factory=list)
    _next_look: float = 0

    # ---- Beginning ----

    def run(self, received: Received, caller: str, key: bytes, before: int) -> Child | None:
        """Have a task's module run, at once or in a moment; returns the task in a new child."""
        resting = self._take(received)
        if resting:
            self._hand_on(resting, received, key, before)
        elif received.request.batch and (self._is_full or _running(self._by_client.values()) >= _processors()):
            self._waiting.append(Waiting(received, caller, key, before))
        else:
            return self._fork(received, caller, key, before)
        return None

    @property
    def timeout(self) -> float:
        """How many seconds from now `look` is to be called at the latest; -1 if it need not be."""
        if self._first_ready():
            return 0
        return max(0, self._next_look - time.monotonic()) if self._waiting else -1

    def look(self) -> Child | None:
        """Give one of the tasks that wait a new child if that is of use; returns the task in it."""
        ready = self._first_ready()
        if ready:
            self._waiting.remove(ready)
            return self._fork(ready.received, ready.caller, ready.key, ready.before)
        if self._waiting and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            is_idle = _running(self._by_client.values()) < _processors()
            for waiting in self._waiting:
                waiting.looks += 1
                waiting.idle_looks = waiting.idle_looks + 1 if is_idle else 0
        return None

    @property
    def _is_full(self) -> bool:
        return len(self._by_client) >= MAXIMAL_AT_WORK

    def _first_ready(self) -> Waiting | None:
        """The first task for which a new child is of use, unless there are enough."""
        if self._is_full:
            return None
        return next((waiting for waiting in self._waiting if waiting.is_ready), None)

    def _take(self, received: Received) -> Task | None:
        """The child that has rested last of those that can run a task; it rests no more."""
        for task in reversed(self._resting):
            if self._can_run(task, received):
                self._resting.remove(task)
                return task
        return None

    def _can_run(self, task: Task, received: Received) -> bool:
        """Whether a child can run a task: with its surroundings, of code that the server has compared."""
        packed = self.library.packed.get(received.digest)
        return packed is not None and packed.text == EMPTY and task.kind == kind_of(received)

    def _fork(self, received: Received, caller: str, key: bytes, before: int) -> Child | None:
        memory, server = os.memfd_create("task's end"), os.getpid()
        control, other_end = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self.give_up()
            control.close()
            surroundings = Surroundings(
                self.state, before, self.calls, memory, self.directory, caller, self._keeps_result(received), other_end
            )
            return Child(received, self.library, self.line, server, surroundings)
        other_end.close()
        received.close()
        with suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        task = Task(pid, received.connection, key, memory, kind_of(received), control, before, set(self.library.packed))
        pidfd = os.pidfd_open(pid)
        self._by_exit[pidfd] = self._by_control[control.fileno()] = task
        for descriptor in (pidfd, control.fileno()):
            self.events.register(descriptor, select.EPOLLIN)
        self._await(task)
        return None

    def _hand_on(self, task: Task, received: Received, key: bytes, before: int) -> None:
        """Have a child that has rested run a task. If it has ended meanwhile, that is what the client is told."""
        digest = received.digest
        lesson = None if digest in task.packed else self.library.lesson(digest)
        writes, keeps = self.state.writes[task.known : before], self._keeps_result(received)
        message = framed(Following(received.request, digest, lesson, before, min(task.known, before), writes, keeps))
        task.connection, task.key, task.memory = received.connection, key, os.memfd_create("task's end")
        task.known = before
        task.packed.add(digest)
        self._await(task)
        if task.control:
            with suppress(OSError):
                socket.send_fds(task.control, [message[: LENGTH.size]], [received.stdout, received.stderr, task.memory])
                task.control.sendall(message[LENGTH.size :])
        received.close()

    def _keeps_result(self, received: Received) -> bool:
        packed = self.library.packed.get(received.digest)
        return received.request.read_ahead and packed is not None and packed.is_steady

    def _await(self, task: Task) -> None:
        self._by_client[task.connection.fileno()] = task
        self.events.register(task.connection.fileno(), select.EPOLLRDHUP)

    # ---- Ending ----

    def hear(self, descriptor: int) -> None:
        """Something has happened to a descriptor, which may be one of theirs."""
        if descriptor in self._by_exit:
            self._report(descriptor)
        elif descriptor in self._by_control:
            self._answer(self._by_control[descriptor])
        elif descriptor in self._by_client:
            # The client gave up, as when a task's timeout has passed: nobody wants the result any more.
            self.events.unregister(descriptor)
            with suppress(ProcessLookupError):
                os.killpg(self._by_client[descriptor].pid, signal.SIGKILL)

    def _answer(self, task: Task) -> None:
        """A child says that its task is over, or cannot run the one that it was given; or it ends."""
        answer = task.control.recv(1 << 12) if task.control else b""
        if answer:
            self._conclude(task, answer)
        if not answer.startswith(b"exit") or not task.kind:
            self._let_go(task)
            return
        waiting = next((waiting for waiting in self._waiting if self._can_run(task, waiting.received)), None)
        if waiting:
            self._waiting.remove(waiting)
            self._hand_on(task, waiting.received, waiting.key, waiting.before)
            return
        self._resting.append(task)
        while self._resting and (len(self._resting) > MAXIMAL_RESTING or len(self._by_exit) > MAXIMAL_CHILDREN):
            self._let_go(self._resting.pop(0))

    def _let_go(self, task: Task) -> None:
        """Have a child end that rests."""
        if task.control:
            self.events.unregister(task.control.fileno())
            del self._by_control[task.control.fileno()]
            task.control.close()
            task.control = None

    def _report(self, pidfd: int) -> None:
        """A child has ended."""
        task = self._by_exit.pop(pidfd)
        # A child that was just forked may still hold it, and would have the events go on under its number.
        self.events.unregister(pidfd)
        os.close(pidfd)
        _pid, status = os.waitpid(task.pid, 0)
        self._let_go(task)
        if task in self._resting:
            self._resting.remove(task)
        if task.connection.fileno() in self._by_client:
            self._conclude(task, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())

    def _conclude(self, task: Task, answer: bytes) -> None:
        """A task is over: remember what it leaves, and tell its client."""
        del self._by_client[task.connection.fileno()]
        with suppress(FileNotFoundError):  # its client gave up
            self.events.unregister(task.connection.fileno())
        with os.fdopen(task.memory, "rb") as memory:
            memory.seek(0)
            if written := memory.read(MAXIMAL_WRITES_BYTES):
                writes, result = pickle.loads(written)  # noqa: S301  # written by a fork of this very process
                self.state.add(write.ready() for write in writes)
                if result and answer == b"exit 0\n":
                    self.results[task.key] = result
        with suppress(OSError):
            task.connection.sendall(answer)
        task.connection.close()

    def end(self) -> None:
        """End them all, with what they have started."""
        for task in self._by_exit.values():
            os.killpg(task.pid, signal.SIGKILL)

    def close(self) -> None:
        """Give up, in a child, what the server has of others."""
        for pidfd, task in self._by_exit.items():
            os.close(pidfd)
            if task.control:
                task.control.close()
        for task in self._by_client.values():
            os.close(task.memory)
            task.connection.close()
        for waiting in self._waiting:
            waiting.received.connection.close()
            waiting.received.close()


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _running(tasks: Iterable[Task]) -> int:
    """How many children have something to do, and do not wait."""
    return sum(_state(task.pid) == "R" for task in tasks)


def _state(pid: int) -> str:
    with suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123  # often, and in a hurry
        return file.read().rpartition(")")[2].split(maxsplit=1)[0]
    return ""


def kind_of(received: Received) -> Kind:
    """The surroundings of a task; none for one of a collection whose modules nobody has looked at, whose child runs no other."""
    request = received.request
    if not calls_aws(request.payload):
        return ()
    return request.environment_digest, request.directory, request.umask, request.approved, request.read_ahead
