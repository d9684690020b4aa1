# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of AWS that are made ahead of the tasks that ask for them: a run that changes nothing asks what the run before it has asked.

A task asks AWS one thing after the other, and the tasks of a stack follow one another, so that most of a run is waiting for answers. What
a run has read, in which order, is kept for the next one of the same playbook, inventory and stack. In that one a process beside the tasks
makes the same reads, a bounded number at once and ahead, and a task whose very same request has been answered is given that answer. So

- an answer is never older than the run, and no older than `MAXIMAL_AGE_SECONDS`;
- an answer serves one request, and never the repetition of a request by the same task: who waits for a change sees it;
- from the first call of the run that may change anything, every request is made by its task again;
- a request that nobody has foreseen is made by its task, as ever.

What is kept are parameters of reads: names and ids. Requests whose answers hold secrets or objects are not among them.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pickle
import re
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .planning import operations

CONCURRENCY = 8
MAXIMAL_AHEAD = 100
MAXIMAL_AGE_SECONDS = 30.0
MAXIMAL_WAIT_SECONDS = 60.0  # for an answer under way; a slow one is asked for again
MAXIMAL_READS = 5000
UNUSED_SECONDS = 30 * 24 * 3600
READS_NAME = "aws_worker.reads"

# Answers with secrets or contents, questions about what changes by itself, and those by which tasks guard one another.
NOT_AHEAD = re.compile(
    r"(dynamodb|sts|sso|sso-oidc) .*|s3 (Get|Head|Select)Object(?!Lock).*|s3 List(Objects|ObjectVersions|Parts|MultipartUploads).*"
    r"|secretsmanager (Batch)?GetSecretValue|ssm GetParameter.*|kms (Decrypt|GetParameters).*"
    r"|\S+ .*(TargetHealth|InstanceHealth|Status|Refresh|Activit|Invocation|Execution|Events|Jobs?|Metric(Data|Statistics)).*"
)
# Writes after which every other read answers as before.
WITHOUT_EFFECT = re.compile(r"dynamodb (Put|Update|Delete|BatchWrite|TransactWrite)Items?|s3 PutObject|sns Publish")
PAGE = re.compile(r"(?i).*(token|marker)$")  # parameters that an answer has given
SECRET = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}

CREDENTIAL_SCOPE = re.compile(r"Credential=[^/]*/\d{8}/([^/]+)/")
LENGTH = struct.Struct("!I")
IDENTITY_SIZE = 32
Answer = tuple[int, list[tuple[str, str]], bytes]
"""An HTTP response: status, headers, body."""


def stack_of(environment: Mapping[str, str]) -> str:
    """A name for the account and region that a task's environment leads to; it tells nothing of secrets."""
    settings = sorted((name, value) for name, value in environment.items() if name.startswith("AWS_") and name not in SECRET)
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def may_be_ahead(service: str, operation: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a call may be made ahead of its task."""
    if NOT_AHEAD.fullmatch(f"{service} {operation}") or any(PAGE.match(name) for name in parameters):
        return False
    try:
        return operations.classify(service, operation) == operations.READ
    except operations.UnknownServiceError:
        return False


def may_change(service: str, operation: str) -> bool:
    """Whether other reads may answer otherwise after a call."""
    try:
        changes = operations.classify(service, operation) == operations.WRITE
    except operations.UnknownServiceError:
        return True
    return changes and not WITHOUT_EFFECT.fullmatch(f"{service} {operation}")


def identity(method: str, url: str, headers: Mapping[str, Any], body: Any) -> bytes:
    """What two requests have in common that ask the same, in the same place; signatures and times are no part of it.

    Behind an endpoint of one's own all regions have the same address: there only the signature tells the place.
    """
    parts = (method, url, _text(headers.get("X-Amz-Target", "")), signed_region(headers))
    content = body if isinstance(body, bytes) else str(body or "").encode()
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + content).digest()


def signed_region(headers: Mapping[str, Any]) -> str:
    """The region for which a request is signed; empty when it is not signed."""
    found = CREDENTIAL_SCOPE.search(_text(headers.get("Authorization", "")))
    return found[1] if found else ""


def _text(header: Any) -> str:
    return header.decode() if isinstance(header, bytes) else str(header)


# ---- What is kept from run to run ----


@dataclass(frozen=True)
class Read:
    """One read of a run: where and what was asked."""

    stack: str
    service: str
    operation: str
    region: str
    parameters: dict[str, Any]

    def line(self) -> bytes:
        """As it is kept; raises TypeError or ValueError for parameters that are no JSON."""
        return json.dumps([self.stack, self.service, self.operation, self.region, self.parameters]).encode() + b"\n"


def load(file: Path) -> list[Read]:
    """The reads of the run before, none when there was none; a line that is no read is left out."""
    reads: list[Read] = []
    with suppress(OSError), file.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, TypeError):
                read = Read(*json.loads(line))
                if may_be_ahead(read.service, read.operation, read.parameters):
                    reads.append(read)
    return reads


def keep(file: Path, lines: bytes) -> None:
    """Keep a run's reads for the next one, unless the run before got further; and remove what no run has used for a month."""
    found = lines.splitlines(keepends=True)[:MAXIMAL_READS]
    former = load(file)
    if not found or len(found) * 2 < len(former):
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as kept:
        kept.writelines(found)
    new.replace(file)  # whole or not at all, whatever other runs do
    for other in file.parent.iterdir():
        if other.stat().st_mtime < time.time() - UNUSED_SECONDS:
            other.unlink(missing_ok=True)


# ---- In a task ----


class Asker:
    """Asks, in a task's process, for answers that are there already."""

    def __init__(self, directory: int, name: str, task: bytes) -> None:
        self._address = f"/proc/self/fd/{directory}/{name}"
        self._task = hashlib.sha256(task).digest()

    def ask(self, wanted: bytes) -> Answer | None:
        """The answer to a request; None when the task has to make it itself."""
        with suppress(OSError, EOFError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(MAXIMAL_WAIT_SECONDS)
            connection.connect(self._address)
            connection.sendall(wanted + self._task)
            with connection.makefile("rb") as stream:
                (size,) = LENGTH.unpack(_exactly(stream.read, LENGTH.size))
                # Written by a process that is a fork of the same server.
                return pickle.loads(_exactly(stream.read, size)) if size else None  # noqa: S301
        return None


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    content = read(size)
    if len(content) != size:
        raise EOFError
    return content


def response(url: str, answer: Answer) -> Any:
    """An answer as botocore's HTTP client returns it."""
    status, headers, body = answer
    return importlib.import_module("botocore.awsrequest").AWSResponse(url, status, dict(headers), _Body(body))


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterable[bytes]:
        yield self._content


# ---- In the process beside the tasks ----


@dataclass
class _Pending:
    begun: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class _TakenError(Exception):
    """Ends a call of botocore's as soon as its answer is there, or when nobody needs it."""


class ReadAhead:
    """Makes reads in the order in which they were needed, and hands out the answers."""

    def __init__(self, reads: Iterable[Read], is_stale: Callable[[], bool], log: Callable[..., None]) -> None:
        self._reads = deque(reads)
        self._is_stale = is_stale
        self._log = log
        self._lock = threading.Condition()
        self._making = threading.Lock()
        self._current = threading.local()
        self._pending: dict[bytes, deque[_Pending]] = defaultdict(deque)
        self._asked_in_vain: dict[bytes, int] = defaultdict(int)
        self._served: set[tuple[bytes, bytes]] = set()
        self._clients: dict[tuple[str, str], Any] = {}
        self._ahead = 0

    def start(self) -> None:
        """Begin to read."""
        session = importlib.import_module("boto3").session.Session()
        for _number in range(CONCURRENCY):
            threading.Thread(target=self._work, args=(session,), daemon=True).start()

    def answer(self, wanted: bytes, task: bytes) -> Answer | None:
        """The answer to a task's request, which is waited for when it is under way; None when there is none to come."""
        with self._lock:
            waiting = self._pending.get(wanted)
            if self._is_stale() or (wanted, task) in self._served or not waiting:
                self._asked_in_vain[wanted] += 1
                return None
            self._served.add((wanted, task))
            pending = waiting.popleft()
            self._ahead -= 1
            self._lock.notify_all()
        pending.done.wait(MAXIMAL_AGE_SECONDS)
        fresh = time.monotonic() - pending.begun < MAXIMAL_AGE_SECONDS and not self._is_stale()
        return pending.answer if fresh else None

    def _work(self, session: Any) -> None:
        while (read := self._next()) is not None:
            with suppress(Exception):  # whatever is wrong with it, the task meets it again
                self._make(session, read)

    def _next(self) -> Read | None:
        with self._lock:
            while self._ahead >= MAXIMAL_AHEAD and not self._is_stale():
                self._lock.wait(1)
                self._forget_old()
            return None if self._is_stale() or not self._reads else self._reads.popleft()

    def _forget_old(self) -> None:
        """Give up what nobody has asked for, in favour of what may be asked for next."""
        oldest = time.monotonic() - MAXIMAL_AGE_SECONDS
        for waiting in self._pending.values():
            while waiting and waiting[0].begun < oldest:
                waiting.popleft()
                self._ahead -= 1

    def _make(self, session: Any, read: Read) -> None:
        client = self._client(session, read)
        self._current.read = read
        name = next(method for method, operation in client.meta.method_to_api_mapping.items() if operation == read.operation)
        with suppress(_TakenError):
            getattr(client, name)(**read.parameters)

    def _client(self, session: Any, read: Read) -> Any:
        with self._making:
            if (read.service, read.region) not in self._clients:
                once = importlib.import_module("botocore.config").Config(retries={"total_max_attempts": 1})
                client = session.client(read.service, region_name=read.region, config=once)
                http = client._endpoint.http_session
                http.send = self._sending(http.send)
                self._clients[read.service, read.region] = client
            return self._clients[read.service, read.region]

    def _sending(self, send: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def sending(request: Any) -> Any:
            wanted = identity(request.method, request.url, request.headers, request.body)
            pending = _Pending()
            with self._lock:
                if self._is_stale():
                    raise _TakenError
                if self._asked_in_vain[wanted]:  # its task was faster
                    self._asked_in_vain[wanted] -= 1
                    raise _TakenError
                self._pending[wanted].append(pending)
                self._ahead += 1
            try:
                answered = send(request)
                pending.answer = (answered.status_code, list(answered.headers.items()), answered.content)
                read: Read = self._current.read
                self._log(read.service, read.operation, read.region, time.monotonic() - pending.begun, answered.status_code)
            finally:
                pending.done.set()
            raise _TakenError

        return sending


def serve(listener: socket.socket, ahead: ReadAhead) -> None:
    """Answer those who ask, for ever."""
    while True:
        connection, _address = listener.accept()
        threading.Thread(target=_serve, args=(connection, ahead), daemon=True).start()


def _serve(connection: socket.socket, ahead: ReadAhead) -> None:
    with connection, suppress(OSError, EOFError), connection.makefile("rb") as stream:
        asked = _exactly(stream.read, 2 * IDENTITY_SIZE)
        answer = ahead.answer(asked[:IDENTITY_SIZE], asked[IDENTITY_SIZE:])
        content = pickle.dumps(answer) if answer else b""
        connection.sendall(LENGTH.pack(len(content)) + content)
