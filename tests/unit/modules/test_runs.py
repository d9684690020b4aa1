# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that read the records of runs and take a lease away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.lease import Claim, LeaseTable
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory
from ansible_collections.indivillage.infra.plugins.modules import dynamodb_table, lease_release, run_info

from tests.unit.run.samples import record

Run = Callable[..., dict[str, Any]]
PLACES = {"environment_name": "staging", "runs_table": "runs", "bucket": "operations"}
LEASE = {**PLACES, "lease_table": "leases", "record": record(run_id="20260103T030405Z-bb")}


@pytest.fixture
def history(run: Run) -> RunHistory:
    run(dynamodb_table, name="leases", hash_key="environment")
    run(dynamodb_table, name="runs", hash_key="environment", range_key="run_id")
    boto3.client("s3").create_bucket(Bucket="operations")
    return RunHistory(boto3.client("dynamodb"), boto3.client("s3"), "runs", "operations")


@pytest.fixture
def leases(history: RunHistory) -> LeaseTable:
    history.put(record(result="running"))
    leases = LeaseTable(boto3.client("dynamodb"), "leases", time.time)
    leases.acquire("staging", Claim("20260102T030405Z-aa", "bob@desk", "0123abc", "a repair"))
    return leases


def test_runs_are_listed_and_one_is_shown_whole(run: Run, history: RunHistory) -> None:
    history.put(record())

    listed = run(run_info, **PLACES)
    whole = run(run_info, **PLACES, run_id="20260102T030405Z-aa")

    assert [line["run_id"] for line in listed["runs"]] == ["20260102T030405Z-aa"]
    assert len(listed["table"]) == 2
    assert whole["runs"] == [record()]


def test_a_run_that_is_none_is_named(run: Run, history: RunHistory) -> None:
    assert "staging has no run nothing: playbooks/show_runs.yml" in run(run_info, **PLACES, run_id="nothing")["msg"]


@pytest.mark.parametrize("reason", ["", " "])
def test_a_lease_is_not_released_without_a_reason(run: Run, leases: LeaseTable, reason: str) -> None:
    result = run(lease_release, **LEASE, reason=reason)

    assert result["failed"]
    assert "say why" in result["msg"]
    assert leases.holder("staging")


def test_a_check_says_who_holds_it_and_leaves_it(run: Run, leases: LeaseTable) -> None:
    result = run(lease_release, **LEASE, check=True, reason="not yet")

    assert result["holder"]["who"] == "bob@desk"
    assert leases.holder("staging")


def test_a_release_is_recorded_and_the_run_closed(run: Run, leases: LeaseTable, history: RunHistory) -> None:
    result = run(lease_release, **LEASE, reason=" its runner is gone ")

    assert result["changed"]
    assert leases.holder("staging") is None
    assert {line["run_id"]: (line["result"], line["note"]) for line in history.last("staging", 9)} == {
        "20260103T030405Z-bb": ("released", "took the lease from run 20260102T030405Z-aa of bob@desk: its runner is gone"),
        "20260102T030405Z-aa": ("abandoned", "its lease was taken away by ada@desk: its runner is gone"),
    }
    assert not run(lease_release, **LEASE, reason="again")["changed"]
