# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that keeps a run's lease and record, beside ansible-playbook and never longer than needed after it.

Started by `run_client.start` with the run's pidfd and, on its standard input, what it needs as JSON: nothing of it, credentials least of
all, is written anywhere. It takes the lease, writes the record's first version, answers with one line on its standard output and goes into
the background: in a session of its own, without the run's terminal and pipes. From then on it

- renews the lease, and stops the run when that is no longer possible: SIGINT to ansible-playbook, after STOP_SECONDS SIGKILL;
- takes what the run has to say from a Unix socket in the run's own temporary directory, in the words of run_protocol;
- releases the lease and writes the record's last version when the run says that it ends, or has ended without a word.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from ansible_collections.indivillage.infra.plugins.module_utils.lease import (
    TERM_SECONDS,
    Acquired,
    Claim,
    HeldError,
    Holder,
    LeaseError,
    LeaseTable,
    LostError,
    ServerClock,
    describe,
    moment,
)
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import Record, RunHistory, plan_name
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_protocol import SOCKET_NAME, Begun, Settings
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HEARTBEAT_SECONDS = 15
RETRY_SECONDS = 3
# Without a renewal for so long the run is stopped, early enough to be gone when the lease ends.
SAFE_SECONDS = TERM_SECONDS * 2 // 3
STOP_SECONDS = 15
ATTEMPTS = 3  # at what no heartbeat repeats
# A call may take 17 seconds in all, so that one that hangs does not use up the time in which the run can be stopped.
CALLS = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})


class Keeper:
    """Holds one lease and one record until the run ends."""

    def __init__(
        self, leases: LeaseTable, holder: Holder, history: RunHistory, record: Record, run_pidfd: int, *, began: float | None = None
    ) -> None:
        self._leases = leases
        self._holder = holder
        self._history = history
        self._record = record
        self._run_pidfd = run_pidfd
        self._began = self._renewed = time.monotonic() if began is None else began
        self._due: float | None = self._renewed + HEARTBEAT_SECONDS
        self._stopped: str | None = None
        self._over = False
        self._problems: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, bytearray] = {}

    @property
    def _environment(self) -> str:
        return str(self._record["environment"])

    def keep(self, listener: socket.socket) -> None:
        """Serve until the run ends."""
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._run_pidfd, selectors.EVENT_READ, self._run_is_gone)
        while not self._over:
            for key, _mask in self._selector.select(None if self._due is None else max(0.0, self._due - time.monotonic())):
                key.data(key.fileobj)
            if self._due is not None and time.monotonic() >= self._due and not self._over:
                self._tick()
        for client in self._clients:
            client.close()
        self._selector.close()

    # ---- the lease

    def _tick(self) -> None:
        if self._stopped:
            self._signal(signal.SIGKILL)  # it had its time; the end comes through the pidfd
            self._due = None
            return
        asked = time.monotonic()
        try:
            self._leases.renew(self._environment, self._holder)
        except LostError:
            self._stop_run(f"The lease of {self._environment} was lost: somebody else has taken it, or released it. {self._successor()}")
        except (BotoCoreError, ClientError) as error:
            if asked - self._renewed > SAFE_SECONDS:
                self._stop_run(f"The lease of {self._environment} could not be renewed for {asked - self._renewed:.0f} seconds: {error}")
            else:
                self._due = time.monotonic() + RETRY_SECONDS
        else:
            self._renewed = asked
            self._due = asked + HEARTBEAT_SECONDS

    def _successor(self) -> str:
        with suppress(BotoCoreError, ClientError, LeaseError):
            holder = self._leases.holder(self._environment)
            if holder:
                return f"It is with {holder.who} since {moment(holder.since)}, for: {holder.reason}."
        return "playbooks/show_runs.yml says who."

    def _stop_run(self, message: str) -> None:
        """A run without a lease must not go on writing."""
        self._stopped = f"{message} This run was stopped before its next task; run it again when the environment is free."
        for client in self._clients:
            self._send(client, {"stop": self._stopped})
        self._signal(signal.SIGINT)
        self._due = time.monotonic() + STOP_SECONDS

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended meanwhile; the pidfd tells next
            signal.pidfd_send_signal(self._run_pidfd, number)

    # ---- the run

    def _accept(self, listener: socket.socket) -> None:
        client, _address = listener.accept()
        client.settimeout(STOP_SECONDS)
        self._clients[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ, self._read)

    def _read(self, client: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = client.recv(1 << 16)
        if not data:
            self._selector.unregister(client)
            del self._clients[client]
            client.close()
            return
        *lines, rest = (self._clients[client] + data).split(b"\n")
        self._clients[client][:] = rest
        for line in lines:
            self._receive(client, json.loads(line))

    def _receive(self, client: socket.socket, message: dict[str, Any]) -> None:
        self._record.update(message.get("set", {}))
        for key, values in message.get("add", {}).items():
            self._record[key] += values
        if "plan" in message:
            digest = message["plan"]["digest"]
            self._record["plan"] = digest
            self._problems += persist(lambda: self._history.put_document(plan_name(digest), json.dumps(message["plan"])))
        if "hello" in message:
            self._send(client, {"run_id": self._record["run_id"], "token": self._holder.token})
        if "end" in message:
            self._finish(message["end"])
            place = self._history.place(self._environment, self._record["run_id"])
            for other in self._clients.keys() - {client}:
                self._send(other, {"over": True})
            self._send(client, {"record": self._record, "place": place, "problems": self._problems})

    def _run_is_gone(self, _pidfd: int) -> None:
        if not self._over:
            self._finish("killed")

    def _finish(self, result: str) -> None:
        """Release the lease and write the record."""
        self._record.update(
            ended=timestamp(),
            seconds=round(time.monotonic() - self._began, 1),
            result="stopped" if self._stopped else result,
            note=self._stopped or self._record["note"],
        )
        self._problems += persist(self._release) + persist(lambda: self._history.put(self._record))
        self._over = True

    def _release(self) -> None:
        with suppress(LostError):
            self._leases.release(self._environment, self._holder)

    @staticmethod
    def _send(client: socket.socket, message: dict[str, Any]) -> None:
        with suppress(OSError):  # whoever is gone needs no answer
            client.sendall(json.dumps(message).encode() + b"\n")


def repeat[T](call: Callable[[], T]) -> T:
    """Do one thing, again if need be; raises what the last attempt has raised."""
    for _attempt in range(1, ATTEMPTS):
        with suppress(BotoCoreError, ClientError):
            return call()
        time.sleep(1)
    return call()


def persist(write: Callable[[], None]) -> list[str]:
    """Do one write, again if need be; why it could not be done, as a list of no or one sentence."""
    try:
        repeat(write)
    except (BotoCoreError, ClientError) as error:
        return [f"{error} (tried {ATTEMPTS} times)"]
    return []


def timestamp() -> str:
    """Now, in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def take(leases: LeaseTable, history: RunHistory, record: Record) -> Acquired:
    """Take the lease for a run and write that it runs; a lease that cannot be recorded is given back."""
    environment = record["environment"]
    acquired = repeat(lambda: leases.acquire(environment, Claim(record["run_id"], record["who"], record["commit"], record["reason"])))
    record["token"] = acquired.holder.token
    try:
        repeat(lambda: history.put(record))
        if former := acquired.expired:
            repeat(lambda: history.close(environment, former.run_id, f"its lease expired and was taken over by {record['run_id']}"))
    except (BotoCoreError, ClientError):
        leases.release(environment, acquired.holder)
        raise
    return acquired


def main(directory_descriptor: str, run_pidfd: str) -> None:
    """Take the lease, answer, and keep it. The answer is one JSON object, see `run_protocol.Begun`."""
    if os.fork():  # whoever started this waits for its standard output to be closed, not for the process
        os._exit(0)
    settings = Settings(**json.load(sys.stdin))
    os.environ.clear()
    os.environ.update(settings.variables)
    dynamodb, s3 = (boto3.client(service, region_name=settings.region, config=CALLS) for service in ("dynamodb", "s3"))
    clock = ServerClock(dynamodb)
    leases = LeaseTable(dynamodb, settings.lease_table, clock)
    history = RunHistory(dynamodb, s3, settings.runs_table, settings.bucket)
    began = time.monotonic()
    try:
        acquired = take(leases, history, settings.record)
    except HeldError as held:
        _answer(Begun(held=describe(held.holder, clock())))
        return
    except (LeaseError, BotoCoreError, ClientError) as error:
        _answer(Begun(problem=str(error)))
        return
    directory = int(directory_descriptor)
    listener = _listen(directory)
    _answer(Begun(acquired.holder.token, asdict(acquired.expired) if acquired.expired else None))
    Keeper(leases, acquired.holder, history, settings.record, int(run_pidfd), began=began).keep(listener)
    with suppress(OSError):
        os.unlink(SOCKET_NAME, dir_fd=directory)


def _answer(answer: Begun) -> None:
    """Say what came of it, and let go of the pipes to whoever started this."""
    sys.stdout.write(json.dumps(asdict(answer)) + "\n")
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _listen(directory: int) -> socket.socket:
    """A socket in the run's temporary directory, which only its owner may enter."""
    os.fchdir(directory)
    os.umask(0o077)
    Path(SOCKET_NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET_NAME)
    listener.listen(8)
    os.chdir("/")
    return listener
