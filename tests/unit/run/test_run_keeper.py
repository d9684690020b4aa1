# SPDX-License-Identifier: GPL-3.0-or-later
"""The keeper beside a run: another process stands for ansible-playbook, DynamoDB and S3 are in this process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.lease import Claim, LeaseTable, LostError
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory
from ansible_collections.indivillage.infra.plugins.plugin_utils import run_keeper
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_keeper import Keeper, take
from botocore.exceptions import ClientError

from tests.unit.run.samples import Account, Clock, record

IGNORING = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
WAITING = "print('ready', flush=True); signal.pause()"


class Throttled:
    """A DynamoDB client that answers so many updates with throttling before it does what it is asked."""

    def __init__(self, client: Any, refusals: int) -> None:
        self._client = client
        self.refusals = refusals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def update_item(self, **arguments: Any) -> Any:
        if self.refusals > 0:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "UpdateItem")
        return self._client.update_item(**arguments)


@dataclass
class Run:
    """A run, its keeper in a thread, and what is known of it in AWS."""

    process: subprocess.Popen[str]
    thread: threading.Thread
    socket: Path
    leases: LeaseTable
    history: RunHistory

    def talk(self, message: dict[str, Any], *, answer: bool = True) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as line, line.makefile("r") as answers:
            line.settimeout(10)
            line.connect(str(self.socket))
            line.sendall(json.dumps(message).encode() + b"\n")
            return dict(json.loads(answers.readline())) if answer else {}

    def over(self) -> dict[str, Any]:
        """The record, once the keeper has ended."""
        self.thread.join(10)
        assert not self.thread.is_alive()
        found = self.history.whole("staging", "mine")
        assert found is not None
        return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_keeper, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(run_keeper, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(run_keeper, "STOP_SECONDS", 0.5)


@pytest.fixture
def run(account: Account, clock: Clock, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """A run with its lease; parametrize indirectly with {"throttled": <refusals>, "ignores": <whether it ignores SIGINT>}."""
    options = getattr(request, "param", {})
    script = (IGNORING if options.get("ignores") else "import signal; ") + WAITING
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    leases = LeaseTable(account.dynamodb, account.leases, clock)
    history = RunHistory(account.dynamodb, account.s3, account.runs, account.bucket)
    mine = record(run_id="mine", result="running", ended=None, seconds=None, changed=[])
    acquired = take(leases, history, mine)
    throttled = LeaseTable(Throttled(account.dynamodb, options.get("throttled", 0)), account.leases, clock)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "keeper"))
    listener.listen(8)
    pidfd = os.pidfd_open(process.pid)
    keeper = Keeper(throttled, acquired.holder, history, mine, pidfd)
    thread = threading.Thread(target=keeper.keep, args=(listener,), daemon=True)
    thread.start()
    yield Run(process, thread, tmp_path / "keeper", leases, history)
    process.kill()
    process.wait()
    thread.join(10)
    listener.close()
    os.close(pidfd)
    process.stdout.close()


def test_a_run_that_ends_is_recorded_and_its_lease_is_free(run: Run) -> None:
    assert run.talk({"hello": True}) == {"run_id": "mine", "token": 1}
    change = {"host": "a", "role": "r", "task": "t", "item": ""}
    answer = run.talk({"add": {"changed": [change]}, "set": {"hosts": {"a": {"ok": 1}}}, "end": "succeeded"})

    kept = run.over()
    assert answer == {"record": kept, "place": "s3://site-operations/runs/staging/mine.json", "problems": []}
    assert (kept["result"], kept["changed"], kept["hosts"]) == ("succeeded", [change], {"a": {"ok": 1}})
    assert run.leases.holder("staging") is None


def test_a_run_that_dies_is_recorded_with_what_it_had_done(run: Run) -> None:
    run.talk({"add": {"changed": [{"host": "a"}]}, "hello": True})
    run.process.kill()

    kept = run.over()

    assert (kept["result"], kept["changed"]) == ("killed", [{"host": "a"}])
    assert run.leases.holder("staging") is None


def test_a_lease_that_was_taken_stops_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = run.leases.holder("staging")
    assert holder
    renew, exchange = LeaseTable.renew, threading.Lock()

    def renew_before_or_after(*arguments: Any) -> Any:
        with exchange:
            return renew(*arguments)

    monkeypatch.setattr(LeaseTable, "renew", renew_before_or_after)
    with exchange:
        run.leases.release("staging", holder)
        successor = run.leases.acquire("staging", Claim("theirs", "bob@desk", "", "a repair")).holder

    assert run.process.wait(10) == -signal.SIGINT
    kept = run.over()

    assert kept["result"] == "stopped"
    assert "is with bob@desk since 2027-01-15 08:00:00 UTC, for: a repair." in kept["note"]
    assert run.leases.holder("staging") == successor


@pytest.mark.parametrize("run", [{"ignores": True}], indirect=True)
def test_a_run_that_does_not_heed_is_killed(run: Run) -> None:
    holder = run.leases.holder("staging")
    assert holder
    run.leases.release("staging", holder)

    assert run.process.wait(10) == -signal.SIGKILL
    assert run.over()["result"] == "stopped"


@pytest.mark.parametrize("run", [{"throttled": 3}], indirect=True)
def test_throttled_heartbeats_are_repeated(run: Run, clock: Clock) -> None:
    clock.now += 60
    held = run.leases.holder("staging")
    assert held

    for _look in range(100):
        renewed = run.leases.holder("staging")
        assert renewed
        if renewed.expires == clock.now + 90:
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("the lease was not renewed")
    assert run.talk({"end": "succeeded"})["record"]["result"] == "succeeded"


@pytest.mark.parametrize("run", [{"throttled": 10**6}], indirect=True)
def test_a_lease_that_cannot_be_renewed_for_too_long_stops_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.process.poll() is None
    monkeypatch.setattr(run_keeper, "SAFE_SECONDS", 0.2)
    monkeypatch.setattr(run_keeper, "ATTEMPTS", 1)

    assert run.process.wait(10) == -signal.SIGINT
    assert "could not be renewed" in run.over()["note"]


def test_whoever_listens_hears_why_the_run_is_stopped(run: Run) -> None:
    with socket.socket(socket.AF_UNIX) as line, line.makefile("r") as lines:
        line.connect(str(run.socket))
        line.settimeout(10)
        line.sendall(b'{"hello": true}\n')
        lines.readline()
        holder = run.leases.holder("staging")
        assert holder
        run.leases.release("staging", holder)

        assert "somebody else has taken it, or released it" in json.loads(lines.readline())["stop"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_has_just_ended_is_no_failure(number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    pidfd = os.pidfd_open(process.pid)
    process.wait()
    leases = history = holder = cast(Any, None)
    Keeper(leases, holder, history, {}, pidfd)._signal(number)
    os.close(pidfd)


def test_a_run_begins_though_calls_are_refused(account: Account, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_keeper.time, "sleep", lambda _seconds: None)
    leases = LeaseTable(Throttled(account.dynamodb, 2), account.leases, clock)
    history = RunHistory(account.dynamodb, account.s3, account.runs, account.bucket)
    put, refused = history.put, iter([True, True])

    def put_at_last(kept: Any) -> None:
        if next(refused, False):
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "Rate exceeded"}}, "PutObject")
        put(kept)

    monkeypatch.setattr(history, "put", put_at_last)
    mine = record(run_id="mine", result="running")

    acquired = take(leases, history, mine)

    assert leases.holder("staging") == acquired.holder
    assert history.whole("staging", "mine") == mine


def test_a_lease_that_cannot_be_recorded_is_given_back(account: Account, clock: Clock) -> None:
    leases = LeaseTable(account.dynamodb, account.leases, clock)
    history = RunHistory(account.dynamodb, account.s3, account.runs, "no-such-bucket")

    with pytest.raises(ClientError, match="NoSuchBucket"):
        take(leases, history, record(result="running"))
    assert leases.holder("staging") is None


def test_the_run_whose_lease_expired_is_closed(account: Account, clock: Clock) -> None:
    leases = LeaseTable(account.dynamodb, account.leases, clock)
    history = RunHistory(account.dynamodb, account.s3, account.runs, account.bucket)
    dead = take(leases, history, record(run_id="1", result="running")).holder
    clock.now += 91

    acquired = take(leases, history, record(run_id="2", result="running"))

    assert acquired.expired == dead
    first = history.whole("staging", "1")
    assert first
    assert (first["result"], first["note"]) == ("abandoned", "its lease expired and was taken over by 2")
    with pytest.raises(LostError):
        leases.renew("staging", dead)
