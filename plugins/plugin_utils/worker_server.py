# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm server behind the aws_worker connection: imports once what every AWS module imports, then forks one child per task.

Started by the connection (see `start_script`) once per run, and gone with it. It stays single-threaded, so that its forks are safe. A
client connects to the Unix socket in the run's temporary directory and sends one request (`send_request`). The server compares the code
that it carries, once for all tasks with the same code, and forks; the child evaluates the request, takes over the file descriptors for
stdout and stderr that came along, runs the payload and exits. The server answers on the same connection with one line:

    exit <code>     the payload ran; the code is that of subprocess.Popen.returncode
    cold <reason>   nothing ran, the client shall run the payload in a fresh interpreter

A payload is only taken when a fresh interpreter would run exactly the code that is loaded here: each of its files is compared, by its
checksum, with the file that this process has imported or would import.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .planning import operations
from .planning.state import State
from .worker_library import Library, load_library
from .worker_protocol import CALLS_NAME, READY, SOCKET_NAME, receive_request
from .worker_task import Surroundings, compiled, take

MAXIMAL_WRITES_BYTES = 16 << 20
PACKAGE = "aws_worker"  # what the server calls the directory of this file


@dataclass
class Task:
    """A child at work and the client that waits for it."""

    pid: int
    connection: socket.socket
    writes: int
    """The memory in which the child leaves what it would have written."""


class Server:
    """Accepts, forks, and reports exits until the run ends."""

    def __init__(self, listener: socket.socket, run_pidfd: int, library: Library, line: int, calls: int) -> None:
        self._listener = listener
        self._run_pidfd = run_pidfd
        self._library = library
        self._line = line
        self._calls = calls
        self._state = State()
        self._knocking: dict[int, socket.socket] = {}  # connected, and not heard of since
        self._by_exit: dict[int, Task] = {}
        self._by_client: dict[int, Task] = {}
        self._events = select.epoll()
        for descriptor in (listener.fileno(), run_pidfd):
            self._events.register(descriptor, select.EPOLLIN)

    def serve_until_the_run_ends(self) -> Callable[[], None] | None:
        """Return what to run when it is a child that returns; None in the server itself."""
        while True:
            # What opens descriptors comes last: they may be those of a task that has just ended, of which these events still speak.
            opening = {self._listener.fileno(), *self._knocking}
            for descriptor, _event in sorted(self._events.poll(), key=lambda event: event[0] in opening):
                if descriptor == self._run_pidfd:
                    return None
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._knocking:
                    call = self._start(self._knocking.pop(descriptor))
                    if call:
                        return call
                elif descriptor in self._by_exit:
                    self._report(descriptor)
                elif descriptor in self._by_client:
                    # The client gave up, as when a task's timeout has passed: nobody wants the result any more.
                    self._events.unregister(descriptor)
                    with suppress(ProcessLookupError):
                        os.killpg(self._by_client[descriptor].pid, signal.SIGKILL)

    def _accept(self) -> None:
        connection, _address = self._listener.accept()
        self._knocking[connection.fileno()] = connection
        self._events.register(connection.fileno(), select.EPOLLIN)

    def _start(self, connection: socket.socket) -> Callable[[], None] | None:
        self._events.unregister(connection.fileno())
        try:
            received = receive_request(connection)
        except (OSError, EOFError):  # gone again
            connection.close()
            return None
        with suppress(Exception):  # the child meets it again, and answers
            self._library.text_of(received)
        server, writes = os.getpid(), os.memfd_create("writes")
        pid = os.fork()
        if pid == 0:
            self._close()
            return take(received, self._library, self._line, server, Surroundings(self._state, self._calls, writes))
        received.close()
        with suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        task = Task(pid, connection, writes)
        pidfd = os.pidfd_open(pid)
        self._by_exit[pidfd] = self._by_client[connection.fileno()] = task
        self._events.register(pidfd, select.EPOLLIN)
        self._events.register(connection.fileno(), select.EPOLLRDHUP)
        return None

    def _report(self, pidfd: int) -> None:
        task = self._by_exit.pop(pidfd)
        del self._by_client[task.connection.fileno()]
        # A child that was just forked may still hold both, and would have the events go on under their numbers.
        self._events.unregister(pidfd)
        with suppress(FileNotFoundError):  # its client gave up
            self._events.unregister(task.connection.fileno())
        os.close(pidfd)
        _pid, status = os.waitpid(task.pid, 0)
        with os.fdopen(task.writes, "rb") as memory:
            memory.seek(0)
            if written := memory.read(MAXIMAL_WRITES_BYTES):
                recorded = pickle.loads(written)  # noqa: S301  # written by a fork of this very process
                self._state.writes.extend(write.ready() for write in recorded)
        with suppress(OSError):
            task.connection.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
        task.connection.close()

    def _close(self) -> None:
        """Give up, in a child, what belongs to the server alone."""
        self._events.close()
        self._listener.close()
        os.close(self._run_pidfd)
        for connection in self._knocking.values():
            connection.close()
        for pidfd, task in self._by_exit.items():
            os.close(pidfd)
            os.close(task.writes)
            task.connection.close()


def start_script(line: int) -> str:
    """The script whose standard input makes an interpreter the server, with `main`'s arguments on its command line.

    Its call of the payload's wrapper stands on the same line as in the payload, which an interpreter reads from its standard input too:
    so the tracebacks that modules report are those of a fresh interpreter, down to the last frame. The worker's own files become a
    package of another name than the collection's, which belongs to the payloads.
    """
    script = f"""\
import sys, types
package = types.ModuleType({PACKAGE!r})
package.__path__ = [{str(Path(__file__).parent)!r}]
sys.modules[{PACKAGE!r}] = package
from {PACKAGE} import worker_server, worker_task
_ansiballz_main = worker_server.main(*sys.argv[1:])
try:
    _ansiballz_main()
except BaseException as end:
    worker_task.finish(end)
worker_task.finish(None)
"""
    padding = line - 1 - script[: script.index("    _ansiballz_main()")].count("\n")
    return "\n" * padding + script


def main(directory_descriptor: str, run_pidfd: str, settings: str) -> Callable[[], None]:
    """Load, serve until the process behind the pidfd has ended, and end; returns in the children only, with what each has to run.

    The settings are JSON: `roots`, where the packages are, `line`, on which payloads call their wrapper, `wrapper`, its text, and `unset`,
    the environment variables that were for this start alone.
    """
    directory, options = int(directory_descriptor), json.loads(settings)
    for name in options["unset"]:
        del os.environ[name]
    os.fchdir(directory)
    os.umask(0o077)
    library = load_library({package: Path(path) for package, path in options["roots"].items()})
    compiled(options["wrapper"].encode())
    operations.reviewed()  # read here, or every child that plans would read it
    with suppress(FileNotFoundError):  # of a server that was killed; the caller's lock keeps others out
        Path(SOCKET_NAME).unlink()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET_NAME)
    listener.listen(128)
    calls = os.open(CALLS_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.chdir("/")
    gc.collect()
    gc.freeze()  # children never touch the memory of what was loaded before them
    if os.fork():  # the end of this process tells whoever started it that the server is there
        os.write(1, READY)
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    call = Server(listener, int(run_pidfd), library, options["line"], calls).serve_until_the_run_ends()
    if call:
        os.close(directory)
        return call
    with suppress(OSError):
        os.unlink(SOCKET_NAME, dir_fd=directory)
    os._exit(0)
