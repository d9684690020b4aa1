# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time: who gets the lease, keeps it, loses it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.lease import (
    TERM_SECONDS,
    Claim,
    HeldError,
    LeaseError,
    LeaseTable,
    LostError,
    ServerClock,
    describe,
)

from tests.unit.run.samples import REGION, Account, Clock


def claim(name: str = "first") -> Claim:
    return Claim(run_id=f"run-{name}", who=f"{name}@desk", commit="0123abc", reason="a test")


@pytest.fixture
def table(account: Account, clock: Clock) -> LeaseTable:
    return LeaseTable(account.dynamodb, account.leases, clock)


def test_the_second_writer_learns_who_the_first_is(table: LeaseTable, clock: Clock) -> None:
    first = table.acquire("staging", claim()).holder
    clock.now += 70

    with pytest.raises(HeldError) as refused:
        table.acquire("staging", claim("second"))

    assert refused.value.holder == first
    assert describe(first, clock.now).splitlines() == [
        "  who:     first@desk",
        "  since:   2027-01-15 08:00:00 UTC (1 min 10 s ago)",
        "  commit:  0123abc",
        "  reason:  a test",
        "  run:     run-first",
        "  expires: 2027-01-15 08:01:30 UTC (in 20 s unless renewed)",
    ]
    assert table.acquire("production", claim("second")).holder.token == 1  # another environment is nobody's business


def test_a_call_whose_answer_was_lost_may_be_repeated(table: LeaseTable, account: Account, clock: Clock) -> None:
    """Once as the service's client repeats it, after the lease was found to be free, and once from the beginning."""

    class Lossy:
        def __getattr__(self, name: str) -> Any:
            return getattr(account.dynamodb, name)

        def update_item(self, **arguments: Any) -> Any:
            account.dynamodb.update_item(**arguments)
            return account.dynamodb.update_item(**arguments)

    taken = LeaseTable(Lossy(), account.leases, clock).acquire("staging", claim())

    assert (taken.holder.run_id, taken.holder.token) == ("run-first", 1)
    assert table.acquire("staging", claim()).holder == taken.holder
    with pytest.raises(HeldError):
        LeaseTable(Lossy(), account.leases, clock).acquire("staging", claim("second"))


def test_the_token_grows_with_every_acquisition(table: LeaseTable, clock: Clock) -> None:
    tokens = []
    for _round in range(2):
        holder = table.acquire("staging", claim()).holder
        tokens.append(holder.token)
        table.release("staging", holder)
        assert table.holder("staging") is None
    tokens.append(table.acquire("staging", claim()).holder.token)
    clock.now += TERM_SECONDS + 1
    tokens.append(table.acquire("staging", claim("second")).holder.token)

    assert tokens == [1, 2, 3, 4]


def test_an_expired_lease_is_taken_over_and_its_holder_named(table: LeaseTable, clock: Clock) -> None:
    first = table.acquire("staging", claim()).holder
    clock.now += TERM_SECONDS
    with pytest.raises(HeldError):
        table.acquire("staging", claim("second"))

    clock.now += 1
    taken = table.acquire("staging", claim("second"))

    assert taken.expired == first
    assert taken.holder.run_id == "run-second"


def test_a_renewed_lease_does_not_expire(table: LeaseTable, clock: Clock) -> None:
    holder = table.acquire("staging", claim()).holder
    for _heartbeat in range(5):
        clock.now += TERM_SECONDS - 1
        table.renew("staging", holder)

    with pytest.raises(HeldError):
        table.acquire("staging", claim("second"))


def test_a_stale_token_can_neither_renew_nor_release(table: LeaseTable, clock: Clock) -> None:
    stale = table.acquire("staging", claim()).holder
    clock.now += TERM_SECONDS + 1
    holder = table.acquire("staging", claim()).holder  # even the same run, come back from sleep, is another holder

    for attempt in (table.renew, table.release):
        with pytest.raises(LostError):
            attempt("staging", stale)
    assert table.holder("staging") == holder


def test_a_free_lease_can_neither_be_renewed_nor_released(table: LeaseTable) -> None:
    holder = table.acquire("staging", claim()).holder
    table.release("staging", holder)

    for attempt in (table.renew, table.release):
        with pytest.raises(LostError):
            attempt("staging", replace(holder, token=holder.token + 1))


def test_a_missing_table_is_named(account: Account, clock: Clock) -> None:
    with pytest.raises(LeaseError, match=r"no lease table elsewhere: run playbooks/begin_run\.yml"):
        LeaseTable(account.dynamodb, "elsewhere", clock).acquire("staging", claim())


def test_time_is_that_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("dynamodb", region_name=REGION)
    clock = ServerClock(client)
    true_time = time.time()
    monkeypatch.setattr(time, "time", lambda: true_time + 240)  # this machine is four minutes ahead
    assert clock() == pytest.approx(true_time + 240)

    date = datetime.fromtimestamp(true_time, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    details: dict[str, Any] = {"parsed": {}, "model": None, "context": {"retries": {}}}
    client.meta.events.emit(
        "after-call.dynamodb.GetItem", http_response=SimpleNamespace(headers={"Date": date}, status_code=200), **details
    )

    assert clock() == pytest.approx(true_time, abs=1)
