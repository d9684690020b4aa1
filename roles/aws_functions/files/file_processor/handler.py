# SPDX-License-Identifier: GPL-3.0-or-later
"""Process files that were found clean: the file and what is known about it go to the bucket of processed files.

Beside `<key>` stands `<key>.json` with its size, digest and type, and for tables and documents how many rows or entries they have. The
upload's tag `state` then says COMPLETED, or FAILED for a file that is not what its name says; such a file is not tried again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import mimetypes
import os
from typing import Any
from urllib.parse import unquote_plus

import boto3
from botocore.exceptions import ClientError

LOG = logging.getLogger()
GONE = ("404", "NoSuchKey", "NoSuchVersion")


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Work off a batch of messages; the answer names those that could not be, which SQS hands out again."""
    failed = []
    for message in event["Records"]:
        try:
            for record in json.loads(message["body"]).get("Records", []):
                _process(record)
        except ClientError:
            LOG.exception("Message %s goes back to the queue", message["messageId"])
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def describe(key: str, content: bytes) -> dict[str, Any]:
    """What is known about a file; ValueError when it is not what its name says."""
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    known: dict[str, Any] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "type": kind}
    if kind == "application/json":
        document = json.loads(content)
        known["entries"] = len(document) if isinstance(document, (dict, list)) else 1
    elif kind == "text/csv":
        known["rows"] = sum(1 for _row in csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    return known


def _process(record: dict[str, Any]) -> None:
    s3, target = boto3.client("s3"), os.environ["PROCESSED_BUCKET"]
    place = {"Bucket": record["s3"]["bucket"]["name"], "Key": unquote_plus(record["s3"]["object"]["key"])}
    if version := record["s3"]["object"].get("versionId"):
        place["VersionId"] = version
    try:
        content = s3.get_object(**place)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        LOG.info("There is no %s any more", place)
        return
    state = "COMPLETED"
    try:
        known = describe(place["Key"], content)
    except (ValueError, csv.Error) as error:
        state, known = "FAILED", {"error": str(error)}
        LOG.warning("%s is not what its name says: %s", place, error)
    else:
        s3.copy_object(Bucket=target, Key=place["Key"], CopySource=place, TaggingDirective="REPLACE")
    s3.put_object(
        Bucket=target, Key=f"{place['Key']}.json", Body=json.dumps(known | {"state": state}).encode(), ContentType="application/json"
    )
    s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "state", "Value": state}]})
