# SPDX-License-Identifier: GPL-3.0-or-later
"""What each operation of each AWS service does: read, open a session, or write; and which writes take data away.

The reviewed list beside this file (`operations.txt`, one `service operation class` a line) is what counts: an operation or a service
that does not stand there is denied. The rules below propose the classes; a test compares them with the list, so that a newer botocore
shows each operation it adds, and `python -m` of this file writes the list anew for the review.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

READ, SESSION, WRITE = "read", "session", "write"

# The services that the roles use, that design and environments name, and that credentials come from.
SERVICES = (
    *("accessanalyzer", "acm", "application-autoscaling", "autoscaling", "backup", "budgets", "ce", "cloudformation", "cloudfront"),
    *("cloudtrail", "cloudwatch", "config", "dynamodb", "ec2", "ecr", "ecs", "efs", "elasticache", "elb", "elbv2", "events"),
    *("firehose", "guardduty", "iam", "identitystore", "inspector2", "kms", "lambda", "logs", "organizations", "rds"),
    *("resourcegroupstaggingapi", "route53", "s3", "s3control", "secretsmanager", "securityhub", "service-quotas", "shield", "sns", "sqs"),
    *("ssm", "sso", "sso-admin", "sso-oidc", "sts", "wafv2"),
)

READING_VERBS = re.compile(
    r"(BatchDescribe|BatchGet|Describe|Discover|Estimate|Filter|Get|Head|List|Lookup|Query|Scan|Search|Select|Simulate)(?=[A-Z]|$)"
)
# Credentials for the run itself; they change nothing in the account, and a plan needs them as an apply does.
SESSIONS = {
    "sso": {"GetRoleCredentials"},
    "sso-oidc": {"CreateToken"},
    "sts": {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetSessionToken"},
}
# Named like a write, and only answering a question.
READS = {
    "accessanalyzer": {"CheckAccessNotGranted", "CheckNoNewAccess", "CheckNoPublicAccess", "ValidatePolicy"},
    "cloudformation": {"ValidateTemplate"},
    "events": {"TestEventPattern"},
    "kms": {"Verify", "VerifyMac"},
    "logs": {"TestMetricFilter"},
    "rds": {"DownloadDBLogFilePortion"},
    "route53": {"TestDNSAnswer"},
    "secretsmanager": {"ValidateResourcePolicy"},
    "sts": {"DecodeAuthorizationMessage"},
    "wafv2": {"CheckCapacity"},
}
# Named like a read, and giving out credentials, preparing something or costing money.
WRITES = {
    "ce": {"GetCostAndUsageWithResources", "GetApproximateUsageRecords"},
    "ecr": {"GetAuthorizationToken"},
    "ecs": {"DiscoverPollEndpoint"},
    "ssm": {"GetAccessToken", "GetDeployablePatchSnapshotForInstance"},
    "sts": {"GetDelegatedAccessToken", "GetFederationToken", "GetWebIdentityToken"},
}


@dataclass(frozen=True)
class Stateful:
    """An operation that takes data away: of what kind, and the parameter that names it."""

    kind: str
    parameter: str


STATEFUL: Mapping[tuple[str, str], Stateful] = {
    ("backup", "DeleteBackupVault"): Stateful("backup vault", "BackupVaultName"),
    ("backup", "DeleteRecoveryPoint"): Stateful("backups of the vault", "BackupVaultName"),
    ("dynamodb", "DeleteBackup"): Stateful("table backup", "BackupArn"),
    ("dynamodb", "DeleteTable"): Stateful("table", "TableName"),
    ("ec2", "DeleteVolume"): Stateful("volume", "VolumeId"),
    ("ecr", "DeleteRepository"): Stateful("image repository", "repositoryName"),
    ("efs", "DeleteFileSystem"): Stateful("file system", "FileSystemId"),
    ("elasticache", "DeleteCacheCluster"): Stateful("cache", "CacheClusterId"),
    ("elasticache", "DeleteReplicationGroup"): Stateful("cache", "ReplicationGroupId"),
    ("elasticache", "DeleteSnapshot"): Stateful("cache snapshot", "SnapshotName"),
    ("kms", "DeleteImportedKeyMaterial"): Stateful("key", "KeyId"),
    ("kms", "ScheduleKeyDeletion"): Stateful("key", "KeyId"),
    ("logs", "DeleteLogGroup"): Stateful("log group", "logGroupName"),
    ("rds", "DeleteDBCluster"): Stateful("database cluster", "DBClusterIdentifier"),
    ("rds", "DeleteDBClusterSnapshot"): Stateful("database snapshot", "DBClusterSnapshotIdentifier"),
    ("rds", "DeleteDBInstance"): Stateful("database", "DBInstanceIdentifier"),
    ("rds", "DeleteDBInstanceAutomatedBackup"): Stateful("database backup", "DbiResourceId"),
    ("rds", "DeleteDBSnapshot"): Stateful("database snapshot", "DBSnapshotIdentifier"),
    ("s3", "DeleteBucket"): Stateful("bucket", "Bucket"),
    ("s3", "DeleteObjects"): Stateful("objects of the bucket", "Bucket"),
    ("secretsmanager", "DeleteSecret"): Stateful("secret", "SecretId"),
    ("sqs", "DeleteQueue"): Stateful("queue", "QueueUrl"),
    ("sqs", "PurgeQueue"): Stateful("messages of the queue", "QueueUrl"),
}


class UnknownServiceError(Exception):
    """A service that nobody has reviewed; the text says what to do."""


def propose(service: str, operation: str) -> str:
    """The class that the rules give an operation."""
    if operation in SESSIONS.get(service, ()):
        return SESSION
    if operation in READS.get(service, ()):
        return READ
    if operation in WRITES.get(service, ()):
        return WRITE
    return READ if READING_VERBS.match(operation) else WRITE


@cache
def reviewed() -> dict[str, dict[str, str]]:
    """The reviewed list: service -> operation -> class."""
    services: dict[str, dict[str, str]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines():
        service, operation, kind = line.split()
        services.setdefault(service, {})[operation] = kind
    return services


def classify(service: str, operation: str) -> str:
    """The class of an operation. What is not on the list is a write; raises UnknownServiceError for a service that is not."""
    try:
        return reviewed()[service].get(operation, WRITE)
    except KeyError:
        raise UnknownServiceError(
            f"The operations of the AWS service {service!r} have not been reviewed, so nothing of it can be planned: add it to SERVICES "
            "in plugins/plugin_utils/planning/operations.py, write operations.txt anew and review what it says."
        ) from None


def stateful(service: str, operation: str, parameters: Mapping[str, Any]) -> tuple[Stateful, str] | None:
    """What holds data and would be taken away by a call, with its name or id; None for any other call."""
    loss = STATEFUL.get((service, operation))
    return (loss, str(parameters.get(loss.parameter, ""))) if loss else None


def is_approved(resource: str, approved: tuple[str, ...]) -> bool:
    """Whether a deletion is approved by the resource's name, id or ARN, or by the name at the end of its URL or ARN."""
    return any(resource == name or resource.endswith((f"/{name}", f":{name}")) for name in approved if name)


def proposed_lines() -> Iterator[str]:
    """The list as the rules and the installed botocore make it."""
    from botocore.session import get_session  # noqa: PLC0415  # only where the list is made

    session = get_session()
    for service in SERVICES:
        for operation in sorted(session.get_service_model(service).operation_names):
            yield f"{service} {operation} {propose(service, operation)}"


if __name__ == "__main__":
    Path(__file__).with_suffix(".txt").write_text("\n".join(proposed_lines()) + "\n")
