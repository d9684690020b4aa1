# SPDX-License-Identifier: GPL-3.0-or-later
"""Two regions with a database and its replica, on real PostgreSQL, a client that writes, and the playbooks that fail over and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox import pki
from sandbox.settings import container_name
from tests.drill.failover.writer import Writer
from tests.integration.emulator.support import RunningEmulator, start, wait_until
from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support import playbooks
from tests.support.database_servers import CLIENT, DatabaseServers, database_servers
from tests.support.playbooks import PlaybookRun

PRIMARY, DR = "us-east-1", "us-west-2"
DATABASES = {PRIMARY: f"{PREFIX}-db", DR: f"{PREFIX}-db-dr-replica"}
SECRET = "/indivillage/sandbox/database/credentials"
REPLICA = {"name": "dr-replica", "kms_key_id": f"alias/{PREFIX}-database", "backup_retention_days": 7}
DECLARED: dict[str, Any] = {
    "stack_parts": ["aws_database"],
    "secret_replica_regions": [DR],
    "aws_database_replicas": f"{{{{ { ({'primary': [], 'dr': [REPLICA]})!r}[stack_kind] }}}}",
    "aws_database_poll_seconds": 1,
    "aws_failover_settle_seconds": 5,
    "aws_failover_poll_seconds": 2,
    "aws_failover_wait_timeout_seconds": 300,
}


def stamp() -> str:
    """Now, as the runbooks take it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Regions:
    """Both regions, and what is done to them."""

    emulator: RunningEmulator
    servers: DatabaseServers
    state_dir: Path

    def run(self, playbook: str, *options: str, **variables: Any) -> PlaybookRun:
        """Run a playbook on both stacks."""
        given = ("--limit", "primary:dr", "-e", json.dumps(DECLARED | variables), *options)
        return playbooks.run(self.emulator.endpoint, self.state_dir, playbook, *given)

    def must(self, playbook: str, *options: str, **variables: Any) -> PlaybookRun:
        """Run a playbook that has to end well."""
        run = self.run(playbook, *options, **variables)
        assert run.returncode == 0, run.output[-6000:]
        return run

    def database(self, region: str) -> dict[str, Any]:
        """What AWS tells of a region's database."""
        found = self.emulator.client("rds", region).describe_db_instances(DBInstanceIdentifier=DATABASES[region])
        return dict(found["DBInstances"][0])

    def source(self, region: str) -> str:
        """Region of what a region's database copies; empty when it copies nothing."""
        return str(self.database(region).get("ReadReplicaSourceDBInstanceIdentifier") or ":::").split(":")[3]

    def active(self, region: str) -> str:
        """What a region says about which one is active."""
        found = self.emulator.client("ssm", region).get_parameters(Names=["/indivillage/sandbox/active-region"])["Parameters"]
        return str(found[0]["Value"]) if found else ""

    def secret(self, region: str) -> dict[str, Any]:
        """The credentials that an application of a region reads."""
        return dict(json.loads(self.emulator.client("secretsmanager", region).get_secret_value(SecretId=SECRET)["SecretString"]))

    def lose(self, region: str) -> str:
        """Take a region away; when its server had ended for certain."""
        self.emulator.control("PUT", f"outages/{region}", {"out": True})
        name = container_name(f"{DATABASES[region]}-{region}")
        wait_until(lambda: not any(server.running for server in self.servers.engine.list() if server.name == name), 60)
        return stamp()

    def give_back(self, region: str) -> None:
        """End the outage, and wait until the server of the region runs."""
        self.emulator.control("PUT", f"outages/{region}", {"out": False})
        name = container_name(f"{DATABASES[region]}-{region}")
        wait_until(lambda: any(server.running for server in self.servers.engine.list() if server.name == name), 60)

    def as_owner(self, region: str, statement: str) -> str:
        """A statement on a region's server by the sandbox's own user, who may do anything."""
        name = container_name(f"{DATABASES[region]}-{region}")
        command = ["psql", "--host=/run/postgresql", "--username=rdsadmin", "--dbname=indivillage", "--no-psqlrc", "-qtA", "-c", statement]
        return self.servers.engine.execute(name, command).strip()

    def evidence(self, bucket_region: str) -> dict[str, Any]:
        """What the last failover has kept."""
        s3 = self.emulator.client("s3", bucket_region)
        bucket = f"{PREFIX}-operations" + ("" if bucket_region == PRIMARY else f"-{bucket_region}")
        keys = sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="failover/")["Contents"])
        return dict(json.loads(s3.get_object(Bucket=bucket, Key=keys[-1])["Body"].read()))

    def writer(self) -> Writer:
        """A client that writes where it can, as the applications of both regions would."""
        return Writer(self.servers, self.secret, (PRIMARY, DR))


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    with pytest.MonkeyPatch.context() as patch:
        state_dir: Path = tmp_path_factory.mktemp("sandbox")
        patch.setenv("SANDBOX_STATE_DIR", str(state_dir))
        pki.prepare(state_dir / "pki")
        for emulator in start():
            for region, network in ((PRIMARY, "10.231"), (DR, "10.232")):
                foundation = Foundation(emulator, region, network)
                foundation.lay_network()
                foundation.lay_keys()
            with database_servers(emulator.endpoint) as servers:
                servers.engine.write(CLIENT, "/tmp/ca.pem", (state_dir / "pki" / "ca.pem").read_text())
                regions = Regions(emulator, servers, state_dir)
                regions.must("provision_foundation", "--tags", "aws_database")
                yield regions
