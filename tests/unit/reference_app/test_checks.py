# SPDX-License-Identifier: GPL-3.0-or-later
"""All backends are asked at once, and a silent one costs the deadline and no more."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

from roles.app_tier.files.reference_app.reference.checks import Checks, Result


class Backend:
    """Does what it is told: a text is the answer, an exception is raised, an event is waited for."""

    def __init__(self, behaviour: Any) -> None:
        self.behaviour = behaviour
        self.token = ""

    def status(self) -> str:
        if isinstance(self.behaviour, Exception):
            raise self.behaviour
        if isinstance(self.behaviour, threading.Event):
            self.behaviour.wait(5)
        return str(self.behaviour)

    def round_trip(self, token: str) -> str:
        self.token = token
        return self.status()


def test_results_keep_the_names_and_tell_who_failed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    results = Checks({"a": Backend("fine"), "b": Backend(ConnectionRefusedError("10.0.0.5 refused"))}).status()
    assert list(results) == ["a", "b"]
    assert (results["a"].ok, results["a"].detail) == (True, "fine")
    assert (results["b"].ok, results["b"].detail) == (False, "failed: ConnectionRefusedError")
    # addresses belong into the journal, not on a public page
    assert caplog.records[0].fields == {"component": "b", "error": "ConnectionRefusedError: 10.0.0.5 refused"}  # type: ignore[attr-defined]


def test_a_silent_backend_does_not_hold_the_others_up() -> None:
    silent = threading.Event()
    start = time.monotonic()
    results = Checks({"a": Backend("fine"), "b": Backend(silent)}, deadline_seconds=0.2).status()
    assert time.monotonic() - start < 2
    silent.set()
    assert results["a"].ok
    assert results["b"] == Result(False, "no answer within 0.2 s", 200)


def test_each_round_trip_has_a_token_of_its_own_for_all_backends() -> None:
    first, second = Backend("x"), Backend("y")
    checks = Checks({"a": first, "b": second})
    checks.round_trip()
    token = first.token
    assert token
    assert second.token == token
    checks.round_trip()
    assert first.token != token
