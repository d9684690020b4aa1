# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulator with a database and its replica in another region, and the playbooks that fail over and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.integration.emulator.support import RunningEmulator, start
from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support import playbooks
from tests.support.background import repeated
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


def foundations(emulator: RunningEmulator) -> dict[str, Foundation]:
    """What databases stand on in both regions, made there."""
    found = {region: Foundation(emulator, region, network) for region, network in ((PRIMARY, "10.231"), (DR, "10.232"))}
    for foundation in found.values():
        foundation.lay_network()
        foundation.lay_keys()
    return found


def emulators(*options: str) -> Iterator[RunningEmulator]:
    """An emulator with what databases stand on in both regions."""
    for emulator in start(*options):
        foundations(emulator)
        yield emulator


@dataclass(frozen=True)
class TwoRegions:
    """Both regions, and what they are asked."""

    emulator: RunningEmulator
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

    def provisioning_changes_nothing(self) -> None:
        """Assert that neither way of a failover leaves site.yml anything to do, or to undo."""
        run = self.must("provision_foundation", "--tags", "aws_database")
        assert run.clean, run.changes

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

    def evidence(self, bucket_region: str) -> dict[str, Any]:
        """What the last failover has kept."""
        s3 = self.emulator.client("s3", bucket_region)
        bucket = f"{PREFIX}-operations" + ("" if bucket_region == PRIMARY else f"-{bucket_region}")
        keys = sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="failover/")["Contents"])
        return dict(json.loads(s3.get_object(Bucket=bucket, Key=keys[-1])["Body"].read()))

    def reports(self) -> dict[str, str]:
        """What is kept of rehearsals: key -> text, the last one last."""
        s3, bucket = self.emulator.client("s3"), f"{PREFIX}-operations"
        with suppress(s3.exceptions.NoSuchBucket):
            found = s3.list_objects_v2(Bucket=bucket, Prefix="evidence/rehearsals/").get("Contents", [])
            return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in sorted(one["Key"] for one in found)}
        return {}

    def report(self) -> dict[str, Any]:
        """What the last rehearsal has kept."""
        return dict(json.loads([text for key, text in self.reports().items() if key.endswith(".json")][-1]))


def replicas_keep_up(regions: TwoRegions) -> AbstractContextManager[None]:
    """Every replica has all, where nothing replicates. RDS says so once a minute and tests would wait for that: it is said of the next."""

    def say() -> None:
        for region, name in DATABASES.items():
            with suppress(ClientError, BotoCoreError):
                if regions.source(region):
                    dimensions = [{"Name": "DBInstanceIdentifier", "Value": name}]
                    soon = datetime.now(UTC) + timedelta(seconds=58)
                    point = {"MetricName": "ReplicaLag", "Dimensions": dimensions, "Value": 0.0, "Timestamp": soon}
                    regions.emulator.client("cloudwatch", region).put_metric_data(Namespace="AWS/RDS", MetricData=[point])

    return repeated(say, 1)
