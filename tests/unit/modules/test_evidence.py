# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles of evidence: what they hold, that they are signed, and that nothing of them can be changed unseen."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import evidence as bundles
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RECORD, RunHistory
from ansible_collections.indivillage.infra.plugins.modules import evidence, evidence_info

from sandbox.emulator.additions import backups, config_recording, kms_keys

Run = Callable[..., dict[str, Any]]
BUCKET, TABLE, KEY, ENVIRONMENT = "site-operations", "site-deployments", "alias/site-evidence", "staging"
COMMON = {"environment_name": ENVIRONMENT, "bucket": BUCKET, "key": KEY}
EVERYTHING = COMMON | {"name_prefix": "site", "account_id": "123456789012", "runs_table": TABLE}
MEASURES = [
    {"measure": "Access is by role", "controls": {"SOC 2": ["CC6.1"]}, "by": {"aws_identity": ["Make the roles"]}, "proof": ["a"]},
    {"measure": "Backups are tested", "controls": {"SOC 2": ["A1.3"]}, "by": {"aws_backup": ["Test"]}, "proof": ["b"], "note": "x"},
]


@pytest.fixture(autouse=True)
def account() -> None:
    """What bundles are made of and signed with."""
    backups.install()
    config_recording.install()
    kms_keys.install()
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    kms = boto3.client("kms")
    key = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=KEY, TargetKeyId=key)
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "environment", "KeyType": "HASH"}, {"AttributeName": "run_id", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("environment", "run_id")],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def collect(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """collect(**options) -> the result; each bundle a second after the one before, as their names tell seconds."""
    clock = {"now": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)}

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return clock["now"]

    own = SimpleNamespace(datetime=Clock, timedelta=datetime.timedelta, UTC=datetime.UTC)

    def call(**options: Any) -> dict[str, Any]:
        clock["now"] += datetime.timedelta(seconds=1)
        with monkeypatch.context() as patch:
            patch.setattr(evidence, "datetime", own)
            result = run(evidence, **EVERYTHING | {"sources": ["runs"]} | options)
        assert not result.get("failed"), result["msg"]
        return result

    return call


def content(result: dict[str, Any], file: str) -> bytes:
    key = result["place"].partition(f"{BUCKET}/")[2] + file
    return bytes(boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


def document(result: dict[str, Any], file: str) -> Any:
    return json.loads(content(result, file))


def put(result: dict[str, Any], file: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=result["place"].partition(f"{BUCKET}/")[2] + file, Body=body)


def remove(result: dict[str, Any], *files: str) -> None:
    for file in files:
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=result["place"].partition(f"{BUCKET}/")[2] + file)


def faults(run: Run) -> list[str]:
    result = run(evidence_info, **COMMON)
    assert not result.get("failed"), result["msg"]
    return list(result["faults"])


def record(run_id: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(RECORD, "")
    return empty | {
        "run_id": run_id,
        "environment": ENVIRONMENT,
        "changed": [],
        "token": 1,
        "dirty": False,
        "playbooks": [],
        "tags": [],
        "skip_tags": [],
    }


# --- what is in it ---


def test_every_source_has_a_file_and_the_manifest_its_digest(collect: Run) -> None:
    boto3.client("iam").create_user(UserName="ada")
    boto3.client("iam").create_group(GroupName="people")
    boto3.client("iam").add_user_to_group(GroupName="people", UserName="ada")
    boto3.client("backup").create_backup_vault(BackupVaultName="site-backups")
    boto3.client("s3").create_bucket(Bucket="trails")
    boto3.client("cloudtrail").create_trail(Name="site-trail", S3BucketName="trails")
    boto3.client("securityhub").enable_security_hub()

    made = collect(sources=sorted(bundles.SOURCES), measures=MEASURES, about={"commit": "0123abc"})

    assert sorted(made["manifest"]["files"]) == sorted([*(f"{name}.json" for name in bundles.SOURCES), "controls.json"])
    for file, told in made["manifest"]["files"].items():
        assert (hashlib.sha256(content(made, file)).hexdigest(), len(content(made, file))) == (told["sha256"], told["bytes"])
    assert made["manifest"] == document(made, "manifest.json")
    assert (made["manifest"]["commit"], made["manifest"]["left_out"], made["manifest"]["previous"]) == ("0123abc", [], None)
    assert {user["user"]: user["groups"] for user in document(made, "access.json")["users"]}["ada"] == ["people"]
    assert document(made, "backups.json")["vaults"] == ["site-backups"]
    assert document(made, "trail.json")["IsLogging"] is False


def test_what_speaks_for_a_measure_is_told_by_its_roles(collect: Run) -> None:
    made = collect(sources=["access", "runs"], measures=MEASURES)
    assert [(one["measure"], one["evidence"]) for one in document(made, "controls.json")["measures"]] == [
        ("Access is by role", ["access.json", "runs.json"]),
        ("Backups are tested", ["runs.json"]),
    ]
    assert "note" not in document(made, "controls.json")["measures"][1]


def test_runs_of_the_time_and_no_older_ones(collect: Run) -> None:
    history = RunHistory(boto3.client("dynamodb"), boto3.client("s3"), TABLE, BUCKET)
    for run_id in ("20251101T000000Z-000001", "20251230T000000Z-000002"):
        history.put(record(run_id))
    found = document(collect(days=7), "runs.json")["runs"]
    assert [one["run_id"] for one in found] == ["20251230T000000Z-000002"]


def test_reports_of_restores_and_rehearsals_of_the_time_and_the_environment(collect: Run) -> None:
    reports = {
        "backups/20251130T000000Z": "too long ago",
        "backups/20251231T010203Z": "a restore",
        f"rehearsals/{ENVIRONMENT}/20260101T000000Z-0a1b2c": "a zone",
        f"rehearsals/{ENVIRONMENT}/20251001T000000Z-0a1b2c": "too long ago",
        "rehearsals/production/20260101T000000Z-0a1b2c": "of another environment",
    }
    for name, text in reports.items():
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"evidence/{name}.json", Body=json.dumps({"report": text}).encode())
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"evidence/{name}.md", Body=b"# for people")
    made = collect(sources=["proofs"])
    assert document(made, "proofs.json") == {"restores": [{"report": "a restore"}], "rehearsals": [{"report": "a zone"}]}


def test_a_source_that_cannot_be_read_leaves_nothing_behind(run: Run) -> None:
    result = run(evidence, **EVERYTHING, sources=["runs", "trail"])
    assert result["msg"].startswith("Could not read the evidence 'trail'; nothing was written")
    assert boto3.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_check_reads_and_writes_nothing(run: Run) -> None:
    result = run(evidence, check=True, **EVERYTHING, sources=["runs"])
    assert (result["changed"], "manifest" in result) == (True, False)
    assert boto3.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


# --- that it holds ---


def test_bundles_are_as_they_were_signed(run: Run, collect: Run) -> None:
    first, second = collect(), collect()
    assert second["manifest"]["previous"] == {
        "name": first["place"].split("/")[-2],
        "sha256": hashlib.sha256(content(first, "manifest.json")).hexdigest(),
    }
    result = run(evidence_info, **COMMON)
    assert (len(result["bundles"]), result["faults"], result["changed"]) == (2, [], False)


def test_openssl_proves_a_bundle_without_aws(collect: Run, tmp_path: Path) -> None:
    made = collect()
    for file in ("manifest.json", "manifest.sig", "public-key.der"):
        (tmp_path / file).write_bytes(content(made, file))
    key = ["openssl", "pkey", "-pubin", "-inform", "DER", "-in", "public-key.der", "-out", "public-key.pem"]
    proof = ["openssl", "dgst", "-sha256", "-verify", "public-key.pem", "-signature", "manifest.sig", "manifest.json"]
    subprocess.run(key, cwd=tmp_path, check=True)
    assert subprocess.run(proof, cwd=tmp_path, check=False, capture_output=True, text=True).stdout == "Verified OK\n"


def test_a_changed_file_is_told(run: Run, collect: Run) -> None:
    made = collect()
    put(made, "runs.json", b"{}")
    assert faults(run) == [f"{made['place']}runs.json is not what was signed."]


def test_a_changed_manifest_is_told_also_when_its_files_fit(run: Run, collect: Run) -> None:
    made = collect()
    put(made, "manifest.json", content(made, "manifest.json").replace(b'"staging"', b'"nothing"'))
    assert faults(run) == [f"{made['place']}manifest.json is not what was signed with {KEY}."]


def test_a_missing_file_is_told(run: Run, collect: Run) -> None:
    made = collect()
    remove(made, "controls.json")
    assert faults(run) == [f"{made['place']}controls.json is not there."]


def test_a_bundle_that_was_taken_away_is_missed(run: Run, collect: Run) -> None:
    first, _second = collect(), collect()
    remove(first, "manifest.json", "manifest.sig", "runs.json", "controls.json", "public-key.der")
    assert faults(run) == [f"The bundle before is gone: {first['place']}manifest.json is not there."]


def test_a_bundle_that_was_signed_anew_breaks_the_chain(run: Run, collect: Run) -> None:
    first, second = collect(), collect()
    put(first, "manifest.json", content(second, "manifest.json"))
    put(first, "manifest.sig", content(second, "manifest.sig"))
    assert f"{first['place']}manifest.json has changed since the next bundle was made." in faults(run)


def test_a_bundle_that_was_never_whole_is_not_looked_at(run: Run, collect: Run) -> None:
    made = collect()
    remove(made, "manifest.sig")
    assert (faults(run), collect()["manifest"]["previous"]) == ([], None)
