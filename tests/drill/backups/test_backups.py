# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups restored for real: PostgreSQL, a bastion, a bucket. Run on a sandbox that has its foundation: make site && make drill-backups.

Each of three rounds backs up, destroys, restores beside, goes live, and compares every row and every object with what was there. The last
test writes docs/drills-backups.md of what was measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.drill.support.sandbox_database import SandboxDatabase
from tests.e2e.driver import ROOT, Site
from tests.support.contentful import TOKEN, Contentful, speaking

PREFIX = "indivillage-sandbox"
BACKUPS, UPLOADS, OPERATIONS = (f"{PREFIX}-{name}" for name in ("backups", "uploads", "operations"))
ROUNDS = (1, 2, 3)
ROWS, OBJECTS, OBJECT_BYTES = 200_000, 200, 50_000
TABLES = """
CREATE TABLE IF NOT EXISTS {name}
  (id bigserial PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL, score double precision, body bytea);
INSERT INTO {name} (name, at, score, body)
SELECT 'row ' || i, now() - i * interval '1 second', random(), decode(md5(i::text || clock_timestamp()), 'hex')
FROM generate_series(1, {rows}) i;
"""
KINDS = ("services", "case_studies", "impact_stories", "uploads", "form_submissions")


@dataclass
class Drill:
    """The sandbox, its database, and what was measured."""

    site: Site
    database: SandboxDatabase
    figures: list[tuple[str, str, str]] = field(default_factory=list)

    def play(self, playbook: str, *options: str, code: int = 0, **answers: Any) -> str:
        """Run a playbook that has to end so; its output."""
        began = time.monotonic()
        done = self.site.play(f"playbooks/{playbook}.yml", "-e", json.dumps(answers), *options)
        self.seconds = time.monotonic() - began
        assert done.returncode == code, done.stdout[-6000:]
        return done.stdout

    def measured(self, round_: int | str, what: str, value: str) -> None:
        print(f"round {round_}: {what}: {value}")
        self.figures.append((str(round_), what, value))

    def objects(self) -> dict[str, str]:
        """The digest of each upload, by its name."""
        s3 = self.site.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=UPLOADS)
        names = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {name: hashlib.sha256(s3.get_object(Bucket=UPLOADS, Key=name)["Body"].read()).hexdigest() for name in names}

    def upload(self, round_: int) -> None:
        """Put objects, some of them over older ones."""
        s3 = self.site.client("s3")
        for number in range(OBJECTS):
            s3.put_object(Bucket=UPLOADS, Key=f"drill/{number:04}.bin", Body=os.urandom(OBJECT_BYTES))
        s3.put_object(Bucket=UPLOADS, Key=f"drill/Ünïcode round {round_}.txt", Body=f"round {round_}".encode())

    def destroy(self) -> None:
        """What an accident does: rows and tables gone or changed, objects gone or changed."""
        self.database.sql("DROP TABLE services; DELETE FROM case_studies; UPDATE impact_stories SET score = 0 WHERE id % 7 = 0;")
        s3 = self.site.client("s3")
        for number in range(0, OBJECTS, 2):
            s3.delete_object(Bucket=UPLOADS, Key=f"drill/{number:04}.bin")
        s3.put_object(Bucket=UPLOADS, Key="drill/0001.bin", Body=b"overwritten")

    def newest(self, kind: str) -> dict[str, Any]:
        """The newest document of the catalogue."""
        s3 = self.site.client("s3")
        names = [item["Key"] for item in s3.list_objects_v2(Bucket=BACKUPS, Prefix=f"catalogue/{kind}/")["Contents"]]
        found: dict[str, Any] = json.load(s3.get_object(Bucket=BACKUPS, Key=max(names))["Body"])
        return found

    def instances(self) -> list[str]:
        """The instances of RDS that live."""
        return [one["DBInstanceIdentifier"] for one in self.site.client("rds").describe_db_instances()["DBInstances"]]


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    site = Site()
    database = SandboxDatabase.find()
    if database is None:
        pytest.fail("no database of the sandbox runs: `make site` first")
    yield Drill(site, database)


@pytest.mark.parametrize("round_", ROUNDS)
def test_everything_that_was_backed_up_comes_back(drill: Drill, round_: int) -> None:
    for kind in KINDS:
        drill.database.sql(TABLES.format(name=kind, rows=ROWS // len(KINDS)))
    drill.upload(round_)
    rows, objects = drill.database.content(), drill.objects()

    drill.play("back_up", back_up_kinds=["database", "uploads", "configuration"])
    backup, uploads = drill.newest("database"), drill.newest("uploads")
    drill.measured(
        round_, "back_up.yml", f"{drill.seconds:.0f} s; dump of {backup['objects'][0]['bytes']} bytes in {backup['details']['seconds']} s"
    )
    drill.measured(
        round_, "rows and objects that were backed up", f"{sum(count for count, _digest in rows.values())}; {len(uploads['objects'])}"
    )

    drill.destroy()
    ruins = drill.database.content()
    assert ruins != rows
    if round_ == 1:
        drill.play("restore_database", restore_backup=backup["id"])
        assert drill.database.content() == ruins, "without restore_swap the live database is as it was"
    drill.play("restore_database", restore_backup=backup["id"], restore_swap=True)
    drill.measured(round_, "restore_database.yml to the live database", f"{drill.seconds:.0f} s")
    assert drill.database.content() == rows
    if round_ == 1:
        again = drill.play("restore_database", restore_backup=backup["id"], restore_swap=True)
        assert not re.search(r"changed=[1-9]", again.partition("PLAY RECAP")[2]), "the same again changes nothing"
    drill.measured(round_, "rows that differ after the restore", "0")

    if round_ == 1:
        drill.play("restore_uploads", restore_backup=uploads["id"])
        assert drill.objects() != objects
    drill.play("restore_uploads", restore_backup=uploads["id"], restore_swap=True)
    drill.measured(round_, "restore_uploads.yml to the live bucket", f"{drill.seconds:.0f} s")
    assert drill.objects() == objects
    drill.measured(round_, "objects that differ after the restore", "0")
    drill.database.drop(f"indivillage_before_{backup['id'].lower()}")


@pytest.mark.parametrize("round_", ROUNDS)
def test_backups_are_proved_in_an_instance_that_goes(drill: Drill, round_: int) -> None:
    before = drill.instances()
    drill.play("verify_backups", "-e", "aws_recovery_poll_seconds=2")
    assert drill.instances() == before
    s3 = drill.site.client("s3")
    newest = max(item["Key"] for item in s3.list_objects_v2(Bucket=OPERATIONS, Prefix="evidence/backups/")["Contents"])
    evidence = json.load(s3.get_object(Bucket=OPERATIONS, Key=newest)["Body"])
    assert evidence["database"]["restored"] == drill.newest("database")["details"]["tables"]
    drill.measured(round_, "verify_backups.yml, with an instance made and deleted", f"{drill.seconds:.0f} s")
    drill.measured(round_, "restore and comparison alone", f"{evidence['database']['seconds']} s")


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize("scenario", ["corruption", "deletion"])
def test_a_rehearsal_restores_beside_what_is_live_and_measures_itself(drill: Drill, scenario: str, round_: int) -> None:
    rows, objects, instances = drill.database.content(), drill.objects(), drill.instances()
    out_of_turn = {"rehearse_out_of_turn": True, "aws_rehearsal_busy": {}, "reason": "a drill", "aws_recovery_poll_seconds": 2}
    drill.play("rehearse_dr", "-e", json.dumps(out_of_turn), rehearse_scenario=scenario, rehearse_environment="sandbox")
    assert (drill.database.content(), drill.objects(), drill.instances()) == (rows, objects, instances)
    s3 = drill.site.client("s3")
    reports = s3.list_objects_v2(Bucket=OPERATIONS, Prefix="evidence/rehearsals/")["Contents"]
    report = json.load(s3.get_object(Bucket=OPERATIONS, Key=max(item["Key"] for item in reports if item["Key"].endswith(".json")))["Body"])
    assert (report["scenario"], report["result"]) == (scenario, "within")
    (step,) = report["steps"]
    assert 0 < float(step["rto_seconds"]) < drill.seconds
    measured = f"{drill.seconds:.0f} s; everything compared after {float(step['rto_seconds']):.0f} s"
    drill.measured(round_, f"rehearse_dr.yml, {scenario}", f"{measured}, backup {float(step['rpo_seconds']):.0f} s old")


def test_a_corrupted_backup_is_never_restored_over_good_data(drill: Drill) -> None:
    s3, backup, uploads = drill.site.client("s3"), drill.newest("database"), drill.newest("uploads")
    rows, objects = drill.database.content(), drill.objects()
    for broken, playbook in ((backup["objects"][0]["key"], "restore_database"), (uploads["objects"][5]["key"], "restore_uploads")):
        good = s3.get_object(Bucket=BACKUPS, Key=broken)["Body"].read()
        s3.put_object(Bucket=BACKUPS, Key=broken, Body=bytes([good[0] ^ 1]) + good[1:])
        output = drill.play(playbook, restore_swap=True, code=2)
        assert "is corrupted" in " ".join(output.split())
        s3.put_object(Bucket=BACKUPS, Key=broken, Body=good)
    assert (drill.database.content(), drill.objects()) == (rows, objects)
    drill.measured("-", "corrupted dump and corrupted file with restore_swap=true", "refused, live data unchanged")


def test_content_is_exported_and_kept(drill: Drill, tmp_path: Path) -> None:
    with speaking(Contentful()) as space:
        space.add("content_types", 2)
        space.add("entries", 40, fields={"title": {"en-US": "Ünïcode"}})
        space.add_asset("logo/logo.png", b"\x89PNG logo")
        secret = {"Name": "/indivillage/sandbox/contentful/management", "SecretString": json.dumps({"management_token": TOKEN})}
        secrets = drill.site.client("secretsmanager")
        secrets.create_secret(**secret)
        try:
            where = {"aws_recovery_contentful_space": space.space, "aws_recovery_contentful_api_url": space.url}
            drill.play("back_up", "-e", json.dumps(where), back_up_kinds=["content"])
            drill.play("verify_backups", "-e", json.dumps(where), verify_kinds=["content"])
        finally:
            secrets.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)
    backup = drill.newest("content")
    assert backup["details"]["counts"]["entries"] == 40
    drill.measured("-", "entries of Contentful exported, kept and read back", str(backup["details"]["counts"]["entries"]))


def test_nothing_stays_on_the_bastion_and_the_page_is_written(drill: Drill) -> None:
    found = drill.site.must("podman", "ps", "--format", "{{.Names}}").split()
    for name in found:
        left = subprocess.run(["podman", "exec", name, "ls", "/var/tmp/indivillage-recovery"], capture_output=True, check=False)
        assert left.returncode != 0, name
    commit = drill.site.must("git", "rev-parse", "--short", "HEAD").strip()
    lines = [
        "# Backups, restored",
        "",
        f"Written by `make drill-backups`, {datetime.now(UTC):%Y-%m-%d}, commit {commit}, {os.cpu_count()} processors:",
        "the sandbox with a real PostgreSQL, a real bastion, the emulator's buckets. Times include ansible-playbook with lease and record.",
        "On AWS an instance takes minutes to be made, and a dump as long as its size.",
        "",
        "| round | what | measured |",
        "| --- | --- | --- |",
        *(f"| {round_} | {what} | {value} |" for round_, what, value in drill.figures),
    ]
    (ROOT / "docs/drills-backups.md").write_text("\n".join(lines) + "\n")
