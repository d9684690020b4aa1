# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases, records and approvals of real runs of ansible-playbook."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.lease import Claim, HeldError, LeaseTable, ServerClock

from tests.integration.emulator.support import wait_until
from tests.integration.run.conftest import PREFIX, SAY, Site

pytestmark = pytest.mark.emulator


def make(site: Site, mode: str) -> dict[str, Any]:
    return {"name": "Make a folder", "ansible.builtin.file": {"path": str(site.folder / "made"), "state": "directory", "mode": mode}}


def test_what_runs_are_recorded_in_is_private_and_can_be_recovered(site: Site) -> None:
    dynamodb, s3 = site.emulator.client("dynamodb"), site.emulator.client("s3")
    for table in ("leases", "deployments", "incidents"):
        backups = dynamodb.describe_continuous_backups(TableName=f"{PREFIX}-{table}")["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    bucket = f"{PREFIX}-operations"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 365}
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert (tags["Stack"], tags["Role"]) == ("sandbox-us-east-1", "operations")


def test_a_plan_takes_no_lease_and_leaves_no_record(site: Site) -> None:
    known = site.history.last("sandbox", 50)
    with_another_run_at_work = site.leases.acquire("sandbox", Claim("another", "bob@desk", "", "a repair")).holder

    planned = site.run(site.play(SAY), "--check")

    assert planned.returncode == 0, planned.stdout
    assert "it goes on" in planned.stdout
    assert site.holder == with_another_run_at_work
    assert site.history.last("sandbox", 50) == known
    site.leases.release("sandbox", with_another_run_at_work)


def test_one_of_twenty_writers_wins(site: Site) -> None:
    barrier = threading.Barrier(20)

    def compete(number: int) -> bool:
        client = site.emulator.client("dynamodb")
        table = LeaseTable(client, f"{PREFIX}-leases", ServerClock(client))
        barrier.wait()
        try:
            table.acquire("contested", Claim(f"run-{number}", "someone", "", "a race"))
        except HeldError:
            return False
        return True

    with ThreadPoolExecutor(20) as writers:
        assert sum(writers.map(compete, range(20))) == 1


def test_the_second_writer_is_told_who_writes_and_what_to_type(site: Site) -> None:
    holder = site.leases.acquire("sandbox", Claim("another", "bob@desk", "0123abc", "a repair")).holder

    refused = site.run(site.play(SAY))

    assert refused.returncode == 2
    told = " ".join(refused.stdout.split())
    assert "sandbox is being changed by another run, so nothing was done. who: bob@desk since: " in told
    assert "commit: 0123abc reason: a repair run: another expires: " in told
    assert re.search(r"ansible-playbook playbooks/release_lease.yml -i \S+ -e reason='<why>'", told)
    assert "it goes on" not in told
    site.leases.release("sandbox", holder)


def test_a_run_is_recorded(site: Site) -> None:
    write = {"name": "Write two", "ansible.builtin.command": "true", "loop": [{"name": "first"}, {"name": "second"}]}
    secret = {"name": "Write a secret", "ansible.builtin.command": "true", "loop": ["hidden-a"], "no_log": True}
    play = site.play(write, secret, {"name": "Fail", "ansible.builtin.command": "false"})

    failed = site.run(play, "-e", "reason='why not'", "-e", "release=hidden-b")

    assert failed.returncode == 2
    record = site.record(failed.stdout.rpartition("PLAY RECAP")[2])
    assert (record["result"], record["reason"], record["limit"]) == ("failed", "why not", "sandbox-us-east-1")
    assert record["extra_vars"] == ["reason", "release"]
    assert record["hosts"]["sandbox-us-east-1"] == {"ok": 3, "changed": 2, "failed": 1, "unreachable": 0, "skipped": 0}
    place = {"host": "sandbox-us-east-1", "role": ""}
    assert record["changed"] == [
        {**place, "task": "Write two", "item": "first"},
        {**place, "task": "Write two", "item": "second"},
        {**place, "task": "Write a secret", "item": ""},
        {**place, "task": "Fail", "item": ""},  # it failed, which does not mean that it changed nothing
    ]
    assert [part["name"] for part in record["plays"]] == ["Work"]
    assert record["ended"] >= record["began"]
    assert "hidden" not in json.dumps(record)
    assert site.holder is None


def test_the_lease_of_a_killed_run_is_free_at_once(site: Site) -> None:
    going = site.start(make(site, "0700"))
    keeper = going.keeper
    assert os.getsid(keeper) not in {os.getsid(0), os.getsid(going.process.pid)}
    process = Path("/proc", str(keeper))
    assert b"no-secret-of-anyone" not in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    holder = site.holder
    assert holder

    going.process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: site.holder is None, 10)
    assert time.monotonic() - killed < 3  # two seconds, and what a busy machine adds

    record = wait_until(lambda: (found := site.history.whole("sandbox", holder.run_id)) and found["result"] != "running" and found)
    assert record["result"] == "killed"
    assert [change["task"] for change in record["changed"]] == ["Make a folder"]
    wait_until(lambda: not process.exists() or "Z" in (process / "stat").read_text().split()[2])


def test_a_run_without_its_keeper_does_not_go_on(site: Site) -> None:
    going = site.start()
    holder = site.holder
    assert holder

    os.kill(going.keeper, signal.SIGKILL)
    code, said = going.end()

    assert code == 99
    assert "The process that keeps the lease of this run is gone" in said
    assert "it goes on" not in said
    site.leases.release("sandbox", holder)  # which would otherwise end by itself


def test_ctrl_c_releases_the_lease(site: Site) -> None:
    going = site.start()

    going.process.send_signal(signal.SIGINT)
    code, said = going.end()

    assert code == 99
    assert site.holder is None  # by the time that the command has ended
    assert site.record(said)["result"] == "cancelled"


def test_an_expired_lease_is_taken_over_and_that_is_said(site: Site) -> None:
    client = site.emulator.client("dynamodb")
    long_ago = LeaseTable(client, f"{PREFIX}-leases", lambda: time.time() - 600)
    long_ago.acquire("sandbox", Claim("of-a-dead-machine", "bob@desk", "", "a repair"))

    done = site.run(site.play(SAY))

    assert done.returncode == 0, done.stdout
    assert "was held by run of-a-dead-machine of bob@desk, which has not renewed it" in " ".join((done.stdout + done.stderr).split())
    assert site.holder is None


def test_that_a_lease_was_taken_away_is_listed_with_the_reason(site: Site) -> None:
    site.leases.acquire("sandbox", Claim("another", "bob@desk", "", "a repair"))

    released = site.run("playbooks/release_lease.yml", "-e", "reason='its runner is gone'", "-e", "awx_user_name=ada", "-e", "awx_job_id=7")
    assert released.returncode == 0, released.stdout
    assert "who: bob@desk" in " ".join(released.stdout.split())
    assert site.holder is None

    listed = site.run("playbooks/show_runs.yml", "-e", "last=1").stdout
    assert "ada (AWX job 7)" in listed
    record = site.record(listed)
    assert (record["result"], record["note"]) == ("released", "took the lease from run another of bob@desk: its runner is gone")


def test_only_the_approved_plan_is_carried_out(site: Site) -> None:
    plans = ["-e", f"plan_directory={site.folder / 'plans'}"]
    required = ["-e", "plan_approval=required", *plans]
    made = site.folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    play = site.play(make(site, "0700"))
    assert site.run(play, "--check", *required).returncode == 2
    digest = json.loads((site.folder / "plans/sandbox/plan.json").read_text())["digest"]

    site.play(make(site, "0750"))
    refused = site.run(play, *required, "-e", f"approved_plan=sha256:{digest}")
    assert refused.returncode == 2, refused.stdout
    told = " ".join(refused.stdout.split())
    assert (
        "The plan of sandbox is not the approved one any more. Since that was made, this has moved: - sandbox-us-east-1: Make a folder"
        in told
    )
    assert not made.exists()
    assert site.holder is None
    (last,) = site.history.last("sandbox", 1)
    assert last["result"] == "refused"

    site.play(make(site, "0700"))
    approved = site.run(play, *required, "-e", f"approved_plan=sha256:{digest}")
    assert approved.returncode == 0, approved.stdout
    assert made.stat().st_mode & 0o777 == 0o700
    assert site.record(approved.stdout)["plan"] == digest
    kept = site.emulator.client("s3").get_object(Bucket=f"{PREFIX}-operations", Key=f"plans/{digest}.json")["Body"].read()
    assert json.loads(kept)["digest"] == digest
