# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of objects where the site may have to go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.drill.roles.standby.conftest import ACCOUNT_ID, DR, PREFIX, PRIMARY, Standby, of

pytestmark = pytest.mark.emulator

DECLARED: dict[str, Any] = {"stack_layers": ["aws_keys", "aws_storage"], "aws_storage_replica_region": of(DR, "")}
TAGS = "aws_keys,aws_storage"
COPIED = {"uploads", "processed", "backups", "static-assets"}


def rules(standby: Standby, region: str) -> dict[str, dict[str, Any]]:
    """Bucket without prefix -> its only replication rule."""
    s3, found = standby.client("s3", region), {}
    for bucket in (bucket["Name"] for bucket in s3.list_buckets()["Buckets"] if bucket["Name"].startswith(PREFIX)):
        try:
            replication = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
        except s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ReplicationConfigurationNotFoundError"
            continue
        assert replication["Role"] == f"arn:aws:iam::{ACCOUNT_ID}:role/{PREFIX}-bucket-replication"
        (found[bucket.removeprefix(f"{PREFIX}-")],) = replication["Rules"]
    return found


def test_objects_are_copied_with_the_other_regions_key_once_both_buckets_stand(bare: Standby) -> None:
    plan = bare.run("provision_foundation", TAGS, "--check", **DECLARED)
    first = bare.run("provision_foundation", TAGS, **DECLARED)
    again = bare.run("provision_foundation", TAGS, "--check", **DECLARED)
    found = rules(bare, PRIMARY)

    assert (plan.returncode, plan.changed) == (2, first.changed), plan.output
    assert again.clean, again.output
    assert found.keys() == COPIED
    for bucket, rule in found.items():
        assert rule["Destination"]["Bucket"] == f"arn:aws:s3:::{PREFIX}-{bucket}-replica"
        key = rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"]
        assert key == f"arn:aws:kms:{DR}:{ACCOUNT_ID}:alias/{PREFIX}-storage"
        assert rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
        assert rule["DeleteMarkerReplication"] == {"Status": "Disabled" if bucket == "backups" else "Enabled"}
    assert found["backups"]["Destination"]["StorageClass"] == "STANDARD_IA"


def test_copies_end_where_none_are_declared(bare: Standby) -> None:
    ended = bare.run("provision_foundation", TAGS, **(DECLARED | {"aws_storage_replica_region": ""}))

    assert ended.returncode == 0, ended.output
    assert rules(bare, PRIMARY) == {}
