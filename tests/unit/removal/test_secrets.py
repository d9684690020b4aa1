# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets with copies in other regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned
from ansible_collections.indivillage.infra.plugins.module_utils.removal_facts import FACTS
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal, secret
from moto import mock_aws

REGIONS = ("us-east-1", "us-west-2")


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        found = {region: boto3.client("secretsmanager", region_name=region) for region in REGIONS}
        found[REGIONS[0]].create_secret(Name="/a/b", SecretString="{}", AddReplicaRegions=[{"Region": REGIONS[1]}])
        yield found


def owned(client: Any) -> Owned:
    return Owned(client.describe_secret(SecretId="/a/b")["ARN"], "secretsmanager:secret", "/a/b", "/a/b")


def test_a_copy_is_a_part_of_its_secret(clients: dict[str, Any]) -> None:
    here, there = (FACTS["secretsmanager:secret"](client, [owned(client)])["/a/b"] for client in clients.values())

    assert here == {}
    assert there == {"part_of": "secret /a/b of us-east-1"}


def test_copies_go_before_their_secret(clients: dict[str, Any]) -> None:
    here, there = clients.values()
    secret(here, Removal("secretsmanager:secret", owned(here).arn, "/a/b", recovery_days=0, poll_seconds=1))

    assert here.list_secrets()["SecretList"] == there.list_secrets()["SecretList"] == []
