# SPDX-License-Identifier: GPL-3.0-or-later
"""What the aws_worker connection and its server say to one another: one task, as a fresh interpreter would be given it."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import signal
import socket
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOCKET_NAME = "aws_worker.sock"
CALLS_NAME = "aws_worker.calls"
STALE_NAME = "aws_worker.stale"
READS_KEPT = "reads"  # below Ansible's home directory
PACKAGE = "aws_worker"  # what the server calls the directory of this file
READY = b"ready\n"
# How a payload of AnsiballZ ends: its wrapper is defined above, the arguments follow, one a line.
PAYLOAD_END = b'\n\nif __name__ == "__main__":\n'
PAYLOAD_CALL = b"    _ansiballz_main(\n"
PAYLOAD_PACKED = b"\nzip_data="  # the last argument, and most of a payload
CHECK_MODE = b'"_ansible_check_mode": true'
AWS_MODULE = re.compile(rb"module_fqn='ansible_collections\.(amazon\.aws|community\.aws|indivillage\.infra)\.")
MODULE = re.compile(rb"\nmodule_fqn='ansible_collections\.([\w.]+)'")
HEADER = struct.Struct("!II")
PR_SET_PDEATHSIG = 1


def end_with(server: int) -> None:
    """Have the kernel end this process, a child of the server, when the server ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


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
from {PACKAGE} import worker_server
child = worker_server.main(*sys.argv[1:])
while True:
    _ansiballz_main = child.call
    try:
        _ansiballz_main()
    except BaseException as end:
        child.finish(end)
    else:
        child.finish(None)
"""
    padding = line - 1 - script[: script.index("        _ansiballz_main()")].count("\n")
    return "\n" * padding + script


def mark_stale(directory: int) -> None:
    """Have nothing answered ahead any more, in the whole run."""
    os.close(os.open(STALE_NAME, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=directory))


def is_stale(directory: int) -> bool:
    """Whether the run has changed something."""
    try:
        os.stat(STALE_NAME, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


class ColdError(Exception):
    """This task must run in a fresh interpreter; the text says why."""


@dataclass(frozen=True)
class Request:
    """One task: the environment, directory and file mode mask that a fresh interpreter would be started with, and its standard input.

    `approved` names what holds data and may be deleted all the same. `read_ahead` is whether what runs before have read, and what their
    modules came to, may be used. `batch` is what tasks have in common that run side by side.
    """

    environment: dict[str, str]
    directory: str
    umask: int
    payload: bytes
    approved: tuple[str, ...] = ()
    read_ahead: bool = False
    batch: str = ""

    @cached_property
    def environment_digest(self) -> str:
        return hashlib.sha256(json.dumps(sorted(self.environment.items())).encode()).hexdigest()


@dataclass(frozen=True)
class Received:
    """A task as it arrives: its payload ends where the packed files begin, which are the same for many tasks and are read on demand."""

    connection: socket.socket
    request: Request
    digest: str  # of the packed files
    stdout: int
    stderr: int
    memory: int
    offset: int  # of the packed files in the memory

    def packed(self) -> bytes:
        """The packed files, as they stand in the payload."""
        return os.pread(self.memory, os.fstat(self.memory).st_size - self.offset, self.offset)

    def close(self) -> None:
        """Give up the descriptors that came with the task."""
        for descriptor in (self.stdout, self.stderr, self.memory):
            os.close(descriptor)


def send_request(connection: socket.socket, request: Request, stdout: int, stderr: int) -> None:
    """Send a task, with the descriptors that shall become the module's stdout and stderr.

    One small message, which the server receives whole or not at all; what is large lies in memory that is handed over with it.
    """
    start, name, packed = request.payload.partition(PAYLOAD_PACKED)
    head = json.dumps(
        {
            "request": {
                "environment": request.environment,
                "directory": request.directory,
                "umask": request.umask,
                "approved": request.approved,
                "read_ahead": request.read_ahead,
                "batch": request.batch,
            },
            "digest": hashlib.sha256(packed).hexdigest(),
        }
    ).encode()
    start += name
    with os.fdopen(os.memfd_create("task"), "wb") as memory:
        memory.writelines((head, start, packed))
        memory.flush()
        socket.send_fds(connection, [HEADER.pack(len(head), len(start))], [stdout, stderr, memory.fileno()])


def receive_request(connection: socket.socket) -> Received:
    """Receive a task; raises EOFError when the client is gone."""
    header, descriptors, _flags, _address = socket.recv_fds(connection, HEADER.size, 3)
    if len(header) != HEADER.size or len(descriptors) != 3:
        raise EOFError
    stdout, stderr, memory = descriptors
    head_size, start_size = HEADER.unpack(header)
    offset = head_size + start_size
    content = os.pread(memory, offset, 0)
    head = json.loads(content[:head_size])
    head["request"]["approved"] = tuple(head["request"]["approved"])
    request = Request(**head["request"], payload=content[head_size:])
    return Received(connection, request, head["digest"], stdout, stderr, memory, offset)


def beginning_of_payloads(code: str) -> bytes:
    """How each payload begins, up to the arguments of its wrapper, which is made of this code."""
    return f"{code}\n".encode() + PAYLOAD_END + PAYLOAD_CALL


def call_line(payload: bytes) -> int:
    """The line on which a payload calls its wrapper; raises ColdError for anything that AnsiballZ has not made."""
    wrapper, found, _arguments = payload.partition(PAYLOAD_END + PAYLOAD_CALL)
    if not found or b"\n_ANSIBALLZ_WRAPPER = True\n" not in wrapper:
        raise ColdError("not a module that AnsiballZ has packed")
    return (wrapper + PAYLOAD_END).count(b"\n") + 1


def wrapper_of(payload: bytes) -> str:
    """The text of a payload's wrapper."""
    return payload.partition(PAYLOAD_END + PAYLOAD_CALL)[0].decode()


def plans_aws(payload: bytes) -> bool:
    """Whether this is a module in check mode, of a collection whose modules call AWS."""
    return CHECK_MODE in payload.partition(PAYLOAD_END + PAYLOAD_CALL)[2] and calls_aws(payload)


def module_and_mode(payload: bytes) -> tuple[str, str]:
    """The name of the module of a collection whose modules call AWS, and whether it checks or applies; for the log of calls."""
    found = MODULE.search(payload)
    return found[1].decode().replace(".plugins.modules.", ".") if found else "", "check" if plans_aws(payload) else "apply"


def calls_aws(payload: bytes) -> bool:
    """Whether this is a module of a collection whose modules call AWS."""
    return AWS_MODULE.search(payload.partition(PAYLOAD_END + PAYLOAD_CALL)[2]) is not None
