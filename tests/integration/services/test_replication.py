# SPDX-License-Identifier: GPL-3.0-or-later
"""A read replica in another region is a real standby: it streams, tells its lag, survives its source and is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.model import EngineError
from sandbox.settings import container_name
from tests.integration.emulator.support import RunningEmulator, start, wait_until
from tests.support.database_servers import CLIENT, MARKS, DatabaseServers, database_servers, subnet_group

pytestmark = MARKS

PRIMARY, DR = "us-east-1", "us-west-2"
NETWORKS = {PRIMARY: "10.231", DR: "10.232"}
PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Pair:
    """A database and its replica in the other region."""

    emulator: RunningEmulator
    servers: DatabaseServers

    def rds(self, region: str) -> Any:
        return self.emulator.client("rds", region)

    def status(self, name: str, region: str) -> str:
        return str(self.rds(region).describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"])

    def await_available(self, name: str, region: str) -> None:
        try:
            wait_until(lambda: self.status(name, region) == "available", 60)
        except AssertionError as error:
            raise AssertionError(f"{name} is {self.status(name, region)}; {self.servers.faults}") from error

    def sql(self, name: str, region: str, statement: str, user: str = "owner") -> str:
        """What a client from outside gets from a server, which proves by its certificate to be that endpoint."""
        endpoint = self.rds(region).describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["Endpoint"]["Address"]
        address, ca = self.servers.addresses[endpoint], "/tmp/ca.pem"
        target = f"host={endpoint} hostaddr={address} user={user} dbname=app sslmode=verify-full sslrootcert={ca} connect_timeout=5"
        command = ["env", f"PGPASSWORD={PASSWORD}", "psql", target, "--no-psqlrc", "--tuples-only", "--no-align", "--command", statement]
        return self.servers.engine.execute(CLIENT, command).strip()

    def lag(self, name: str, region: str) -> list[float]:
        """The newest data points of the metric."""
        now = datetime.now(UTC)
        return [
            point["Maximum"]
            for point in self.emulator.client("cloudwatch", region).get_metric_statistics(
                Namespace="AWS/RDS",
                MetricName="ReplicaLag",
                Dimensions=[{"Name": "DBInstanceIdentifier", "Value": name}],
                StartTime=now - timedelta(minutes=2),
                EndTime=now + timedelta(seconds=5),
                Period=60,
                Statistics=["Maximum"],
            )["Datapoints"]
        ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch:
        state_dir: Path = tmp_path_factory.mktemp("sandbox")
        patch.setenv("SANDBOX_STATE_DIR", str(state_dir))
        for emulator in start():
            with database_servers(emulator.endpoint) as servers:
                pair = Pair(emulator, servers)
                _make(pair)
                servers.engine.write(CLIENT, "/tmp/ca.pem", (state_dir / "pki" / "ca.pem").read_text())
                yield pair


def _make(pair: Pair) -> None:
    groups = {region: subnet_group(pair.emulator.client, region, network) for region, network in NETWORKS.items()}
    source = pair.rds(PRIMARY).create_db_instance(
        DBInstanceIdentifier="app",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        StorageEncrypted=True,
        MasterUsername="owner",
        MasterUserPassword=PASSWORD,
        DBName="app",
        BackupRetentionPeriod=7,
        DBSubnetGroupName=groups[PRIMARY],
    )["DBInstance"]
    pair.await_available("app", PRIMARY)
    key = pair.emulator.client("kms", DR).create_key()["KeyMetadata"]["Arn"]
    pair.rds(DR).create_db_instance_read_replica(
        DBInstanceIdentifier="copy",
        SourceDBInstanceIdentifier=source["DBInstanceArn"],
        KmsKeyId=key,
        DBSubnetGroupName=groups[DR],
        SourceRegion=PRIMARY,
    )
    pair.await_available("copy", DR)


def test_a_replica_streams_and_does_not_write(pair: Pair) -> None:
    pair.sql("app", PRIMARY, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")

    wait_until(lambda: pair.sql("copy", DR, "SELECT to_regclass('kept') IS NOT NULL") == "t")
    assert pair.sql("copy", DR, "SELECT n FROM kept") == "1"
    with pytest.raises(EngineError, match="read-only transaction"):
        pair.sql("copy", DR, "INSERT INTO kept VALUES (2)")
    with pytest.raises(EngineError, match=r"pg_hba\.conf rejects"):
        pair.sql("app", PRIMARY, "SELECT 1", user="rdsrepladmin")


def test_its_lag_is_a_metric(pair: Pair) -> None:
    assert wait_until(lambda: pair.lag("copy", DR), 20)[-1] < 30
    assert pair.lag("app", PRIMARY) == []


def test_without_its_region_a_source_is_gone_and_its_replica_serves_on(pair: Pair) -> None:
    pair.sql("app", PRIMARY, "INSERT INTO kept VALUES (3)")
    wait_until(lambda: pair.sql("copy", DR, "SELECT count(*) FROM kept") == "2")

    pair.emulator.control("PUT", f"outages/{PRIMARY}", {"out": True})
    source = container_name(f"app-{PRIMARY}")
    wait_until(lambda: not any(found.running for found in pair.servers.engine.list() if found.name == source), 30)

    with pytest.raises(pair.rds(PRIMARY).exceptions.ClientError, match="ServiceUnavailable"):
        pair.rds(PRIMARY).describe_db_instances()
    assert pair.emulator.client("route53", PRIMARY).list_hosted_zones()["HostedZones"] == [], "what is global answers"
    assert pair.sql("copy", DR, "SELECT count(*) FROM kept") == "2"


def test_a_promoted_replica_has_everything_and_writes(pair: Pair) -> None:
    pair.rds(DR).promote_read_replica(DBInstanceIdentifier="copy")
    assert pair.status("copy", DR) == "modifying"
    pair.await_available("copy", DR)

    pair.sql("copy", DR, "INSERT INTO kept VALUES (4)")
    assert pair.sql("copy", DR, "SELECT string_agg(n::text, ',' ORDER BY n) FROM kept") == "1,3,4"


def test_a_region_that_is_back_has_its_data(pair: Pair) -> None:
    pair.emulator.control("PUT", f"outages/{PRIMARY}", {"out": False})

    def rows() -> str:
        try:
            return pair.sql("app", PRIMARY, "SELECT string_agg(n::text, ',' ORDER BY n) FROM kept")
        except EngineError:
            return ""

    assert wait_until(rows, 30) == "1,3", "nothing comes back from what was its replica"
