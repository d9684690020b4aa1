# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals of disasters by rehearse_dr, on an emulator without servers; on real ones they are rehearsed by tests/drill/failover."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.lease import LeaseTable, ServerClock

from sandbox import pki
from tests.integration.emulator.support import wait_until
from tests.integration.provisioning_tiers.foundation import PREFIX
from tests.support import playbooks
from tests.support.two_regions import DATABASES, DECLARED, DR, PRIMARY, TwoRegions, emulators, replicas_keep_up

pytestmark = pytest.mark.emulator

CONFIRMED: dict[str, Any] = {
    "rehearse_environment": "sandbox",
    "reason": "a game day",
    "rehearse_out_of_turn": True,
    "aws_rehearsal_busy": {},
}
REGION: dict[str, Any] = {**CONFIRMED, "rehearse_scenario": "region", "approved_deletions": list(DATABASES.values())}


def told(run: playbooks.PlaybookRun) -> str:
    """What a run printed, without line breaks."""
    return " ".join(run.output.split())


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoRegions]:
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in emulators("--standalone"):
        regions = TwoRegions(emulator, state_dir)
        regions.must("provision_foundation", "--tags", "aws_database")
        with replicas_keep_up(regions):
            yield regions


def state(regions: TwoRegions) -> tuple[Any, ...]:
    """What a rehearsal moves."""
    return regions.source(PRIMARY), regions.source(DR), regions.active(PRIMARY), regions.active(DR), regions.secret(DR)["host"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"rehearse_scenario": "flood"}, "rehearse_scenario is 'flood' and not one of region, zone, instance, corruption, deletion"),
        ({"rehearse_environment": "production"}, "run it again with: -e rehearse_environment=sandbox"),
        ({"reason": ""}, "Somebody will want to know why"),
        ({"rehearse_out_of_turn": False, "aws_rehearsal_windows": []}, "no window is open"),
        ({"approved_deletions": [DATABASES[PRIMARY]]}, "Coming back gives each database up once"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_moves(regions: TwoRegions, answers: dict[str, Any], message: str) -> None:
    before = state(regions)
    refused = regions.run("rehearse_dr", **REGION | answers)
    assert refused.returncode == 2
    assert message in told(refused)
    assert state(regions) == before


def test_a_plan_says_what_it_would_do_and_writes_nothing(regions: TwoRegions) -> None:
    before, kept = state(regions), regions.reports()
    plan = regions.run("rehearse_dr", "--check", rehearse_scenario="region")
    assert plan.returncode == 2, plan.output[-6000:]
    assert "default_transaction_read_only" in plan.output
    assert f"fail_back.yml, which gives up {' and '.join(DATABASES.values())} for copies" in told(plan)
    assert (state(regions), regions.reports()) == (before, kept)


def test_a_region_is_left_and_come_back_to(regions: TwoRegions) -> None:
    done = regions.must("rehearse_dr", **REGION)
    assert (regions.source(PRIMARY), regions.source(DR)) == ("", PRIMARY)
    assert regions.active(DR) == regions.active(PRIMARY) == f"2 {PRIMARY}"
    report = regions.report()
    assert (report["scenario"], report["result"], report["objectives"]) == ("region", "within", {"rto_minutes": 60, "rpo_minutes": 15})
    assert [step["step"] for step in report["steps"]] == [f"to {DR}", f"to {PRIMARY}"]
    for step in report["steps"]:
        assert 0 < float(step["rto_seconds"]) < 600
        assert 0 <= float(step["rpo_seconds"]) < 120
        assert step["problem"] == ""
    (page,) = [text for key, text in regions.reports().items() if key.endswith(f"{report['run_id']}.md")]
    assert "# Rehearsal of region in sandbox: within the objectives" in page
    assert f"| to {DR} |" in page
    assert "within the objectives" in told(done)


def test_an_objective_that_is_missed_ends_the_run_once_it_is_back(regions: TwoRegions) -> None:
    # Nothing answers at the page, which a region of a site with tiers has to serve.
    served = {"aws_rehearsal_parts": ["aws_database", "aws_compute"], "aws_rehearsal_tiers": [], "aws_rehearsal_page_seconds": 10}
    missed = regions.run("rehearse_dr", **REGION, **served, aws_failover_rto_seconds=0)
    assert missed.returncode == 2
    assert "ended, and not within its objectives" in told(missed)
    assert (regions.source(PRIMARY), regions.source(DR)) == ("", PRIMARY)
    report = regions.report()
    assert report["result"] == "over"
    assert all(step["problem"].startswith("Await the page: ") for step in report["steps"])


def test_a_rehearsal_that_was_killed_says_what_completes_it(regions: TwoRegions) -> None:
    number = int(regions.active(DR).split()[0])
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/rehearse_dr.yml", "-i", playbooks.INVENTORY]
    command += ["--limit", "primary:dr", "-e", json.dumps(DECLARED | REGION | {"plan_directory": str(regions.state_dir / "plans")})]
    surroundings = playbooks.surroundings(regions.emulator.endpoint, regions.state_dir)
    with subprocess.Popen(command, cwd=playbooks.ROOT, env=surroundings, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            wait_until(lambda: regions.active(DR) == f"{number + 1} {DR}", 300)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    dynamodb = regions.emulator.client("dynamodb")
    wait_until(lambda: not LeaseTable(dynamodb, f"{PREFIX}-leases", ServerClock(dynamodb)).holder("sandbox"), 60)
    before = state(regions)
    refused = regions.run("rehearse_dr", **REGION)
    assert refused.returncode == 2
    assert f"{DR} is active. After a rehearsal that was killed, run fail_over.yml, which completes it, and fail_back.yml" in told(refused)
    assert state(regions) == before
    regions.must("fail_over", reason="complete it")
    regions.provisioning_changes_nothing()
    come_back = {"reason": "come back", "approved_deletions": list(DATABASES.values())}
    plan = regions.run("fail_back", "--check", **come_back)
    assert (plan.returncode, "NOT A WHOLE PLAN" in plan.output) == (2, False), plan.output[-6000:]
    for region, name in DATABASES.items():
        assert f"DELETE OF WHAT HOLDS DATA (database): rds instance {name}, sandbox-{region}" in told(plan)
    regions.must("fail_back", **come_back)
    regions.provisioning_changes_nothing()
    regions.emulator.client("rds", DR).promote_read_replica(DBInstanceIdentifier=DATABASES[DR])  # as one that was killed at its end
    refused = regions.run("rehearse_dr", **REGION)
    assert refused.returncode == 2
    assert "fail_back.yml makes the standby again" in told(refused)


def test_a_deletion_is_rehearsed_by_restoring_the_uploads_beside_the_live_ones(regions: TwoRegions) -> None:
    s3 = regions.emulator.client("s3")
    for kind in ("uploads", "backups"):
        s3.create_bucket(Bucket=f"{PREFIX}-{kind}")
        s3.put_bucket_versioning(Bucket=f"{PREFIX}-{kind}", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=f"{PREFIX}-uploads", Key="a-picture", Body=b"of a field")
    deletion = {**CONFIRMED, "rehearse_scenario": "deletion"}
    regions.must("back_up", reason="the night", back_up_kinds=["uploads"])
    plan = regions.run("rehearse_dr", "--check", **deletion)
    assert plan.returncode in {0, 2}, plan.output[-6000:]
    regions.must("rehearse_dr", **deletion)
    report = regions.report()
    assert (report["scenario"], report["result"]) == ("deletion", "within")
    assert 0 <= float(report["steps"][0]["rpo_seconds"]) < 600
    (restored,) = s3.list_objects_v2(Bucket=f"{PREFIX}-backups", Prefix="restored/")["Contents"]
    assert s3.get_object(Bucket=f"{PREFIX}-backups", Key=restored["Key"])["Body"].read() == b"of a field"
    s3.put_object(Bucket=f"{PREFIX}-uploads", Key="a-picture", Body=b"of a wood")
    regions.must("rehearse_dr", **deletion)
    assert s3.get_object(Bucket=f"{PREFIX}-uploads", Key="a-picture")["Body"].read() == b"of a wood", "what is live stays"
