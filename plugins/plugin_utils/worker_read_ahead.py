# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of AWS that are made ahead of the tasks that ask for them: a run that changes nothing asks what the run before it has asked.

A task asks AWS one thing after the other, and the tasks of a stack follow one another, so that most of a run is waiting for answers. What
a run has read, in which order, is kept for the next one of the same playbook, inventory and stack. In that one the process that calls for
the tasks (`worker_caller`) makes the same reads, a bounded number at once and ahead, and a task that calls the very same is given that
answer. So

- an answer is never older than the run, and no older than `MAXIMAL_AGE_SECONDS`;
- an answer serves one call, and a task that goes on to ask the same is not answered ahead any more: who waits for a change sees it;
- from the first call of the run that may change anything, every read is made when its task asks;
- a read that nobody has foreseen is made when its task asks, as ever.

What is kept are parameters of reads: names and ids. Reads whose answers hold secrets, objects or items are not among them.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .planning import operations
from .whole_files import write_whole

CONCURRENCY = 8
MAXIMAL_AHEAD = 100
MAXIMAL_AGE_SECONDS = 30.0
MAXIMAL_READS = 5000
MAXIMAL_TIMES = 4  # a module asks before and after what it may do, and others wait by asking again
UNUSED_SECONDS = 30 * 24 * 3600
READS_NAME = "aws_worker.reads"

# Answers with secrets or contents, questions about what changes by itself, and those by which tasks guard one another.
NOT_AHEAD = re.compile(
    r"(sts|sso|sso-oidc) .*|dynamodb (?!Describe|List).*|s3 (Get|Head|Select)Object(?!Lock).*"
    r"|s3 List(Objects|ObjectVersions|Parts|MultipartUploads).*"
    r"|secretsmanager (Batch)?GetSecretValue|kms (Decrypt|GetParameters).*"
    r"|\S+ .*(TargetHealth|InstanceHealth|(?<!Rotation)Status|Refresh|Activit|Invocation|Execution|Events|Jobs?|Metric(Data|Statistics)).*"
)
# Writes after which every other read answers as before.
WITHOUT_EFFECT = re.compile(r"dynamodb (Put|Update|Delete|BatchWrite|TransactWrite)Items?|s3 PutObject|sns Publish")
PAGE = re.compile(r"(?i).*(token|marker)$")  # parameters that an answer has given
SECRET = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}

CREDENTIAL_SCOPE = re.compile(r"Credential=[^/]*/\d{8}/([^/]+)/")


def stack_of(environment: Mapping[str, str]) -> str:
    """A name for the account and region that a task's environment leads to; it tells nothing of secrets."""
    settings = sorted((name, value) for name, value in environment.items() if name.startswith("AWS_") and name not in SECRET)
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def may_be_ahead(service: str, operation: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a call may be made ahead of its task."""
    if NOT_AHEAD.fullmatch(f"{service} {operation}") or any(PAGE.match(name) for name in parameters):
        return False
    if parameters.get("WithDecryption"):  # of a parameter that is a secret
        return False
    return is_read(service, operation)


def is_read(service: str, operation: str) -> bool:
    """Whether a call is on the reviewed list of reads."""
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


def signed_region(headers: Mapping[str, Any]) -> str:
    """The region for which a request is signed; empty when it is not signed."""
    header = headers.get("Authorization", "")
    found = CREDENTIAL_SCOPE.search(header.decode() if isinstance(header, bytes) else str(header))
    return found[1] if found else ""


# ---- What is kept from run to run ----


@dataclass(frozen=True)
class Read:
    """One read of a run: where and what was asked, and what the client was made of, as JSON."""

    stack: str
    service: str
    operation: str
    client: str
    parameters: dict[str, Any]

    def line(self) -> bytes:
        """As it is kept; raises TypeError or ValueError for parameters that are no JSON."""
        return json.dumps([self.stack, self.service, self.operation, self.client, self.parameters]).encode() + b"\n"

    def key(self) -> bytes:
        """What two reads have in common that ask the same in the same place; raises as `line` does."""
        return json.dumps([self.client, self.operation, self.parameters], sort_keys=True).encode()


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
    write_whole(file, found)
    for other in file.parent.iterdir():
        if other.stat().st_mtime < time.time() - UNUSED_SECONDS:
            other.unlink(missing_ok=True)


# ---- In the process that calls for the tasks ----


@dataclass
class _Pending[Answer]:
    number: int
    """Its place among the reads of the run before."""
    begun: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class ReadAhead[Answer]:
    """Makes reads in the order in which they were needed, and hands out the answers; `call` makes one, and says None for one of no use."""

    def __init__(self, reads: Iterable[Read], call: Callable[[Read], Answer | None], is_stale: Callable[[], bool]) -> None:
        self._reads = deque((number, read.key(), read) for number, read in enumerate(reads, 1))
        self._places: dict[bytes, deque[int]] = defaultdict(deque)
        """Of what has not been read yet, where among the reads it stands."""
        for number, key, _read in self._reads:
            self._places[key].append(number)
        self._call = call
        self._is_stale = is_stale
        self._lock = threading.Condition()
        self._pending: dict[bytes, deque[_Pending[Answer]]] = defaultdict(deque)
        self._asked_in_vain: dict[bytes, int] = defaultdict(int)
        self._asked: dict[tuple[bytes, bytes], int] = defaultdict(int)
        self._made: deque[_Pending[Answer]] = deque()
        self._reached = 0
        """The place up to which tasks have come. Of what lies before it some is never asked for: the run before may have made things."""

    def start(self) -> None:
        """Begin to read."""
        for _number in range(CONCURRENCY if self._reads else 0):
            threading.Thread(target=self._work, daemon=True).start()

    def waits(self, wanted: bytes, task: bytes) -> bool:
        """Whether the task has asked this so often that it seems to wait for a change; the next run need not read more of it ahead."""
        with self._lock:
            self._asked[wanted, task] += 1
            return self._asked[wanted, task] > MAXIMAL_TIMES

    def answer(self, wanted: bytes) -> Answer | None:
        """The answer to a task's read, which is waited for when it is under way; None when there is none to come."""
        with self._lock:
            waiting = self._pending[wanted]
            if self._is_stale() or not waiting:
                self._asked_in_vain[wanted] += 1
                if self._places.get(wanted):
                    self._come_to(self._places[wanted][0])
                return None
            pending = waiting.popleft()
            self._come_to(pending.number)
        pending.done.wait(MAXIMAL_AGE_SECONDS)
        fresh = time.monotonic() - pending.begun < MAXIMAL_AGE_SECONDS and not self._is_stale()
        return pending.answer if fresh else None

    def give_back(self, wanted: bytes, answer: Answer) -> None:
        """Have the next one who asks given an answer that was of no use."""
        with self._lock:
            self._pending[wanted].appendleft(_Pending(self._reached, answer=answer))
            self._pending[wanted][0].done.set()

    def _come_to(self, number: int) -> None:
        """Go on from there, and give up what tasks have passed by."""
        self._reached = max(self._reached, number)
        while self._made and self._made[0].number < self._reached - MAXIMAL_AHEAD:
            self._made.popleft().answer = None
        self._lock.notify_all()

    def _work(self) -> None:
        while found := self._next():
            pending, read = found
            try:
                with suppress(Exception):  # whatever is wrong with it, the task meets it again
                    pending.answer = self._call(read)
            finally:
                pending.done.set()

    def _next(self) -> tuple[_Pending[Answer], Read] | None:
        """The next read to make. It is under way from the moment on at which it is no more one of those to come."""
        with self._lock:
            while self._reads and not self._is_stale():
                number, key, read = self._reads[0]
                if number > self._reached + MAXIMAL_AHEAD:
                    self._lock.wait(1)
                    continue
                self._reads.popleft()
                self._places[key].popleft()
                if self._asked_in_vain[key]:  # its task was faster
                    self._asked_in_vain[key] -= 1
                elif number >= self._reached - MAXIMAL_AHEAD:
                    pending = _Pending[Answer](number)
                    self._pending[key].append(pending)
                    self._made.append(pending)
                    return pending, read
            return None
