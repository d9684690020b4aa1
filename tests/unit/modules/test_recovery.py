# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in their catalogue: complete or none, checked to the last byte, kept as long as they must be, never restored when corrupted."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import backups, postgresql
from ansible_collections.indivillage.infra.plugins.modules import (
    backup_catalogue,
    bucket_backup,
    bucket_restore,
    configuration_export,
    postgresql_restore,
    postgresql_swap,
    presigned_url,
)

from tests.support.module_runs import Run

BUCKET, UPLOADS = "site-backups", "site-uploads"
FIRST, SECOND = "20260301T010000Z", "20260302T010000Z"
SERVER = {"host": "db.invalid", "user": "admin", "password": "not-a-password"}


@pytest.fixture(autouse=True)
def s3() -> Any:
    client = boto3.client("s3")
    for bucket in (BUCKET, UPLOADS):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        client.put_object(Bucket=UPLOADS, Key=f"file {number}", Body=f"content {number}".encode())
    return client


def back_up(run: Run, identifier: str = FIRST, **options: Any) -> dict[str, Any]:
    return run(bucket_backup, source=UPLOADS, bucket=BUCKET, backup_id=identifier, **options)


def restore(run: Run, **options: Any) -> dict[str, Any]:
    return run(bucket_restore, bucket=BUCKET, target=UPLOADS, **options)


def uploads(s3: Any) -> dict[str, str]:
    found = s3.list_objects_v2(Bucket=UPLOADS).get("Contents", [])
    return {item["Key"]: s3.get_object(Bucket=UPLOADS, Key=item["Key"])["Body"].read().decode() for item in found}


# --- the catalogue ---


def test_a_backup_is_there_when_all_of_it_is(run: Run, s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "configuration.json"
    file.write_text("{}")
    given = {"bucket": BUCKET, "kind": "configuration", "backup_id": FIRST, "files": [{"path": str(file), "name": "configuration.json"}]}
    assert (
        "has no configuration backup 'newest'. The newest are: none." in run(backup_catalogue, bucket=BUCKET, kind="configuration")["msg"]
    )
    assert run(backup_catalogue, action="complete", **given, check=True)["changed"]
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    made = run(backup_catalogue, action="complete", **given)["backup"]
    assert run(backup_catalogue, bucket=BUCKET, kind="configuration")["backup"] == made
    assert run(backup_catalogue, action="check", bucket=BUCKET, kind="configuration")["backup"] == made
    dump = {"key": f"database/{FIRST}/database.dump", "sha256": "00", "bytes": 4}
    s3.put_object(Bucket=BUCKET, Key=dump["key"], Body=b"half")
    short = run(backup_catalogue, action="complete", bucket=BUCKET, kind="database", backup_id=FIRST, objects=[{**dump, "bytes": 8}])
    assert "has 4 bytes and not 8" in short["msg"]
    assert "no moment" in run(backup_catalogue, bucket=BUCKET, kind="database", backup_id="yesterday")["msg"]


def test_whatever_is_corrupted_is_told(run: Run, s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}")
    files = [{"path": str(file), "name": "x.json"}]
    run(backup_catalogue, action="complete", bucket=BUCKET, kind="configuration", backup_id=FIRST, files=files)
    s3.put_object(Bucket=BUCKET, Key=f"config/{FIRST}/x.json", Body=b"[]")
    found = run(backup_catalogue, action="check", bucket=BUCKET, kind="configuration")["msg"]
    assert f"s3://{BUCKET}/config/{FIRST}/x.json is corrupted: its SHA-256 is {hashlib.sha256(b'[]').hexdigest()}" in found
    s3.delete_object(Bucket=BUCKET, Key=f"config/{FIRST}/x.json")
    assert "x.json is gone" in run(backup_catalogue, action="check", bucket=BUCKET, kind="configuration")["msg"]
    document = f"catalogue/configuration/{FIRST}.json"
    changed = json.loads(s3.get_object(Bucket=BUCKET, Key=document)["Body"].read()) | {"details": {"parameters": 1}}
    s3.put_object(Bucket=BUCKET, Key=document, Body=json.dumps(changed).encode())
    assert "has not its own digest" in run(backup_catalogue, bucket=BUCKET, kind="configuration")["msg"]


def test_the_first_of_each_month_is_kept_for_the_legal_period_and_the_newest_always() -> None:
    def ids(*moments: str) -> list[dict[str, Any]]:
        return [{"id": moment} for moment in moments]

    known = ids("20180101T010000Z", "20260101T010000Z", "20260102T010000Z", "20260201T010000Z", "20260301T010000Z")
    over = backups.expired(known, 30, 2555, datetime(2026, 3, 2, tzinfo=UTC))
    assert [backup["id"] for backup in over] == ["20180101T010000Z", "20260102T010000Z"]
    assert backups.expired(ids("20100101T010000Z"), 30, 2555, datetime(2026, 3, 2, tzinfo=UTC)) == []


def test_what_expires_goes_with_its_objects(run: Run, s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}")
    for identifier in ("20250101T010000Z", "20250102T010000Z", FIRST):
        files = [{"path": str(file), "name": "x.json"}]
        run(backup_catalogue, action="complete", bucket=BUCKET, kind="configuration", backup_id=identifier, files=files)
    expire = {"action": "expire", "bucket": BUCKET, "kind": "configuration", "keep_days": 1}
    assert run(backup_catalogue, **expire, check=True)["expired"] == ["20250102T010000Z"]
    assert run(backup_catalogue, **expire)["expired"] == ["20250102T010000Z"]
    assert not run(backup_catalogue, **expire)["changed"]
    left = {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert not {name for name in left if "20250102" in name}


# --- files ---


def test_only_new_versions_are_read_and_equal_ones_are_kept_once(run: Run, s3: Any) -> None:
    first = back_up(run)
    assert (first["objects"], first["copied"]) == (3, 3)
    s3.put_object(Bucket=UPLOADS, Key="file 0", Body=b"another")
    s3.put_object(Bucket=UPLOADS, Key="file 3", Body=b"content 1")
    second = back_up(run, SECOND)
    assert (second["objects"], second["copied"]) == (4, 2)
    store = s3.list_objects_v2(Bucket=BUCKET, Prefix="files/uploads/objects/")["Contents"]
    assert len(store) == 4, "three at first, and one of the two new ones"


def test_files_come_back_to_a_new_place_first_and_live_on_demand(run: Run, s3: Any) -> None:
    before = uploads(s3)
    back_up(run)
    s3.delete_object(Bucket=UPLOADS, Key="file 0")
    s3.put_object(Bucket=UPLOADS, Key="file 1", Body=b"encrypted by somebody")
    s3.put_object(Bucket=UPLOADS, Key="newer", Body=b"newer")
    ruins = uploads(s3)
    planned = restore(run, check=True, swap=True)
    assert (planned["put_back"], uploads(s3)) == (["file 0", "file 1"], ruins)
    beside = restore(run)
    assert (beside["proved"], beside["put_back"], uploads(s3)) == (3, ["file 0", "file 1"], ruins)
    assert s3.get_object(Bucket=BUCKET, Key=f"restored/{FIRST}/file 1")["Body"].read() == b"content 1"
    restore(run, swap=True, clean=True)
    assert uploads(s3) == before | {"newer": "newer"}
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="restored/")["KeyCount"] == 0


def test_one_corrupted_file_puts_nothing_back(run: Run, s3: Any) -> None:
    back_up(run)
    for number in range(2):
        s3.delete_object(Bucket=UPLOADS, Key=f"file {number}")
    ruins = uploads(s3)
    place = f"files/uploads/objects/{hashlib.sha256(b'content 1').hexdigest()}"
    s3.put_object(Bucket=BUCKET, Key=place, Body=b"content X")
    refused = restore(run, swap=True)
    assert "is corrupted, and nothing was put back" in refused["msg"]
    assert uploads(s3) == ruins
    assert f"is one of {UPLOADS}, and not of other" in run(bucket_restore, bucket=BUCKET, target="other")["msg"]


def test_a_bucket_without_versions_is_not_backed_up(run: Run, s3: Any) -> None:
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="file", Body=b"x")
    assert "keeps no versions" in run(bucket_backup, source="plain", bucket=BUCKET, backup_id=FIRST)["msg"]


# --- the database and what is around it; a real server is asked by tests/drill/backups ---


def test_a_corrupted_dump_is_refused_before_the_server_is_asked(run: Run, tmp_path: Path) -> None:
    dump = tmp_path / "database.dump"
    dump.write_bytes(b"PGDMP")
    given = {**SERVER, "path": str(dump), "sha256": "0" * 64, "tables": {}}
    assert "the dump is corrupted" in run(postgresql_restore, **given, database="site_restored_1")["msg"]
    assert "does not end with _restored_" in run(postgresql_restore, **given, database="site")["msg"]


def test_a_swap_is_refused_unless_all_three_are_as_they_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(postgresql_swap, "exists", lambda name, _server: name in there)
    for names, answer in ((["live", "restored"], True), (["live", "former"], False)):
        there.clear()
        there.update(names)
        assert postgresql_swap.to_do("live", "restored", "former", {}) is answer
    for names in (["live"], ["live", "restored", "former"], ["restored"]):
        there.clear()
        there.update(names)
        with pytest.raises(postgresql.PostgresqlError, match="Restore first"):
            postgresql_swap.to_do("live", "restored", "former", {})


def test_each_table_that_differs_is_named() -> None:
    wanted = {"public.a": {"rows": 1, "digest": "5"}, "public.b": {"rows": 2, "digest": "6"}}
    found = {"public.b": {"rows": 2, "digest": "7"}, "public.c": {"rows": 1, "digest": "1"}}
    assert postgresql.differences(wanted, found) == [
        *("public.a is missing", "public.c is too much", "public.b has 2 rows and not 2, or others"),
    ]
    assert postgresql.differences(wanted, wanted) == []


def test_an_address_to_write_holds_the_digest(run: Run) -> None:
    signed = run(
        presigned_url, bucket=BUCKET, key="x", method="put", sha256=hashlib.sha256(b"x").hexdigest(), host_endpoint_url="http://10.0.0.1:1"
    )
    assert signed["url"].startswith("http://10.0.0.1:1/")
    assert "x-amz-checksum-sha256" in signed["url"], "among what is signed"
    assert signed["headers"].keys() == {"x-amz-checksum-sha256"}


def test_the_value_of_an_encrypted_parameter_is_not_written(run: Run, tmp_path: Path) -> None:
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/site/test/images/web", Value="ami-1", Type="String")
    ssm.put_parameter(Name="/site/test/token", Value="a-secret", Type="SecureString")
    dest = tmp_path / "configuration.json"
    assert run(configuration_export, path="/site/test", dest=str(dest), declaration={"commit": "abc"})["parameters"] == 2
    document = json.load(io.StringIO(dest.read_text()))
    assert document["parameters"]["/site/test/images/web"]["value"] == "ami-1"
    assert "a-secret" not in dest.read_text()
    assert document["parameters"]["/site/test/token"]["type"] == "SecureString"
