# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence for auditors: what an environment did and how it stands, as files with digests under one signature.

A bundle is a folder C(evidence/<environment>/<time>/) of the operations bucket:

- one JSON file for each source, and C(controls.json), which says what of it speaks for which control;
- C(manifest.json), with the digest of each file, and that of the manifest before: a bundle that is taken away breaks the chain;
- C(manifest.sig), KMS's signature of the manifest (ECDSA over SHA-256, DER), and C(public-key.der), which proves it without AWS.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory

Clients = Callable[[str], Any]
Document = dict[str, Any]

FORMAT = 1
ALGORITHM = "ECDSA_SHA_256"
MANIFEST, SIGNATURE, PUBLIC_KEY, CONTROLS = "manifest.json", "manifest.sig", "public-key.der", "controls.json"
TIME = "%Y%m%dT%H%M%SZ"
MOST_RUNS = 1000
REPORT_SECONDS = 120  # AWS makes a credential report in seconds


@dataclass(frozen=True)
class Scope:
    """Whose evidence, and since when."""

    environment: str
    prefix: str
    begin: datetime.datetime
    bucket: str
    check: bool = False
    """Nothing may be written, not even a report of IAM's own."""


# ---- Sources: each returns what its file holds ----


def access(clients: Clients, scope: Scope, _history: RunHistory) -> Document:
    """Who can log in, with what, and when they last did: IAM's credential report, and who is in which group."""
    iam = clients("iam")
    if scope.check:
        return {}
    wait_until(lambda: iam.generate_credential_report()["State"] == "COMPLETE", "IAM's credential report", REPORT_SECONDS, 2)
    report = iam.get_credential_report()
    users = list(csv.DictReader(io.StringIO(report["Content"].decode())))
    pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["User"])
    groups = {user["UserName"]: sorted(user.get("GroupList", [])) for page in pages for user in page["UserDetailList"]}
    return {"made": report["GeneratedTime"].isoformat(), "users": [{**user, "groups": groups.get(user["user"], [])} for user in users]}


def backups(clients: Clients, scope: Scope, _history: RunHistory) -> Document:
    """What was backed up, and every restore, tests among them."""
    backup = clients("backup")
    vaults = [
        vault["BackupVaultName"]
        for vault in _items(backup, "list_backup_vaults", "BackupVaultList")
        if vault["BackupVaultName"].startswith(f"{scope.prefix}-")
    ]
    points = [
        _only(point, "RecoveryPointArn", "ResourceArn", "ResourceType", "CreationDate", "CompletionDate", "Status", "IsEncrypted")
        | {"Vault": vault}
        for vault in vaults
        for point in _items(
            backup, "list_recovery_points_by_backup_vault", "RecoveryPoints", BackupVaultName=vault, ByCreatedAfter=scope.begin
        )
    ]
    restores = [
        _only(job, "RestoreJobId", "RecoveryPointArn", "ResourceType", "CreationDate", "CompletionDate", "Status", "ValidationStatus")
        for job in _items(backup, "list_restore_jobs", "RestoreJobs", ByCreatedAfter=scope.begin)
    ]
    return {"vaults": vaults, "recovery_points": points, "restores": restores}


def compliance(clients: Clients, scope: Scope, _history: RunHistory) -> Document:
    """How the rules of AWS Config stand."""
    rules = {
        one["ConfigRuleName"]: one.get("Compliance", {}).get("ComplianceType", "INSUFFICIENT_DATA")
        for one in _items(clients("config"), "describe_compliance_by_config_rule", "ComplianceByConfigRules")
        if one["ConfigRuleName"].startswith(scope.prefix)
    }
    return {"rules": rules, "totals": dict(Counter(rules.values()))}


def findings(clients: Clients, _scope: Scope, _history: RunHistory) -> Document:
    """What Security Hub holds open, from all that report to it."""
    wanted = {
        "RecordState": [{"Value": "ACTIVE", "Comparison": "EQUALS"}],
        "WorkflowStatus": [{"Value": "NEW", "Comparison": "EQUALS"}, {"Value": "NOTIFIED", "Comparison": "EQUALS"}],
    }
    found = [
        _only(one, "Id", "ProductArn", "GeneratorId", "Title", "CreatedAt", "UpdatedAt")
        | {"Severity": one.get("Severity", {}).get("Label", "")}
        for one in _items(clients("securityhub"), "get_findings", "Findings", Filters=wanted)
    ]
    return {"findings": found, "totals": dict(Counter(one["Severity"] for one in found))}


def images(clients: Clients, scope: Scope, _history: RunHistory) -> Document:
    """The images of the environment with what they were made of and how they were judged, from their tags."""
    of_environment = [{"Name": "tag:Environment", "Values": [scope.environment]}]
    found = _items(clients("ec2"), "describe_images", "Images", Owners=["self"], Filters=of_environment)
    return {
        "images": [
            _only(image, "ImageId", "Name", "CreationDate", "State") | {"Tags": {tag["Key"]: tag["Value"] for tag in image.get("Tags", [])}}
            for image in found
        ]
    }


def proofs(clients: Clients, scope: Scope, _history: RunHistory) -> Document:
    """What was tried and worked, or did not: restores by verify_backups, and rehearsed disasters, each as it was reported."""
    s3, begin = clients("s3"), scope.begin.strftime(TIME)
    found = {}
    for kind, folder in (("restores", "evidence/backups/"), ("rehearsals", f"evidence/rehearsals/{scope.environment}/")):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=scope.bucket, Prefix=folder)
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
        # Their names begin with the time.
        wanted = [key for key in keys if key.endswith(".json") and key.removeprefix(folder) >= begin]
        found[kind] = [json.loads(s3.get_object(Bucket=scope.bucket, Key=key)["Body"].read()) for key in wanted]
    return found


def runs(_clients: Clients, scope: Scope, history: RunHistory) -> Document:
    """Who changed the environment, by which commit and approved plan, and what came of it."""
    begin = scope.begin.strftime(TIME)
    return {"runs": [run for run in history.last(scope.environment, MOST_RUNS) if run["run_id"] >= begin]}


def trail(clients: Clients, scope: Scope, _history: RunHistory) -> Document:
    """Whether CloudTrail wrote, and delivered what proves that nobody has changed it."""
    name = f"{scope.prefix}-trail"
    status = clients("cloudtrail").get_trail_status(Name=name)
    wanted = (
        "IsLogging",
        "LatestDeliveryTime",
        "LatestDigestDeliveryTime",
        "LatestDeliveryError",
        "LatestDigestDeliveryError",
        "StartLoggingTime",
    )
    return {"trail": name, **_only(status, *wanted)}


SOURCES: dict[str, Callable[[Clients, Scope, RunHistory], Document]] = {
    function.__name__: function for function in (access, backups, compliance, findings, images, proofs, runs, trail)
}
# What speaks for a measure of the control matrix, by the role that takes it; what the project does itself, its runs do.
BY_ROLE = {
    **{
        "aws_identity": ("access",),
        "aws_account": ("access", "compliance"),
        "aws_backup": ("backups", "proofs"),
        "aws_images": ("images",),
    },
    **{"aws_audit": ("compliance", "findings", "trail"), "hardening": ("images",)},
}


def _items(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Document]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[key]


def _only(item: Mapping[str, Any], *names: str) -> Document:
    return {name: item[name] for name in names if name in item}


def mapped(measures: list[Document], collected: Mapping[str, Document]) -> list[Document]:
    """The measures of the control matrix, each with the files of this bundle that speak for it."""
    return [
        {
            **_only(measure, "measure", "controls", "by", "proof"),
            "evidence": sorted(
                {f"{name}.json" for role in measure["by"] or {"": ()} for name in (*BY_ROLE.get(role, ()), "runs") if name in collected}
            ),
        }
        for measure in measures
    ]


# ---- Bundles ----


class Bundles:
    """The bundles of one environment in a bucket."""

    def __init__(self, s3: Any, kms: Any, bucket: str, environment: str, key: str) -> None:
        self._s3 = s3
        self._kms = kms
        self._bucket = bucket
        self._folder = f"evidence/{environment}/"
        self._key = key

    def place(self, name: str, file: str = "") -> str:
        return f"s3://{self._bucket}/{self._folder}{name}/{file}"

    def names(self) -> list[str]:
        """Of all bundles that are whole, the oldest first: the signature is written last."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._folder)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(key.split("/")[2] for key in keys if key.endswith(f"/{SIGNATURE}"))

    def write(self, name: str, files: Mapping[str, Document], about: Document) -> Document:
        """Write a bundle, its signature last; the manifest."""
        contents = {file: _json(document) for file, document in files.items()}
        former = self.names()
        manifest = {
            "format": FORMAT,
            **about,
            "files": {
                file: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for file, content in sorted(contents.items())
            },
            "previous": {"name": former[-1], "sha256": hashlib.sha256(self.read(former[-1], MANIFEST)).hexdigest()} if former else None,
        }
        signed = _json(manifest)
        digest = hashlib.sha256(signed).digest()
        signature = self._kms.sign(KeyId=self._key, Message=digest, MessageType="DIGEST", SigningAlgorithm=ALGORITHM)["Signature"]
        contents[MANIFEST] = signed
        contents[PUBLIC_KEY] = self._kms.get_public_key(KeyId=self._key)["PublicKey"]
        for file, content in (*contents.items(), (SIGNATURE, signature)):
            self._s3.put_object(Bucket=self._bucket, Key=f"{self._folder}{name}/{file}", Body=content)
        return manifest

    def read(self, name: str, file: str) -> bytes:
        """A file of a bundle; raises ResourceError when it is not there."""
        try:
            content: bytes = self._s3.get_object(Bucket=self._bucket, Key=f"{self._folder}{name}/{file}")["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            raise ResourceError(f"{self.place(name, file)} is not there.") from None
        return content

    def faults(self, name: str) -> list[str]:
        """Everything that speaks against a bundle; nothing when it is as it was signed."""
        try:
            signed, signature = self.read(name, MANIFEST), self.read(name, SIGNATURE)
        except ResourceError as missing:
            return [str(missing)]
        if not self._is_signed(hashlib.sha256(signed).digest(), signature):
            return [f"{self.place(name, MANIFEST)} is not what was signed with {self._key}."]
        manifest = json.loads(signed)
        return [*self._changed(name, manifest["files"]), *self._broken(manifest["previous"])]

    def _is_signed(self, digest: bytes, signature: bytes) -> bool:
        try:
            answer = self._kms.verify(
                KeyId=self._key, Message=digest, MessageType="DIGEST", Signature=signature, SigningAlgorithm=ALGORITHM
            )
        except self._kms.exceptions.KMSInvalidSignatureException:
            return False
        return bool(answer["SignatureValid"])

    def _changed(self, name: str, files: Mapping[str, Document]) -> Iterator[str]:
        for file, told in files.items():
            try:
                content = self.read(name, file)
            except ResourceError as missing:
                yield str(missing)
                continue
            if hashlib.sha256(content).hexdigest() != told["sha256"]:
                yield f"{self.place(name, file)} is not what was signed."

    def _broken(self, previous: Document | None) -> Iterator[str]:
        if previous:
            try:
                digest = hashlib.sha256(self.read(previous["name"], MANIFEST)).hexdigest()
            except ResourceError as missing:
                yield f"The bundle before is gone: {missing}"
                return
            if digest != previous["sha256"]:
                yield f"{self.place(previous['name'], MANIFEST)} has changed since the next bundle was made."


def _json(document: Document) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, default=_text) + "\n").encode()


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)
