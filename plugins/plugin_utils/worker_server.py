# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm server behind the aws_worker connection: imports once what every AWS module imports, then runs tasks in forks of it.

Started by the connection (see `worker_protocol.start_script`) once per run, and gone with it. It stays single-threaded, so that its forks
are safe. A client connects to the Unix socket in the run's temporary directory and sends one request (`send_request`). The server compares
the code that it carries, once for all tasks with the same code, and has a child run the task (`worker_children`): it evaluates the request,
takes over the file descriptors for stdout and stderr that came along, and runs the payload. The server answers on the same connection with
one line:

    exit <code>     the payload ran; the code is that of subprocess.Popen.returncode
    cold <reason>   nothing ran, the client shall run the payload in a fresh interpreter

A payload is only taken when a fresh interpreter would run exactly the code that is loaded here: each of its files is compared, by its
checksum, with the file that this process has imported or would import.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from . import worker_read_ahead, worker_results
from .planning import operations
from .planning.state import State
from .worker_caller import Asking, Caller, Comparing, framed
from .worker_caller import received as receive
from .worker_calls import CallLog
from .worker_children import Children
from .worker_library import Library, load_library
from .worker_planning import PLANNED
from .worker_protocol import CALLS_NAME, READY, SOCKET_NAME, Received, calls_aws, end_with, is_stale, module_and_mode, receive_request
from .worker_results import Result, key_of
from .worker_task import Child, compiled, surround

MAXIMAL_CALLERS = 32  # one for each environment that tasks have; stacks have one each
KEPT_ALIVE: list[Any] = []
"""In a child, what the server had: to free it means to write to thousands of pages that are shared until then, a third of a task's cost."""


@dataclass(frozen=True)
class Hope:
    """A task whose module need not run, if a process that makes calls finds all answered as in the run before."""

    received: Received
    caller: str
    asking: Asking
    result: Result
    question: socket.socket


@dataclass(frozen=True)
class RunFiles:
    """What belongs to one run: the descriptors of its directory, of its log of AWS calls, and of its list of reads."""

    directory: int
    calls: int
    reads: int
    former: list[worker_read_ahead.Read]
    """What the run before has read."""
    results: dict[bytes, Result]
    """What modules came to in runs before."""


class Server:
    """Accepts, forks, and reports exits until the run ends."""

    def __init__(self, listener: socket.socket, run_pidfd: int, library: Library, line: int, files: RunFiles) -> None:
        self._listener = listener
        self._run_pidfd = run_pidfd
        self._library = library
        self._files = files
        self._callers: dict[str, str] = {}  # socket of a process that makes calls -> its stack
        self._calling: list[int] = []  # the pids of these processes
        self._state = State()
        self._knocking: dict[int, socket.socket] = {}  # connected, and not heard of since
        self._hopes: dict[int, Hope] = {}
        self._before: dict[str, int] = {}  # batch -> how many writes had been planned when the first of its tasks came
        self.results: dict[bytes, Result] = {}
        """Those of this run that the next one may use."""
        self._events = select.epoll()
        self._children = Children(self._events, library, self._state, line, files.calls, files.directory, self.results, self._close)
        for descriptor in (listener.fileno(), run_pidfd):
            self._events.register(descriptor, select.EPOLLIN)

    def serve_until_the_run_ends(self) -> Child | None:
        """Return the task to run when it is a child that returns; None in the server itself."""
        while True:
            # What opens descriptors comes last: they may be those of a task that has just ended, of which these events still speak.
            opening = {self._listener.fileno(), *self._knocking, *self._hopes}
            found = self._events.poll(self._children.timeout)
            for descriptor, _event in sorted(found, key=lambda event: event[0] in opening):
                if descriptor == self._run_pidfd:
                    self._end_all()
                    return None
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._knocking:
                    child = self._start(self._knocking.pop(descriptor))
                    if child:
                        return child
                elif descriptor in self._hopes:
                    child = self._end(self._hopes.pop(descriptor))
                    if child:
                        return child
                else:
                    self._children.hear(descriptor)
            child = self._children.look()
            if child:
                return child

    def _accept(self) -> None:
        connection, _address = self._listener.accept()
        self._knocking[connection.fileno()] = connection
        self._events.register(connection.fileno(), select.EPOLLIN)

    def _start(self, connection: socket.socket) -> Child | None:
        self._events.unregister(connection.fileno())
        try:
            received = receive_request(connection)
        except (OSError, EOFError):  # gone again
            connection.close()
            return None
        with suppress(Exception):  # the child meets it again, and answers
            self._library.text_of(received)
        caller, key = self._caller(received), key_of(received)
        result = self._files.results.get(key) if received.request.read_ahead else None
        before = self._planned_before(received)
        # Whether earlier tasks would have written what they would have when this was the result.
        is_as_then = result and self._state.digest(result.places, before) == result.state
        if caller and result and is_as_then and self._hope(received, caller, key, result):
            return None
        return self._children.run(received, caller, key, before)

    def _planned_before(self, received: Received) -> int:
        """How many writes had been planned before a task; of those side by side, before the first: none waits for what another plans."""
        now, batch = len(self._state.writes), received.request.batch
        return self._before.setdefault(batch, now) if batch else now

    def _hope(self, received: Received, caller: str, key: bytes, result: Result) -> bool:
        """Ask whether all is answered as in the run before; whether that can be asked."""
        asking = Asking(*module_and_mode(received.request.payload), key)
        question = socket.socket(socket.AF_UNIX)
        try:
            question.connect(f"/proc/self/fd/{self._files.directory}/{caller}")
            question.sendall(framed(Comparing(asking, result.asked)))
        except OSError:
            question.close()
            return False
        self._hopes[question.fileno()] = Hope(received, caller, asking, result, question)
        self._events.register(question.fileno(), select.EPOLLIN)
        return True

    def _end(self, hope: Hope) -> Child | None:
        """Give a task its result, or run its module."""
        self._events.unregister(hope.question.fileno())
        same = False
        with hope.question, suppress(OSError, EOFError):
            same = receive(hope.question)
        received, asking, result = hope.received, hope.asking, hope.result
        if not same:
            return self._children.run(received, hope.caller, asking.task, self._planned_before(received))
        self.results[asking.task] = result
        self._state.add(write.ready() for write in result.writes)
        log = CallLog(self._files.calls, asking.module, asking.mode)
        for service, operation, region in result.planned:
            log.write(service, operation, region, 0.0, PLANNED)
        with received.connection, suppress(OSError):  # its client gave up
            os.write(received.stdout, result.output)
            received.connection.sendall(b"exit 0\n")
        received.close()
        return None

    def _caller(self, received: Received) -> str:
        """The name of the socket of the process that makes the calls of tasks in this environment; the first of them has it begin."""
        if not calls_aws(received.request.payload):
            return ""
        environment = received.request.environment
        name = f"{received.request.environment_digest[:32]}.calls"
        if name in self._callers:
            return name
        if len(self._callers) == MAXIMAL_CALLERS:
            return ""
        stack = worker_read_ahead.stack_of(environment)
        ahead = received.request.read_ahead
        former = [read for read in self._files.former if ahead and read.stack == stack and stack not in self._callers.values()]
        self._callers[name] = stack
        listener, server = listen(self._files.directory, name), os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with(server)
            with suppress(BaseException):
                self._close()
                received.connection.close()
                received.close()  # whoever waits for the task's output waits until nobody has these any more
                surround(received.request)
                stale = partial(is_stale, self._files.directory)
                Caller(self._files.calls, self._files.reads if ahead else None, stack, former, stale).serve(listener)
            os._exit(0)
        listener.close()
        self._calling.append(pid)
        return name

    def _end_all(self) -> None:
        """End what was forked, before anything else: the tasks of a run that was killed go on writing until then."""
        for pid in self._calling:
            os.kill(pid, signal.SIGKILL)
        self._children.end()

    def _close(self) -> None:
        """Give up, in a child, what belongs to the server alone."""
        self._events.close()
        self._listener.close()
        os.close(self._run_pidfd)
        for connection in self._knocking.values():
            connection.close()
        for hope in self._hopes.values():
            hope.question.close()
            hope.received.connection.close()
            hope.received.close()
        self._children.close()


def listen(directory: int, name: str) -> socket.socket:
    """A listening socket of that name in the run's directory."""
    with suppress(FileNotFoundError):  # of a server that was killed; the caller's lock keeps others out
        os.unlink(name, dir_fd=directory)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{directory}/{name}")
    listener.listen(128)
    return listener


def main(directory_descriptor: str, run_pidfd: str, settings: str) -> Child:
    """Load, serve until the process behind the pidfd has ended, and end; returns in the children only, with the task of each.

    The settings are JSON: `roots`, where the packages are, `line`, on which payloads call their wrapper, `wrapper`, its text, `unset`,
    the environment variables that were for this start alone, and `reads`, the file that tells runs like this one what they read.
    """
    directory, options = int(directory_descriptor), json.loads(settings)
    for name in options["unset"]:
        del os.environ[name]
    os.umask(0o077)
    gc.disable()  # what is loaded is not garbage
    library = load_library({package: Path(path) for package, path in options["roots"].items()})
    compiled(options["wrapper"].encode())
    operations.reviewed()  # read here, or every child that plans would read it
    kept = Path(options["reads"])
    kept_results = kept.with_name(kept.name + worker_results.SUFFIX)
    listener = listen(directory, SOCKET_NAME)
    append = os.O_RDWR | os.O_CREAT | os.O_APPEND
    calls = os.open(CALLS_NAME, append, 0o600, dir_fd=directory)
    reads = os.open(worker_read_ahead.READS_NAME, append, 0o600, dir_fd=directory)
    former = worker_read_ahead.load(kept)
    os.chdir("/")
    gc.freeze()  # children never touch the memory of what was loaded before them
    gc.enable()
    if os.fork():  # the end of this process tells whoever started it that the server is there
        os.write(1, READY)
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    results = worker_results.load(kept_results)
    server = Server(listener, int(run_pidfd), library, options["line"], RunFiles(directory, calls, reads, former, results))
    child = server.serve_until_the_run_ends()
    if child:
        KEPT_ALIVE.append(server)
        return child
    with suppress(OSError):
        os.unlink(SOCKET_NAME, dir_fd=directory)
    with suppress(OSError):
        worker_read_ahead.keep(kept, os.pread(reads, os.fstat(reads).st_size, 0))
    with suppress(OSError):
        worker_results.keep(kept_results, results, server.results)
    os._exit(0)
