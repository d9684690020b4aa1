# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of secrets where the site may have to go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.drill.roles.standby.conftest import DR, PREFIX, PRIMARY, Standby, of

pytestmark = pytest.mark.emulator

DECLARED: dict[str, Any] = {"stack_layers": of(["aws_database"], []), "secret_replica_regions": [DR]}
SECRET = "/indivillage/sandbox/database/credentials"


def value(standby: Standby, region: str) -> dict[str, Any]:
    return dict(json.loads(standby.client("secretsmanager", region).get_secret_value(SecretId=SECRET)["SecretString"]))


def test_the_credentials_of_the_database_are_known_in_the_other_region(standby: Standby) -> None:
    plan = standby.run("provision_foundation", "aws_database", "--check", **DECLARED)
    first = standby.run("provision_foundation", "aws_database", **DECLARED)
    second = standby.run("provision_foundation", "aws_database", **DECLARED)
    copy = standby.client("secretsmanager", DR).describe_secret(SecretId=SECRET)

    assert (plan.returncode, plan.changed) == (2, first.changed), plan.output
    assert (second.returncode, set(second.changed.values())) == (0, {0}), second.output
    assert value(standby, DR) == value(standby, PRIMARY)
    assert value(standby, DR)["host"].startswith(f"{PREFIX}-db.")
    assert (copy["PrimaryRegion"], copy["KmsKeyId"]) == (PRIMARY, f"alias/{PREFIX}-database")
