# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases and their replicas: told apart, and removed as AWS wants it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned
from ansible_collections.indivillage.infra.plugins.module_utils.removal_facts import FACTS
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import levels
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal, database
from moto import mock_aws


@pytest.fixture
def rds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("rds", region_name="us-east-1")
        client.create_db_instance(
            DBInstanceIdentifier="data",
            DBInstanceClass="db.t3.medium",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="somebody",
            MasterUserPassword="correct-horse",
        )
        client.create_db_instance_read_replica(DBInstanceIdentifier="data-copy", SourceDBInstanceIdentifier="data")
        client.modify_db_instance(DBInstanceIdentifier="data-copy", DeletionProtection=True)
        yield client


def test_a_replica_is_a_kind_of_its_own(rds: Any) -> None:
    found = FACTS["rds:db"](rds, [Owned("arn", "rds:db", name, name) for name in ("data", "data-copy")])

    assert found["data"] == {}
    assert found["data-copy"]["kind"] == "rds:replica"
    assert "deletion_protection in aws_database_replicas" in str(found["data-copy"]["protected"])


def test_replicas_go_before_their_database_and_leave_no_snapshot(rds: Any) -> None:
    rds.modify_db_instance(DBInstanceIdentifier="data-copy", DeletionProtection=False)
    for kinds in levels(["rds:db", "rds:replica"]):
        (kind,) = kinds
        name = "data-copy" if kind == "rds:replica" else "data"
        database(rds, Removal(kind, "arn", name, poll_seconds=1))

    assert rds.describe_db_instances()["DBInstances"] == []
    (snapshot,) = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == "data"
