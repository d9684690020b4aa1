# SPDX-License-Identifier: GPL-3.0-or-later
"""DynamoDB and S3 in this process, with the tables and the bucket that runs write to."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.lease import KEY
from moto import mock_aws

from tests.unit.run.samples import REGION, Account, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")  # as in tests/unit/modules
    with mock_aws():
        account = Account(boto3.client("dynamodb", region_name=REGION), boto3.client("s3", region_name=REGION))
        account.s3.create_bucket(Bucket=account.bucket)
        for table, keys in ((account.leases, [KEY]), (account.runs, [KEY, "run_id"])):
            account.dynamodb.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
                BillingMode="PAY_PER_REQUEST",
            )
        yield account
