# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm server behind the aws_worker connection: imports once what every AWS module imports, then forks one child per task.

Started by the connection (see `start_script`) once per run, and gone with it. It stays single-threaded, so that its forks are safe, and
never reads a task itself. A client connects to the Unix socket in the run's temporary directory; the fork that serves it reads one
request (`send_request`), takes over the file descriptors for stdout and stderr that came along, runs the payload and exits. The server
answers on the same connection with one line:

    exit <code>     the payload ran; the code is that of subprocess.Popen.returncode
    cold <reason>   nothing ran, the client shall run the payload in a fresh interpreter

A payload is only taken when a fresh interpreter would run exactly the code that is loaded here: each of its files is compared, by its
checksum, with the file that this process has imported or would import.
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import gc
import importlib
import importlib.machinery
import io
import json
import os
import pkgutil
import re
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
import types
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

SOCKET_NAME = "aws_worker.sock"
READY = b"ready\n"
# Clients built ahead of the first task: the first client of a process costs ten times what the following ones cost.
SERVICES = ("ec2", "sts", "iam", "kms", "s3", "sqs", "elbv2", "autoscaling", "rds", "elasticache", "logs", "ssm", "secretsmanager", "acm")
# What an interpreter reads when it starts, and cannot be told afterwards.
STARTUP_VARIABLES = re.compile(r"PYTHON|LD_|LANG$|LANGUAGE$|LC_")
# How a payload of AnsiballZ ends: its wrapper is defined above, the arguments follow, one a line.
PAYLOAD_END = b'\n\nif __name__ == "__main__":\n'
PAYLOAD_CALL = b"    _ansiballz_main(\n"
PAYLOAD_ARGUMENTS = {"ansible_module", "module_fqn", "profile", "date_time", "rlimit_nofile", "params", "extensions", "zip_data"}
# Written by AnsiballZ itself in place of the files on disk; `load_packages` has made the same.
PAYLOAD_PACKAGES = {"ansible/__init__.py", "ansible/module_utils/__init__.py"}
PR_SET_PDEATHSIG = 1
HEADER = struct.Struct("!II")


class ColdError(Exception):
    """This task must run in a fresh interpreter; the text says why."""


# ---- What a client sends ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One task: the environment, directory and file mode mask that a fresh interpreter would be started with, and its standard input."""

    environment: dict[str, str]
    directory: str
    umask: int
    payload: bytes


def send_request(connection: socket.socket, request: Request, stdout: int, stderr: int) -> None:
    """Send a task, with the descriptors that shall become the module's stdout and stderr."""
    head = json.dumps({"environment": request.environment, "directory": request.directory, "umask": request.umask}).encode()
    socket.send_fds(connection, [HEADER.pack(len(head), len(request.payload))], [stdout, stderr])
    connection.sendall(head)
    connection.sendall(request.payload)


def receive_request(connection: socket.socket) -> tuple[Request, int, int]:
    """Receive a task, its stdout and its stderr; raises EOFError when the client is gone."""
    start, descriptors, _flags, _address = socket.recv_fds(connection, HEADER.size, 2)
    start += _receive(connection, HEADER.size - len(start))
    head_size, payload_size = HEADER.unpack(start)
    head = json.loads(_receive(connection, head_size))
    stdout, stderr = descriptors
    return Request(**head, payload=_receive(connection, payload_size)), stdout, stderr


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


# ---- What is loaded --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Library:
    """The code loaded before the first task."""

    roots: Mapping[str, Path]  # package name, such as ansible or ansible_collections.amazon.aws -> its directory
    checksums: Mapping[str, int]  # file name in a payload -> CRC of the source that is loaded

    def checksum(self, name: str) -> int | None:
        """The CRC of what an import of this payload file gives here; None when that is unknown."""
        if name in self.checksums:
            return self.checksums[name]
        if _module_name(name) in sys.modules:
            return None  # loaded, from a file that has changed meanwhile
        source = _source(self.roots, name)
        return zlib.crc32(source.read_bytes()) if source else None

    def require_same(self, archive: zipfile.ZipFile) -> None:
        """Raise ColdError unless every file of the payload is the one that would be imported here."""
        for entry in archive.infolist():
            is_package_marker = entry.file_size == 0 or entry.filename in PAYLOAD_PACKAGES
            if not is_package_marker and self.checksum(entry.filename) != entry.CRC:
                raise ColdError(f"{entry.filename} is not what the worker has loaded")


def _source(roots: Mapping[str, Path], name: str) -> Path | None:
    """The file on this machine that a payload's file was made from, if there is one."""
    for package, directory in roots.items():
        prefix = package.replace(".", "/") + "/"
        if name.startswith(prefix):
            source = directory / name.removeprefix(prefix)
            return source if source.is_file() else None
    return None


def _module_name(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def load_library(roots: Mapping[str, Path]) -> Library:
    """Import module_utils of ansible and of the collections, boto3, and the models of the services in use."""
    started = time.time()
    load_packages(roots)
    importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    for package, directory in roots.items():
        if package != "ansible":
            load_all(f"{package}.plugins.module_utils", directory / "plugins/module_utils")
    load_clients()
    checksums = {}
    for module in [name for name in sys.modules if name.startswith(("ansible.", "ansible_collections."))]:
        for name in (module.replace(".", "/") + ".py", module.replace(".", "/") + "/__init__.py"):
            source = _source(roots, name)
            # A file written since the start may differ from what was imported: it is left out, which makes its users cold.
            if source and source.stat().st_mtime < started:
                checksums[name] = zlib.crc32(source.read_bytes())
    return Library(roots, checksums)


def load_packages(roots: Mapping[str, Path]) -> None:
    """Make the packages above module_utils and modules as a payload holds them: without the control node's own code."""
    for package, directory in roots.items():
        parts = package.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name in sys.modules:
                continue
            module = types.ModuleType(name)
            if depth == len(parts):
                module.__file__ = str(directory / "__init__.py")
                module.__path__ = [str(directory)]
            else:
                module.__path__ = []
            module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
            module.__spec__.submodule_search_locations = module.__path__
            sys.modules[name] = module
            if depth > 1:
                setattr(sys.modules[name.rpartition(".")[0]], parts[depth - 1], module)
    release = importlib.import_module("ansible.module_utils.ansible_release")
    ansible = sys.modules["ansible"]
    ansible.__dict__.update(__version__=release.__version__, __author__=release.__author__)


def load_all(package: str, directory: Path) -> None:
    """Import every module of a package.

    What cannot be imported here, or warns when it is imported, is left to the tasks that need it: they shall report that themselves.
    """
    messages = importlib.import_module("ansible.module_utils.common.warnings")
    if not directory.is_dir():
        return
    for module in pkgutil.walk_packages([str(directory)], f"{package}.", onerror=lambda _name: None):
        loaded = set(sys.modules)
        with suppress(Exception):
            importlib.import_module(module.name)
        if messages.get_warnings() or messages.get_deprecations():
            messages._global_warnings.clear()
            messages._global_deprecations.clear()
            for name in set(sys.modules) - loaded:
                del sys.modules[name]


def load_clients() -> None:
    """Build one client of each service, which imports and parses what all later ones share."""
    boto3 = importlib.import_module("boto3")
    loaders = importlib.import_module("botocore.loaders")
    read_file = loaders.JSONFileLoader.load_file
    files: dict[str, Any] = {}

    # Every module has a session of its own, and every session would read and parse the models again.
    def load_file(self: Any, file_path: str) -> Any:
        if file_path not in files:
            files[file_path] = read_file(self, file_path)
        return files[file_path]

    loaders.JSONFileLoader.load_file = load_file
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106  # never used
    for service in SERVICES:
        session.client(service)


# ---- One task, in its own process ------------------------------------------------------------------------------------------------


def call_line(payload: bytes) -> int:
    """The line on which a payload calls its wrapper; raises ColdError for anything that AnsiballZ has not made."""
    wrapper, found, _arguments = payload.partition(PAYLOAD_END + PAYLOAD_CALL)
    if not found or b"\n_ANSIBALLZ_WRAPPER = True\n" not in wrapper:
        raise ColdError("not a module that AnsiballZ has packed")
    return (wrapper + PAYLOAD_END).count(b"\n") + 1


def prepare(payload: bytes, library: Library, line: int) -> Callable[[], None]:
    """Define the payload's own wrapper and return the call of it; raises ColdError when it has to run elsewhere."""
    if call_line(payload) != line:
        raise ColdError("a wrapper of another length")
    wrapper, _end, arguments = payload.partition(PAYLOAD_END + PAYLOAD_CALL)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(wrapper, "<stdin>", "exec"), namespace)  # noqa: S102  # the module that Ansible wants to have run
    keywords = eval(b"dict(\n" + arguments.strip(), namespace)  # noqa: S307  # as above
    if set(keywords) != PAYLOAD_ARGUMENTS:
        raise ColdError("a wrapper with other arguments")
    library.require_same(zipfile.ZipFile(io.BytesIO(base64.b64decode(keywords["zip_data"]))))
    return partial(namespace["_ansiballz_main"], **keywords)


def require_same_start(environment: Mapping[str, str]) -> None:
    """Raise ColdError when the task's environment would make another interpreter of a fresh one."""

    def relevant(variables: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in variables.items() if STARTUP_VARIABLES.match(name)}

    if relevant(environment) != relevant(os.environ):
        raise ColdError("an environment that changes the interpreter")


def take(connection: socket.socket, library: Library, line: int, server: int) -> Callable[[], None]:
    """Receive a task, in a child of the server, and become the process that its client would have started to run it."""
    # The kernel ends this process when the server ends, however that happens.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    os.setpgid(0, 0)
    try:
        request, stdout, stderr = receive_request(connection)
        require_same_start(request.environment)
        call = prepare(request.payload, library, line)
        os.chdir(request.directory)
    except Exception as reason:
        # Nothing has run yet, so any surprise is a reason for a fresh interpreter.
        with suppress(OSError):
            connection.sendall(f"cold {' '.join(str(reason).split())}\n".encode())
        os._exit(0)
    connection.close()
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(request.environment)
    os.umask(request.umask)
    time.tzset()
    tempfile.tempdir = None  # decided anew from the environment
    sys.argv = [""]
    return call


def finish(end: BaseException | None) -> NoReturn:
    """End a child as an interpreter ends, without taking apart the memory that it shares with the server."""
    code: Any = 0
    if isinstance(end, SystemExit):
        code = end.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    elif end:
        traceback.print_exception(end)
        code = 1
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for the module's threads
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit((code or 0) & 0xFF)


# ---- The server ------------------------------------------------------------------------------------------------------------------


@dataclass
class Task:
    """A child at work and the client that waits for it."""

    pid: int
    connection: socket.socket


class Server:
    """Accepts, forks, and reports exits until the run ends."""

    def __init__(self, listener: socket.socket, run_pidfd: int, library: Library, line: int) -> None:
        self._listener = listener
        self._run_pidfd = run_pidfd
        self._library = library
        self._line = line
        self._by_exit: dict[int, Task] = {}
        self._by_client: dict[int, Task] = {}
        self._events = select.epoll()
        for descriptor in (listener.fileno(), run_pidfd):
            self._events.register(descriptor, select.EPOLLIN)

    def serve_until_the_run_ends(self) -> Callable[[], None] | None:
        """Return what to run when it is a child that returns; None in the server itself."""
        while True:
            for descriptor, _event in self._events.poll():
                if descriptor == self._run_pidfd:
                    return None
                if descriptor == self._listener.fileno():
                    call = self._start()
                    if call:
                        return call
                elif descriptor in self._by_exit:
                    self._report(descriptor)
                elif descriptor in self._by_client:
                    # The client gave up, as when a task's timeout has passed: nobody wants the result any more.
                    self._events.unregister(descriptor)
                    with suppress(ProcessLookupError):
                        os.killpg(self._by_client[descriptor].pid, signal.SIGKILL)

    def _start(self) -> Callable[[], None] | None:
        connection, _address = self._listener.accept()
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._close()
            return take(connection, self._library, self._line, server)
        with suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        task = Task(pid, connection)
        pidfd = os.pidfd_open(pid)
        self._by_exit[pidfd] = self._by_client[connection.fileno()] = task
        self._events.register(pidfd, select.EPOLLIN)
        self._events.register(connection.fileno(), select.EPOLLRDHUP)
        return None

    def _report(self, pidfd: int) -> None:
        task = self._by_exit.pop(pidfd)
        del self._by_client[task.connection.fileno()]
        os.close(pidfd)
        _pid, status = os.waitpid(task.pid, 0)
        with suppress(OSError):
            task.connection.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
        task.connection.close()

    def _close(self) -> None:
        """Give up, in a child, what belongs to the server alone."""
        self._events.close()
        self._listener.close()
        os.close(self._run_pidfd)
        for pidfd, task in self._by_exit.items():
            os.close(pidfd)
            task.connection.close()


def start_script(line: int) -> str:
    """The script whose standard input makes an interpreter the server, with `main`'s arguments on its command line.

    Its call of the payload's wrapper stands on the same line as in the payload, which an interpreter reads from its standard input too:
    so the tracebacks that modules report are those of a fresh interpreter, down to the last frame.
    """
    script = f"""\
import importlib.util, sys
specification = importlib.util.spec_from_file_location("aws_worker_server", {__file__!r})
server = importlib.util.module_from_spec(specification)
sys.modules[server.__name__] = server
specification.loader.exec_module(server)
_ansiballz_main = server.main(*sys.argv[1:])
try:
    _ansiballz_main()
except BaseException as end:
    server.finish(end)
server.finish(None)
"""
    padding = line - 1 - script[: script.index("    _ansiballz_main()")].count("\n")
    return "\n" * padding + script


def main(directory_descriptor: str, run_pidfd: str, settings: str) -> Callable[[], None]:
    """Load, serve until the process behind the pidfd has ended, and end; returns in the children only, with what each has to run.

    The settings are JSON: `roots`, where the packages are, and `line`, on which payloads call their wrapper.
    """
    directory, options = int(directory_descriptor), json.loads(settings)
    os.fchdir(directory)
    os.umask(0o077)
    library = load_library({package: Path(path) for package, path in options["roots"].items()})
    with suppress(FileNotFoundError):  # of a server that was killed; the caller's lock keeps others out
        Path(SOCKET_NAME).unlink()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET_NAME)
    listener.listen(128)
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
    call = Server(listener, int(run_pidfd), library, options["line"]).serve_until_the_run_ends()
    if call:
        os.close(directory)
        return call
    with suppress(OSError):
        os.unlink(SOCKET_NAME, dir_fd=directory)
    os._exit(0)
