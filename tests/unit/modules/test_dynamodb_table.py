# SPDX-License-Identifier: GPL-3.0-or-later
"""A table through its whole life, and what cannot be changed about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import dynamodb_table

from sandbox.emulator.additions import dynamodb_tables

Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True, scope="module")
def _changes_of_encryption() -> None:
    dynamodb_tables.install()


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    key = {"name": "runs", "hash_key": "environment", "range_key": "run_id"}
    first = {"tags": {"Project": "site", "Old": "1"}}
    second = {"tags": {"Project": "site"}, "point_in_time_recovery": False, "deletion_protection": False, "encryption": "aws"}
    life_cycle(dynamodb_table, key, first, second)


def test_a_new_table_can_be_recovered_and_is_encrypted(run: Run) -> None:
    result = run(dynamodb_table, name="leases", hash_key="environment", deletion_protection=True)

    assert result["changed"], result
    client = boto3.client("dynamodb")
    table = client.describe_table(TableName="leases")["Table"]
    recovery = client.describe_continuous_backups(TableName="leases")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert table["SSEDescription"]["SSEType"] == "KMS"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_key_cannot_be_changed(run: Run) -> None:
    run(dynamodb_table, name="leases", hash_key="environment")

    result = run(dynamodb_table, name="leases", hash_key="account")

    assert result["failed"]
    assert "hash_key is 'environment' and is declared as 'account'" in result["msg"]
