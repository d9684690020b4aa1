# SPDX-License-Identifier: GPL-3.0-or-later
"""What the aws_worker connection and its server say to one another: one task, as a fresh interpreter would be given it."""

from __future__ import annotations

import json
import re
import socket
import struct
from dataclasses import dataclass

SOCKET_NAME = "aws_worker.sock"
CALLS_NAME = "aws_worker.calls"
READY = b"ready\n"
# How a payload of AnsiballZ ends: its wrapper is defined above, the arguments follow, one a line.
PAYLOAD_END = b'\n\nif __name__ == "__main__":\n'
PAYLOAD_CALL = b"    _ansiballz_main(\n"
CHECK_MODE = b'"_ansible_check_mode": true'
AWS_MODULE = re.compile(rb"module_fqn='ansible_collections\.(amazon\.aws|community\.aws|indivillage\.infra)\.")
HEADER = struct.Struct("!II")


class ColdError(Exception):
    """This task must run in a fresh interpreter; the text says why."""


@dataclass(frozen=True)
class Request:
    """One task: the environment, directory and file mode mask that a fresh interpreter would be started with, and its standard input.

    `approved` names what holds data and may be deleted all the same.
    """

    environment: dict[str, str]
    directory: str
    umask: int
    payload: bytes
    approved: tuple[str, ...] = ()


def send_request(connection: socket.socket, request: Request, stdout: int, stderr: int) -> None:
    """Send a task, with the descriptors that shall become the module's stdout and stderr."""
    values = {"environment": request.environment, "directory": request.directory, "umask": request.umask, "approved": request.approved}
    head = json.dumps(values).encode()
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
    head["approved"] = tuple(head["approved"])
    return Request(**head, payload=_receive(connection, payload_size)), stdout, stderr


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


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
    _wrapper, _end, arguments = payload.partition(PAYLOAD_END + PAYLOAD_CALL)
    return CHECK_MODE in arguments and AWS_MODULE.search(arguments) is not None
