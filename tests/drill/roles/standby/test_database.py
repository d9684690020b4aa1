# SPDX-License-Identifier: GPL-3.0-or-later
"""Read replicas of the database, in its own region and in the standby's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.drill.roles.standby.conftest import ACCOUNT_ID, DR, PREFIX, PRIMARY, Standby, of
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

DECLARED: dict[str, Any] = {
    "stack_layers": ["aws_database"],
    "secret_replica_regions": [DR],
    "aws_database_monitoring_interval_seconds": 60,
    "aws_database_performance_insights": True,
    "aws_database_replicas": of(
        [{"name": "replica"}],
        [
            {
                "name": "dr-replica",
                "kms_key_id": f"alias/{PREFIX}-database",
                "backup_retention_days": 7,
                "deletion_protection": True,
            }
        ],
    ),
}


@dataclass(frozen=True)
class Runs:
    plan: PlaybookRun
    first: PlaybookRun
    second: PlaybookRun


@pytest.fixture(scope="module")
def runs(standby: Standby) -> Runs:
    def run(*options: str) -> PlaybookRun:
        return standby.run("provision_foundation", "aws_database", *options, **DECLARED)

    return Runs(run("--check"), run(), run())


def database(standby: Standby, name: str, region: str = PRIMARY) -> dict[str, Any]:
    return dict(standby.client("rds", region).describe_db_instances(DBInstanceIdentifier=f"{PREFIX}-{name}")["DBInstances"][0])


def test_a_plan_of_the_empty_account_says_what_is_then_done(runs: Runs) -> None:
    assert runs.plan.returncode == 2, runs.plan.output
    assert "not certain" not in runs.plan.output
    assert runs.first.returncode == 0, runs.first.output
    assert runs.plan.changed == runs.first.changed


def test_a_second_run_changes_nothing(runs: Runs) -> None:
    assert runs.second.returncode == 0, runs.second.output
    assert set(runs.second.changed.values()) == {0}, runs.second.output


def test_the_replica_beside_the_database(standby: Standby, runs: Runs) -> None:
    source, replica = database(standby, "db"), database(standby, "db-replica")

    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == f"{PREFIX}-db"
    assert replica["KmsKeyId"] == source["KmsKeyId"]
    assert (replica["BackupRetentionPeriod"], replica["DeletionProtection"], replica["MultiAZ"]) == (0, False, False)
    for same in ("DBSubnetGroup", "VpcSecurityGroups", "DBInstanceClass", "PreferredBackupWindow", "EnabledCloudwatchLogsExports"):
        assert replica[same] == source[same], same
    assert replica["DBParameterGroups"][0]["DBParameterGroupName"] == f"{PREFIX}-db-param-group"
    assert {tag["Key"]: tag["Value"] for tag in replica["TagList"]}.items() >= {"Role": "database-replica", "Tier": "data"}.items()


def test_the_replica_in_the_other_region(standby: Standby, runs: Runs) -> None:
    replica, foundation = database(standby, "db-dr-replica", DR), standby.foundations[DR]
    key = standby.client("kms", DR).describe_key(KeyId=f"alias/{PREFIX}-database")["KeyMetadata"]["Arn"]

    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == f"arn:aws:rds:{PRIMARY}:{ACCOUNT_ID}:db:{PREFIX}-db"
    assert (replica["BackupRetentionPeriod"], replica["DeletionProtection"]) == (7, True)
    assert (replica["KmsKeyId"], replica["StorageEncrypted"], replica["PubliclyAccessible"]) == (key, True, False)
    assert replica["DBSubnetGroup"]["VpcId"] == foundation.vpc_id
    assert [group["VpcSecurityGroupId"] for group in replica["VpcSecurityGroups"]] == [foundation.groups["database"]]
    assert (replica["MonitoringInterval"], replica["PerformanceInsightsEnabled"]) == (60, True)
    assert replica["MonitoringRoleArn"].endswith(f"role/{PREFIX}-rds-monitoring")
    assert len(standby.client("rds", DR).describe_db_instances()["DBInstances"]) == 1, "the standby writes no database of its own"


def test_a_database_that_is_not_there_cannot_be_copied(standby: Standby, runs: Runs) -> None:
    run = standby.run(
        "provision_foundation", "aws_database", "--check", **DECLARED | {"aws_database_primary_region": of(PRIMARY, "eu-west-1")}
    )
    assert run.returncode == 1
    assert f"there is no database {PREFIX}-db in eu-west-1 to copy" in " ".join(run.output.split())


def test_a_promoted_replica_stays_what_it_is(standby: Standby, runs: Runs) -> None:
    standby.client("rds", DR).promote_read_replica(DBInstanceIdentifier=f"{PREFIX}-db-dr-replica")

    run = standby.run("provision_foundation", "aws_database", **DECLARED)

    assert (run.returncode, set(run.changed.values())) == (0, {0}), run.output
    assert not database(standby, "db-dr-replica", DR).get("ReadReplicaSourceDBInstanceIdentifier")
