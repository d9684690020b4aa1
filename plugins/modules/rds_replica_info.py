#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rds_replica_info
version_added: 0.1.0
short_description: Tell what a read replica of RDS holds, and up to when
description:
  - The metric C(ReplicaLag) of PostgreSQL is the age of the last transaction that the replica has replayed. A data point therefore tells
    up to which moment the replica has everything. The latest such moment of the last hour counts, and only as far as it is certain.
  - When the source is gone, the lag grows while nothing more is lost. What a promotion would lose is what was written between that moment
    and the end of the source, which O(source_ended) tells; when that is left out it is now.
options:
  db_instance_identifier:
    description: The replica.
    type: str
    required: true
  source_ended:
    description: When the source was last written, in ISO 8601 with a zone.
    type: str
  replayed_after:
    description: Waits until the replica has everything up to this moment, in ISO 8601 with a zone. Does not wait in check mode.
    type: str
  wait_timeout_seconds:
    description: How long to wait. CloudWatch has a data point a minute.
    type: int
    default: 600
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Ask what a promotion would lose
  indivillage.infra.rds_replica_info:
    db_instance_identifier: indivillage-production-db-dr-replica
    source_ended: "2026-03-01T02:03:04Z"
  register: replica
"""

RETURN = r"""
exists:
  description: Whether there is a database of that name.
  returned: always
  type: bool
status:
  description: Its status; empty when there is none.
  returned: always
  type: str
  sample: available
source:
  description: Identifier or ARN of what it copies; empty for a database that is no replica.
  returned: always
  type: str
  sample: arn:aws:rds:us-east-1:123456789012:db:indivillage-production-db
address:
  description: Its endpoint.
  returned: always
  type: str
port:
  description: The port of its endpoint.
  returned: always
  type: int
replayed_until:
  description: The moment up to which it certainly has everything; empty when no data point tells.
  returned: always
  type: str
  sample: "2026-03-01T02:02:58+00:00"
lost_seconds:
  description: For how long its source was written at most without its knowing; C(-1) when no data point tells.
  returned: always
  type: float
  sample: 6.0
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until

PERIOD_SECONDS = 60
LOOK_BACK = timedelta(hours=1)


def moment(module: AnsibleAWSModule, name: str) -> datetime | None:
    """An option as a moment; the module fails on what is none."""
    text = module.params[name]
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        module.fail_json(msg=f"{name} is '{text}', which is no time with a zone, such as 2026-03-01T02:03:04Z.")
    return parsed


def find(rds: Any, name: str) -> dict[str, Any]:
    """What AWS tells of the database; empty when there is none."""
    try:
        return dict(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])
    except is_boto3_error_code("DBInstanceNotFound"):
        return {}


def replayed_until(cloudwatch: Any, name: str, now: datetime) -> datetime | None:
    """The latest moment up to which the replica certainly has everything.

    A data point is measured at some time in its minute: its beginning, less the lag, is certain.
    """
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/RDS",
        MetricName="ReplicaLag",
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": name}],
        StartTime=(now - LOOK_BACK).replace(second=0, microsecond=0),
        EndTime=now + timedelta(seconds=PERIOD_SECONDS),
        Period=PERIOD_SECONDS,
        Statistics=["Minimum"],
    )["Datapoints"]
    # AWS says -1 when replication does not run.
    moments = [_aware(point["Timestamp"]) - timedelta(seconds=point["Minimum"]) for point in points if point["Minimum"] >= 0]
    return max(moments, default=None)


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "db_instance_identifier": {"required": True},
            "source_ended": {},
            "replayed_after": {},
            "wait_timeout_seconds": {"type": "int", "default": 600},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    name, awaited = module.params["db_instance_identifier"], moment(module, "replayed_after")
    ended = moment(module, "source_ended") or datetime.now(UTC)
    rds, cloudwatch = aws_client(module, "rds"), aws_client(module, "cloudwatch")
    until: datetime | None = None

    def replayed() -> bool:
        nonlocal until
        until = replayed_until(cloudwatch, name, datetime.now(UTC))
        return awaited is None or module.check_mode or (until is not None and until > awaited)

    with reporting(module, f"see what {name} holds"):
        database = find(rds, name)
        try:
            wait_until(replayed, f"{name} to have replayed {awaited}", module.params["wait_timeout_seconds"], module.params["poll_seconds"])
        except ResourceError as timeout:
            raise ResourceError(f"{timeout} It has everything up to {until or 'no moment that a data point tells'}.") from timeout
    module.exit_json(
        changed=False,
        exists=bool(database),
        status=database.get("DBInstanceStatus", ""),
        source=database.get("ReadReplicaSourceDBInstanceIdentifier") or "",
        address=database.get("Endpoint", {}).get("Address", ""),
        port=database.get("Endpoint", {}).get("Port", 0),
        replayed_until=until.isoformat(timespec="seconds") if until else "",
        lost_seconds=round(max(0.0, (ended - until).total_seconds()), 1) if until else -1.0,
    )


if __name__ == "__main__":
    main()
