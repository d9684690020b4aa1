# SPDX-License-Identifier: GPL-3.0-or-later
"""Failover and failback of the database while a client writes: what it takes, and which acknowledged rows survive. make drill-failover"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drill.failover.conftest import Regions, stamp
from tests.drill.failover.writer import TABLE, Writer
from tests.integration.emulator.support import wait_until
from tests.support.two_regions import DATABASES, DR, PRIMARY

pytestmark = [pytest.mark.emulator, pytest.mark.sandbox]

ROUNDS = int(os.environ.get("DRILL_ROUNDS", "3"))
PAGE = Path(__file__).parents[3] / "docs" / "drills-failover.md"
MEASURED: list[tuple[str, int, str]] = []
HEAD = """# Drills of failover

Written by `make drill-failover` (tests/drill/failover); do not edit. A database and its replica in another region are real PostgreSQL
servers in containers, AWS's API is the emulator, and a client writes one row after another in whichever region takes it. Times are those
of the machine that ran it, where a promotion takes seconds; RDS takes minutes. "Standstill" is the longest time without an acknowledged
row.

| scenario | round | measured |
| --- | --- | --- |
"""


@pytest.fixture(scope="module", autouse=True)
def page(regions: Regions) -> Iterator[None]:
    """The page, once all tests of this module have said what they measured."""
    regions.as_owner(PRIMARY, TABLE)
    regions.as_owner(PRIMARY, "GRANT ALL ON written TO PUBLIC")
    yield
    PAGE.write_text(HEAD + "".join(f"| {scenario} | {number} | {text} |\n" for scenario, number, text in MEASURED))


def lost(regions: Regions, writer: Writer, region: str) -> set[int]:
    """Rows that were acknowledged and are not in a region."""
    kept = {int(row) for row in regions.as_owner(region, "SELECT n FROM written").split()}
    return writer.rows - kept


def noted(scenario: str, number: int, writer: Writer, missing: set[int], seconds: float) -> None:
    text = f"{seconds:.0f} s, standstill {writer.longest_gap:.0f} s, {len(writer.rows)} rows acknowledged, {len(missing)} lost"
    MEASURED.append((scenario, number, text))
    print(f"\n{scenario} {number}: {text}")


def written_since(writer: Writer, moment: float) -> bool:
    return bool(writer.acknowledged) and writer.acknowledged[-1][1] > moment


def test_a_plan_says_what_a_failover_does_and_does_nothing(regions: Regions) -> None:
    plan = regions.run("fail_over", "--check", reason="a plan")
    assert plan.returncode == 2, plan.output[-6000:]
    assert (regions.source(DR), regions.active(DR), regions.secret(DR)) == (PRIMARY, "", regions.secret(PRIMARY))
    assert "default_transaction_read_only" in plan.output


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_planned_failover_and_failback(regions: Regions, number: int) -> None:
    with regions.writer().writing() as writer:
        wait_until(lambda: len(writer.rows) > 20, 60)
        began = time.monotonic()
        regions.must("fail_over", reason="a drill")
        seconds = time.monotonic() - began
        wait_until(lambda: written_since(writer, began + seconds), 60)
    missing = lost(regions, writer, DR)
    noted("planned failover", number, writer, missing, seconds)
    assert missing == set()
    assert (regions.source(DR), regions.active(DR).split()[1]) == ("", DR)
    again = regions.must("fail_over", reason="a drill, again")
    assert {stack: count for stack, count in again.changed.items() if count} in ({}, {"sandbox-us-west-2": 1}), "the evidence alone is new"

    regions.provisioning_changes_nothing()
    with regions.writer().writing() as writer:
        wait_until(lambda: len(writer.rows) > 20, 60)
        began = time.monotonic()
        regions.must("fail_back", reason="a drill", approved_deletions=list(DATABASES.values()))
        seconds = time.monotonic() - began
        wait_until(lambda: written_since(writer, began + seconds), 60)
    missing = lost(regions, writer, PRIMARY)
    noted("failback", number, writer, missing, seconds)
    assert missing == set()
    assert (regions.source(PRIMARY), regions.source(DR), regions.active(DR).split()[1]) == ("", PRIMARY, PRIMARY)
    assert regions.secret(DR) == regions.secret(PRIMARY)
    regions.provisioning_changes_nothing()


def test_a_rehearsal_loses_nothing_and_measures_itself(regions: Regions) -> None:
    with regions.writer().writing() as writer:
        wait_until(lambda: len(writer.rows) > 20, 60)
        began = time.monotonic()
        regions.must(
            "rehearse_dr",
            rehearse_scenario="region",
            rehearse_environment="sandbox",
            rehearse_out_of_turn=True,
            aws_rehearsal_busy={},
            reason="a drill",
            approved_deletions=list(DATABASES.values()),
        )
        seconds = time.monotonic() - began
        wait_until(lambda: written_since(writer, began + seconds), 60)
    missing, report = lost(regions, writer, PRIMARY), regions.report()
    noted("rehearsal, there and back", 1, writer, missing, seconds)
    assert missing == set()
    assert (report["result"], [step["problem"] for step in report["steps"]]) == ("within", ["", ""])
    assert all(0 < float(step["rto_seconds"]) < seconds for step in report["steps"])
    assert (regions.source(PRIMARY), regions.source(DR), regions.active(DR).split()[1]) == ("", PRIMARY, PRIMARY)


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_a_region_without_power(regions: Regions, number: int) -> None:
    with regions.writer().writing() as writer:
        wait_until(lambda: len(writer.rows) > 200, 60)
        running = time.monotonic()
        ended = regions.lose(PRIMARY)
        began = time.monotonic()
        options = {"lease_region": DR, "failover_outage_began": ended, "reason": "a drill"}
        refused = regions.run("fail_over", **options)
        assert refused.returncode == 2
        assert "nobody can keep what runs there from writing on" in " ".join(refused.output.split())
        assert regions.source(DR) == PRIMARY
        regions.must("fail_over", failover_accept_unfenced=True, **options)
        seconds = time.monotonic() - began
        wait_until(lambda: written_since(writer, began + seconds), 60)
    missing, evidence = lost(regions, writer, DR), regions.evidence(DR)
    noted("region without power", number, writer, missing, seconds)
    # A server that dies may have acknowledged what it has not sent yet, and nothing older.
    assert [row for row, moment in writer.acknowledged if row in missing and moment < running - 1] == []
    assert evidence["rpo_seconds"] <= evidence["rpo_objective_seconds"]
    regions.give_back(PRIMARY)
    regions.must("fail_over", reason="fence what is back")
    assert regions.as_owner(PRIMARY, "SHOW default_transaction_read_only") == "on"
    regions.must("fail_back", reason="a drill", approved_deletions=list(DATABASES.values()))
    assert (regions.source(PRIMARY), regions.source(DR)) == ("", PRIMARY)


def test_too_large_a_loss_is_refused_and_may_be_accepted(regions: Regions) -> None:
    receiver = regions.as_owner(DR, "SELECT pid FROM pg_stat_wal_receiver")
    server = f"indivillage-indivillage-sandbox-db-dr-replica-{DR}"
    with regions.writer().writing() as writer:
        wait_until(lambda: len(writer.rows) > 20, 60)
        behind = time.monotonic()
        regions.servers.engine.execute(server, ["kill", "-STOP", receiver])
        time.sleep(75)
        ended = regions.lose(PRIMARY)
        regions.servers.engine.execute(server, ["kill", "-CONT", receiver])
        options = {"lease_region": DR, "failover_outage_began": ended, "failover_accept_unfenced": True, "aws_failover_rpo_seconds": 60}
        refused = regions.run("fail_over", reason="a drill", **options)
        assert refused.returncode == 2
        assert "60 s may be lost" in " ".join(refused.output.split())
        assert regions.source(DR) == PRIMARY
        began = time.monotonic()
        regions.must("fail_over", reason="accepted in a drill", failover_accept_data_loss=True, **options)
        seconds = time.monotonic() - began
        wait_until(lambda: written_since(writer, began + seconds), 60)
    missing = lost(regions, writer, DR)
    noted("replica behind, loss accepted", 1, writer, missing, seconds)
    assert missing, "it was behind"
    assert min(moment for row, moment in writer.acknowledged if row in missing) > behind, "what it had before that is there"
    assert stamp() > ended
