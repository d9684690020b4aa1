# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved queries, in the account and in plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import log_query

from sandbox.emulator.additions import log_queries
from tests.support.module_runs import Calls

Run = Callable[..., dict[str, Any]]
NAME = "indivillage-test/app/errors"
ERRORS: dict[str, Any] = {"name": NAME, "query": 'fields @message | filter level = "error"\n', "log_groups": ["/app", "/aa"]}


@pytest.fixture(autouse=True)
def additions() -> None:
    log_queries.install()


def found() -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = boto3.client("logs").describe_query_definitions()["queryDefinitions"]
    return answer


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"query": ERRORS["query"], "log_groups": ERRORS["log_groups"]}
    life_cycle(log_query, {"name": NAME}, first, {"query": "fields @timestamp", "log_groups": ["/app"]})


def test_a_change_keeps_the_one_that_is_there(run: Run) -> None:
    first = run(log_query, **ERRORS)["resource"]["query_id"]
    result = run(log_query, **{**ERRORS, "query": "fields @timestamp"})

    assert result["diff"] == {"before": {"query": ERRORS["query"].strip()}, "after": {"query": "fields @timestamp"}}
    (query,) = found()
    assert (query["queryDefinitionId"], query["queryString"]) == (first, "fields @timestamp")


@pytest.mark.parametrize("same", [{"query": ERRORS["query"].strip()}, {"log_groups": ["/aa", "/app"]}])
def test_space_at_the_ends_and_the_order_of_groups_make_no_difference(run: Run, same: dict[str, Any]) -> None:
    run(log_query, **ERRORS)
    assert not run(log_query, **{**ERRORS, **same})["changed"]


def test_a_longer_name_with_the_same_beginning_is_another_query(run: Run) -> None:
    run(log_query, **{**ERRORS, "name": f"{NAME}-by-host"})
    assert run(log_query, **ERRORS)["changed"]
    assert len(found()) == 2
    assert run(log_query, name=NAME, state="absent")["changed"]
    assert [query["name"] for query in found()] == [f"{NAME}-by-host"]


def test_all_pages_are_read(run: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    run(log_query, **ERRORS)
    for number in range(4):
        run(log_query, **{**ERRORS, "name": f"{NAME}{number}"})
    monkeypatch.setattr(log_queries, "PAGE", 1)
    calls.names.clear()

    assert not run(log_query, **ERRORS)["changed"]
    assert calls.names == ["DescribeQueryDefinitions"] * 5


def test_two_of_one_name_are_told_and_left_alone(run: Run) -> None:
    for _time in range(2):
        boto3.client("logs").put_query_definition(name=NAME, queryString="fields @message")

    for state in ("present", "absent"):
        result = run(log_query, **{**ERRORS, "state": state})
        assert result["failed"]
        assert "there are 2 of that name" in result["msg"]
    assert len(found()) == 2


@pytest.mark.parametrize("left_out", ["query", "log_groups"])
def test_a_query_without_its_parts_is_refused(run: Run, left_out: str) -> None:
    result = run(log_query, **{key: value for key, value in ERRORS.items() if key != left_out})
    assert left_out in result["msg"]
    assert found() == []
