# SPDX-License-Identifier: GPL-3.0-or-later
"""Records are written so that they can be found, read and listed again."""

from __future__ import annotations

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RECORD, RunHistory, table

from tests.unit.run.samples import Account, record


@pytest.fixture
def history(account: Account) -> RunHistory:
    return RunHistory(account.dynamodb, account.s3, account.runs, account.bucket)


def test_a_sample_has_every_key_that_is_promised() -> None:
    assert set(record()) == set(RECORD)


def test_a_record_is_read_as_it_was_written(history: RunHistory) -> None:
    history.put(record())

    assert history.whole("staging", "20260102T030405Z-aa") == record()
    assert history.whole("staging", "another") is None
    assert history.whole("production", "20260102T030405Z-aa") is None


def test_the_last_runs_of_one_environment_come_latest_first(history: RunHistory) -> None:
    for day in ("01", "03", "02"):
        history.put(record(run_id=f"202601{day}T030405Z-aa"))
    history.put(record(environment="production", run_id="20260104T030405Z-aa"))

    assert [line["run_id"] for line in history.last("staging", 2)] == ["20260103T030405Z-aa", "20260102T030405Z-aa"]


def test_the_table_is_readable(history: RunHistory) -> None:
    history.put(record())
    history.put(record(run_id="20260103T030405Z-bb", result="running", ended=None, seconds=None, plan=None, dirty=True, limit="", tags=[]))

    heading, running, ended = table(history.last("staging", 10))

    assert heading.split() == ["began", "who", "commit", "playbooks", "limit/tags", "plan", "result", "seconds", "changed", "run"]
    begun = ["2026-01-02T03:04:05Z", "ada@desk"]
    assert running.split() == [*begun, "01234567+", "site.yml", "-", "-", "running", "-", "1", "20260103T030405Z-bb"]
    selection = ["-l", "staging-us-east-1", "-t", "provision,images"]
    assert ended.split() == [*begun, "01234567", "site.yml", *selection, "f" * 12, "succeeded", "62", "1", "20260102T030405Z-aa"]
    assert heading.index("result") == running.index("running") == ended.index("succeeded")


def test_a_run_that_died_is_closed_and_one_that_ended_is_left_alone(history: RunHistory) -> None:
    history.put(record(run_id="dead", result="running"))
    history.put(record(run_id="ended", result="succeeded"))

    for run_id in ("dead", "ended", "unknown"):
        history.close("staging", run_id, "its lease expired")

    assert {line["run_id"]: (line["result"], line["note"]) for line in history.last("staging", 10)} == {
        "dead": ("abandoned", "its lease expired"),
        "ended": ("succeeded", ""),
    }


def test_earlier_versions_are_only_added_to(history: RunHistory, account: Account) -> None:
    account.s3.put_bucket_versioning(Bucket=account.bucket, VersioningConfiguration={"Status": "Enabled"})
    history.put(record(result="running"))
    history.put(record())

    assert len(account.s3.list_object_versions(Bucket=account.bucket)["Versions"]) == 2
