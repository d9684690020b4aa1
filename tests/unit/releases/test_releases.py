# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release a way back leads to, and which may not run."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.releases import (
    EVENTS_KEPT,
    ReleaseError,
    event,
    judged,
    refuse_bad,
    table,
    way_back,
)


def release(name: str, verdict: str, *served: int, last: int = 0) -> dict[str, Any]:
    """A release that served at these times, and of which something came last at that one."""
    times = [(number, "deployed") for number in served] + ([(last, "deployment began")] if last else [])
    events = [{"at": f"2026-01-01T00:{number:02}:00Z", "what": what, "run_id": "", "by": "ada", "why": "slow"} for number, what in times]
    return {"release": name, "verdict": verdict, "events": events, "built": "", "author": "bob", "commit": "c" * 40}


A, B, C = release("a" * 12, "good", 1), release("b" * 12, "good", 2), release("c" * 12, "good", 3)


def names(found: tuple[dict[str, Any], str]) -> tuple[str, str]:
    return found[0]["release"][0], found[1][:1]


def test_the_way_back_leads_to_what_served_before() -> None:
    assert names(way_back([A, B, C], C["release"], "")) == ("b", "c")


def test_what_is_bad_is_passed_over() -> None:
    assert names(way_back([A, {**B, "verdict": "bad"}, C], C["release"], "")) == ("a", "c")


def test_a_deployment_that_was_killed_is_taken_back_to_what_the_parameter_names() -> None:
    assert names(way_back([A, B, release("d" * 12, "deploying", last=4)], A["release"], "")) == ("a", "d")


def test_also_when_the_killed_one_had_served_long_ago() -> None:
    killed = release("a" * 12, "deploying", 1, last=4)
    assert names(way_back([killed, B, C], C["release"], "")) == ("c", "a")


def test_a_killed_deployment_that_another_has_overtaken_is_over() -> None:
    killed = release("d" * 12, "deploying", last=1)
    assert names(way_back([B, C, killed], C["release"], "")) == ("b", "c")


def test_a_way_back_that_was_killed_leads_there_again() -> None:
    assert names(way_back([A, {**B, "verdict": "bad"}], B["release"], "")) == ("a", "b")


def test_there_is_no_way_back_from_the_first_release() -> None:
    with pytest.raises(ReleaseError, match="there is no release to go back to"):
        way_back([A], A["release"], "")


@pytest.mark.parametrize(
    ("asked", "words"),
    [("f" * 12, "there is no release ffffffffffff"), ("b" * 12, "is known as bad: deployed at"), ("d" * 12, "never served here")],
)
def test_what_is_asked_for_must_be_known_good_and_have_served(asked: str, words: str) -> None:
    known = [A, {**B, "verdict": "bad"}, release("d" * 12, "known")]
    with pytest.raises(ReleaseError, match=words):
        way_back(known, A["release"], asked)


def test_a_bad_release_is_refused_with_who_and_why() -> None:
    bad = judged(A, "bad", event("marked as bad", "run", "eve", "leaks memory"))
    with pytest.raises(ReleaseError, match=r"marked as bad at .* by eve \(leaks memory\)"):
        refuse_bad(bad)
    refuse_bad(judged(bad, "good", event("marked as good", "run", "eve", "mended")))


def test_events_are_kept_but_not_for_ever() -> None:
    found = A
    for number in range(EVENTS_KEPT + 5):
        found = judged(found, "good", event("deployed", str(number), "ada", ""))
    assert (len(found["events"]), found["events"][-1]["run_id"]) == (EVENTS_KEPT, str(EVENTS_KEPT + 4))


def test_the_table_names_verdict_and_reason() -> None:
    heading, row = table([judged(A, "bad", event("taken back", "run", "ada", "not ready"))])
    assert heading.split()[:2] == ["release", "verdict"]
    assert row.split()[:2] == ["a" * 12, "bad"]
    assert row.endswith("not ready")
