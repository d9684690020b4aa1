# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups are made, verified and brought back by the role for it alone. With RECORD_CALLS=1 its policies are written anew from what it did.

What runs on the bastion is answered and not done (tests/support/connection_plugins); make drill-backups does it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.emulator.support import REPOSITORY
from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support.permissions import Account, Principal, account_of, allowed, committed, enforced, lacking
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

LOGIN = {"username": "indivillage_admin", "password": "correct-horse-battery"}
BASTION = {"instance_region": "us-east-1", "ansible_connection": "answering", "ansible_become": False}
BUCKETS = [f"{PREFIX}-{name}" for name in ("backups", "uploads")]


@dataclass(frozen=True)
class World:
    """A database with its secrets, buckets, and a bastion on which everything goes well."""

    account: Account
    operator: Principal

    def run(self, playbook: str, *options: str, **answers: Any) -> PlaybookRun:
        """Run a playbook as who may do that, and nothing else."""
        folder = self.account.state_dir
        told = {
            "aws_recovery_snapshots": True,  # the sandbox's servers take none
            "aws_recovery_folder": str(folder / "bastion"),
            "aws_recovery_host_endpoint_url": self.account.emulator.endpoint,
            "aws_recovery_keep_days": {"database": 0, "uploads": 0, "configuration": 0, "content": 0},
            "aws_recovery_legal_days": 0,  # so that the next backup has something to forget
            "reason": "a night",
        }
        inventory = ("-i", str(folder / "bastion.json"))
        return PlaybookRun.of(self.account.run(f"playbooks/{playbook}.yml", self.operator, *inventory, *options, **told | answers))

    def client(self, service: str) -> Any:
        return self.account.emulator.client(service)


def make_world(made: Account) -> World:
    emulator = made.emulator
    foundation = Foundation(emulator)
    foundation.lay_network()
    foundation.lay_keys()
    rds, secrets = emulator.client("rds"), emulator.client("secretsmanager")
    subnets = [foundation.subnets[f"data-{zone}"] for zone in "abc"]
    rds.create_db_subnet_group(DBSubnetGroupName=f"{PREFIX}-db-subnet-group", DBSubnetGroupDescription="data", SubnetIds=subnets)
    rds.create_db_parameter_group(DBParameterGroupName=f"{PREFIX}-db-param-group", DBParameterGroupFamily="postgres17", Description="own")
    instance = {
        "DBInstanceIdentifier": f"{PREFIX}-db",
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "postgres",
        "EngineVersion": "17.6",
        "AllocatedStorage": 20,
        "StorageEncrypted": True,
        "KmsKeyId": f"alias/{PREFIX}-database",
        "MasterUsername": LOGIN["username"],
        "MasterUserPassword": LOGIN["password"],
        "DBSubnetGroupName": f"{PREFIX}-db-subnet-group",
        "DBParameterGroupName": f"{PREFIX}-db-param-group",
        "VpcSecurityGroupIds": [foundation.groups["database"]],
    }
    address = rds.create_db_instance(**instance)["DBInstance"]["Endpoint"]["Address"]
    rds.create_db_instance(**instance | {"DBInstanceIdentifier": f"{PREFIX}-verify-20260101000000"})  # of a run that was killed
    place = {"host": address, "port": 5432, "dbname": "indivillage"}
    for name, fields in (("database/credentials", {**LOGIN, **place}), ("administration/database", LOGIN)):
        secrets.create_secret(Name=f"/indivillage/sandbox/{name}", SecretString=json.dumps(fields), KmsKeyId=f"alias/{PREFIX}-general")
    emulator.client("ssm").put_parameter(Name="/indivillage/sandbox/images/web", Value="ami-1", Type="String")
    s3 = emulator.client("s3")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=f"{PREFIX}-uploads", Key="a-picture", Body=b"of a field")
    (made.state_dir / "bastion.json").write_text(json.dumps({"role_bastion": {"hosts": {"i-bastion": BASTION}}}))
    answering = {"ANSIBLE_CONNECTION_PLUGINS": str(REPOSITORY / "tests/support/connection_plugins")}
    return World(dataclasses.replace(made, settings=answering), made.role("backup", allowed("backup")))


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with account_of("backup", request, tmp_path_factory.mktemp("backups")) as made:
        yield make_world(made)


def test_backups_are_made_verified_and_brought_back(world: World) -> None:
    runs: list[tuple[str, dict[str, Any]]] = [
        ("back_up", {}),
        ("back_up", {}),
        ("verify_backups", {}),
        ("restore_database", {"restore_swap": True}),
        ("restore_uploads", {"restore_swap": True}),
    ]
    for playbook, answers in runs:
        if playbook == "restore_uploads":
            world.client("s3").delete_object(Bucket=f"{PREFIX}-uploads", Key="a-picture")
        done = world.run(playbook, **answers)
        assert done.returncode == 0, done.output[-6000:]
    assert world.client("s3").get_object(Bucket=f"{PREFIX}-uploads", Key="a-picture")["Body"].read() == b"of a field"
    assert [one["DBInstanceIdentifier"] for one in world.client("rds").describe_db_instances()["DBInstances"]] == [f"{PREFIX}-db"]


@enforced
@pytest.mark.parametrize(
    ("playbook", "permission"),
    [
        ("back_up", "rds:CreateDBSnapshot"),
        ("verify_backups", "rds:CreateDBInstance"),
        ("restore_database", "secretsmanager:GetSecretValue"),
        ("restore_uploads", "s3:GetObject"),
    ],
)
def test_without_one_permission_it_is_refused(world: World, playbook: str, permission: str) -> None:
    world.account.give("backup", lacking(committed("backup"), permission))
    refused = world.run(playbook)
    world.account.give("backup", committed("backup"))
    assert refused.returncode == 2
    assert permission in " ".join(refused.output.split())
