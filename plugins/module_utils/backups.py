# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalogue of an environment's backups: one document for each, in the bucket that holds them.

A backup is complete when its document is there, which is written last. It lies at `catalogue/<kind>/<id>.json`, names every object with
its size and SHA-256, what a restore of them must hold, and how long it is kept; `sha256` is the digest of all the rest of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError

KINDS = ("database", "uploads", "configuration", "content")
FOLDERS = {"database": "database", "uploads": "files/uploads", "configuration": "config", "content": "content"}
"""Where in the bucket the objects of each kind lie."""
ID = re.compile(r"\d{8}T\d{6}Z")
CHUNK = 1 << 20

Backup = dict[str, Any]


def digest_of(backup: Backup) -> str:
    """The digest that a document must have."""
    rest = {key: value for key, value in backup.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def object_digest(s3: Any, bucket: str, key: str, version: str = "") -> tuple[str, int]:
    """SHA-256 and size of what an object holds, read to its end; ResourceError when it is not there."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))["Body"]
    except is_boto3_error_code(["NoSuchKey", "NoSuchVersion", "404"]) as error:
        raise ResourceError(f"s3://{bucket}/{key} is gone.") from error
    sha256, size = hashlib.sha256(), 0
    for chunk in body.iter_chunks(CHUNK):
        sha256.update(chunk)
        size += len(chunk)
    return sha256.hexdigest(), size


class Catalogue:
    """The documents of one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket

    def ids(self, kind: str) -> list[str]:
        """The ids of all backups of a kind, the newest first."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"catalogue/{kind}/")
        names = (item["Key"].rpartition("/")[2].removesuffix(".json") for page in pages for item in page.get("Contents", []))
        return sorted((name for name in names if ID.fullmatch(name)), reverse=True)

    def read(self, kind: str, identifier: str) -> Backup:
        """A backup's document; ResourceError when there is none, or when it is not what was written."""
        key = f"catalogue/{kind}/{identifier}.json"
        try:
            text = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except is_boto3_error_code("NoSuchKey") as error:
            known = ", ".join(self.ids(kind)[:5]) or "none"
            raise ResourceError(f"{self.bucket} has no {kind} backup '{identifier}'. The newest are: {known}.") from error
        try:
            backup: Backup = json.loads(text)
            sound = backup["sha256"] == digest_of(backup)
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise ResourceError(
                f"s3://{self.bucket}/{key} is corrupted: it has not its own digest. Take another backup, or an older version of it."
            )
        return backup

    def newest(self, kind: str) -> Backup:
        """The newest backup of a kind; ResourceError when there is none."""
        return self.read(kind, next(iter(self.ids(kind)), "newest"))

    def write(self, backup: Backup) -> Backup:
        """Complete a backup; its document with its digest."""
        whole = {**backup, "sha256": digest_of(backup)}
        key = f"catalogue/{backup['kind']}/{backup['id']}.json"
        self.s3.put_object(
            Bucket=self.bucket, Key=key, Body=json.dumps(whole, indent=1, sort_keys=True).encode(), ContentType="application/json"
        )
        return whole

    def forget(self, backup: Backup) -> None:
        """Delete a backup, its document first, so that what remains half way is none. The store of files goes by the bucket's own rule."""
        self.s3.delete_object(Bucket=self.bucket, Key=f"catalogue/{backup['kind']}/{backup['id']}.json")
        if backup["kind"] != "uploads":
            for item in backup["objects"]:
                self.s3.delete_object(Bucket=self.bucket, Key=item["key"])


def faults(s3: Any, bucket: str, backup: Backup) -> Iterator[str]:
    """One sentence for each object of a backup that is gone, or not what it was; every byte is read."""
    for item in backup["objects"]:
        try:
            sha256, size = object_digest(s3, bucket, item["key"])
        except ResourceError as error:
            yield str(error)
            continue
        if (sha256, size) != (item["sha256"], item["bytes"]):
            yield f"s3://{bucket}/{item['key']} is corrupted: its SHA-256 is {sha256}, and was {item['sha256']}."


def expired(backups: list[Backup], days: int, legal_days: int, now: datetime) -> list[Backup]:
    """Those whose time is over. The first of each month is kept for the legal period, and the newest always."""
    monthly: dict[str, Backup] = {}
    for backup in sorted(backups, key=lambda one: str(one["id"])):
        monthly.setdefault(backup["id"][:6], backup)
    kept = {one["id"] for one in monthly.values()}
    newest = max((one["id"] for one in backups), default="")

    def over(backup: Backup) -> bool:
        limit = legal_days if backup["id"] in kept else days
        return backup["id"] != newest and moment(backup["id"]) + timedelta(days=limit) < now

    return [backup for backup in backups if over(backup)]


def moment(identifier: str) -> datetime:
    """When a backup was begun, which its id says."""
    return datetime.strptime(identifier, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
