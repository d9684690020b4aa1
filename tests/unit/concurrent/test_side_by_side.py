# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls side by side come back in their order, never more of them at a time than allowed."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.side_by_side import in_order

WHO = contextvars.ContextVar("WHO", default="nobody")


@pytest.mark.parametrize(("calls", "limit"), [(1, 8), (3, 8), (8, 8), (9, 8), (40, 3), (5, 1)])
def test_results_come_in_the_order_of_the_calls(calls: int, limit: int) -> None:
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(min(calls, limit), timeout=60)  # passed only by as many calls at a time as are allowed

    def call(number: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if number < together.parties:
            together.wait()
        time.sleep(0.01 if number % 2 else 0.02)
        with lock:
            now -= 1
        return number

    def bound(number: int) -> object:
        return lambda: call(number)

    results = [future.result() for future in in_order([bound(number) for number in range(calls)], limit)]

    assert results == list(range(calls))
    assert most == min(calls, limit)


def test_a_call_is_begun_before_the_next_one_is_ready() -> None:
    begun = threading.Event()

    def calls() -> Iterator[Callable[[], object]]:
        yield begun.set
        assert begun.wait(10)
        yield lambda: "second"

    assert [future.result() for future in in_order(calls(), 2)] == [None, "second"]


def test_no_calls() -> None:
    assert list(in_order([], 8)) == []


def test_what_one_call_raises_stops_no_other() -> None:
    def fails() -> int:
        raise ValueError("no")

    first, second, third = in_order([lambda: 1, fails, lambda: 3], 2)

    assert (first.result(), third.result()) == (1, 3)
    with pytest.raises(ValueError, match="no"):
        second.result()


def test_the_calls_see_the_callers_context() -> None:
    WHO.set("me")
    assert [future.result() for future in in_order([WHO.get] * 3, 2)] == ["me"] * 3


def test_when_the_caller_gives_up_no_further_call_is_made() -> None:
    made: list[int] = []
    hold = threading.Event()

    def call(number: int) -> None:
        made.append(number)
        if number:
            hold.wait(10)

    results = in_order([lambda number=number: call(number) for number in range(6)], 2)
    next(results)
    while len(made) < 3:
        time.sleep(0.01)
    results.close()
    hold.set()
    time.sleep(0.1)

    assert sorted(made) == [0, 1, 2]
