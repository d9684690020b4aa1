# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions' code, on moto in this process and a scanner that answers as clamd does."""

from __future__ import annotations

import importlib.util
import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

FILES = Path(__file__).parents[3] / "roles/aws_functions/files"
UPLOADS, QUARANTINE, PROCESSED = "uploads", "quarantine", "processed"
MALWARE = b"this is what the scanner looks for"


class Clamd(socketserver.BaseRequestHandler):
    """Takes a stream in pieces and says whether it holds the malware."""

    refuses = False

    def handle(self) -> None:
        command = self._take(len(b"zINSTREAM\0"))
        content = b""
        while size := struct.unpack("!L", self._take(4))[0]:
            content += self._take(size)
        verdict = "Size limit exceeded. ERROR" if self.refuses else "Win.Test-1 FOUND" if MALWARE in content else "OK"
        assert command == b"zINSTREAM\0"
        self.request.sendall(f"stream: {verdict}\0".encode())

    def _take(self, size: int) -> bytes:
        taken = b""
        while len(taken) < size:
            taken += self.request.recv(size - len(taken))
        return taken


def load(function: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"{function}_handler", FILES / function / "handler.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def clamd() -> Iterator[int]:
    """The port of a scanner."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Clamd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names = ("AWS_ENDPOINT_URL", "AWS_PROFILE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        s3 = boto3.client("s3")
        for bucket in (UPLOADS, QUARANTINE, PROCESSED):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        monkeypatch.setenv("NEXT_QUEUE_URL", boto3.client("sqs").create_queue(QueueName="file-processing")["QueueUrl"])
        monkeypatch.setenv("QUARANTINE_BUCKET", QUARANTINE)
        monkeypatch.setenv("PROCESSED_BUCKET", PROCESSED)
        yield


@pytest.fixture
def scanner(monkeypatch: pytest.MonkeyPatch, clamd: int) -> ModuleType:
    monkeypatch.setenv("CLAMD_HOST", "127.0.0.1")
    monkeypatch.setenv("CLAMD_PORT", str(clamd))
    return load("malware_scan")


def upload(key: str, content: bytes) -> dict[str, Any]:
    """The record that S3 writes about a new object."""
    version = boto3.client("s3").put_object(Bucket=UPLOADS, Key=key, Body=content)["VersionId"]
    return {"s3": {"bucket": {"name": UPLOADS}, "object": {"key": key.replace(" ", "+"), "versionId": version}}}


def event(*records: dict[str, Any]) -> dict[str, Any]:
    """A batch with one message for each record."""
    bodies = [json.dumps({"Records": [record]}) for record in records]
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


def objects(bucket: str) -> list[str]:
    return [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def tags(bucket: str, key: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in boto3.client("s3").get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}


def handed_on() -> list[dict[str, Any]]:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="file-processing")["QueueUrl"]
    return [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]


# --- the scan ---


def test_a_clean_file_is_handed_on(scanner: ModuleType) -> None:
    record = upload("my report.csv", b"a,b\n" * 50_000)

    assert scanner.handle(event(record), None) == {"batchItemFailures": []}

    assert handed_on() == [{"Records": [record]}]
    assert tags(UPLOADS, "my report.csv") == {"state": "PROCESSING"}
    assert objects(QUARANTINE) == []


def test_malware_goes_to_quarantine_and_nowhere_else(scanner: ModuleType) -> None:
    scanner.handle(event(upload("invoice.csv", b"x" * 100_000 + MALWARE)), None)

    assert objects(QUARANTINE) == ["uploads/invoice.csv"]
    assert tags(QUARANTINE, "uploads/invoice.csv") == {"state": "QUARANTINED", "malware": "Win.Test-1"}
    assert objects(UPLOADS) == []
    assert "Versions" not in boto3.client("s3").list_object_versions(Bucket=UPLOADS), "no earlier version brings it back"
    assert handed_on() == []


def test_what_was_scanned_is_what_is_handed_on(scanner: ModuleType) -> None:
    first = upload("data.json", MALWARE)
    upload("data.json", b"{}")

    scanner.handle(event(first), None)

    assert objects(QUARANTINE) == ["uploads/data.json"]
    assert boto3.client("s3").get_object(Bucket=UPLOADS, Key="data.json")["Body"].read() == b"{}"


def test_a_message_that_comes_again_does_no_harm(scanner: ModuleType) -> None:
    record = upload("data.json", MALWARE)
    scanner.handle(event(record), None)

    assert scanner.handle(event(record), None) == {"batchItemFailures": []}
    assert objects(QUARANTINE) == ["uploads/data.json"]


def test_nothing_passes_without_a_scanner(scanner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAMD_PORT", "1")

    assert scanner.handle(event(upload("data.json", b"{}")), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}

    assert handed_on() == []
    assert tags(UPLOADS, "data.json") == {"state": "SCANNING"}


def test_a_file_that_the_scanner_refuses_is_not_taken_for_clean(scanner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clamd, "refuses", True)
    assert scanner.handle(event(upload("data.json", b"{}")), None)["batchItemFailures"]
    assert handed_on() == []


def test_only_the_messages_that_failed_come_again(scanner: ModuleType) -> None:
    lost = {"s3": {"bucket": {"name": "elsewhere"}, "object": {"key": "data.json"}}}
    result = scanner.handle(event(lost, upload("data.json", b"{}")), None)
    assert result == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert len(handed_on()) == 1


def test_the_message_by_which_s3_tries_a_notification_is_no_file(scanner: ModuleType) -> None:
    tried = {"Records": [{"messageId": "0", "body": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})}]}
    assert scanner.handle(tried, None) == {"batchItemFailures": []}


# --- the processing ---


@pytest.mark.parametrize(
    ("key", "content", "known"),
    [
        ("rows.csv", b'a,b\n1,"x\ny"\n', {"rows": 2, "type": "text/csv"}),
        ("list.json", b"[1, 2, 3]", {"entries": 3, "type": "application/json"}),
        ("sound.wav", b"RIFF", {"size": 4}),
    ],
)
def test_a_file_and_what_is_known_about_it_go_to_the_processed_ones(key: str, content: bytes, known: dict[str, Any]) -> None:
    assert load("file_processor").handle(event(upload(key, content)), None) == {"batchItemFailures": []}

    s3 = boto3.client("s3")
    told = json.loads(s3.get_object(Bucket=PROCESSED, Key=f"{key}.json")["Body"].read())
    assert s3.get_object(Bucket=PROCESSED, Key=key)["Body"].read() == content
    assert known.items() <= told.items()
    assert told["state"] == tags(UPLOADS, key)["state"] == "COMPLETED"


@pytest.mark.parametrize(("key", "content"), [("broken.json", b"{"), ("broken.csv", b"\xff\xfe"), ("open.csv", b'"')])
def test_a_file_that_is_not_what_its_name_says_has_failed_for_good(key: str, content: bytes) -> None:
    assert load("file_processor").handle(event(upload(key, content)), None) == {"batchItemFailures": []}

    assert tags(UPLOADS, key) == {"state": "FAILED"}
    assert objects(PROCESSED) == [f"{key}.json"]


def test_a_file_that_is_gone_is_passed_over() -> None:
    record = upload("data.json", b"{}")
    boto3.client("s3").delete_object(Bucket=UPLOADS, Key="data.json", VersionId=record["s3"]["object"]["versionId"])
    assert load("file_processor").handle(event(record), None) == {"batchItemFailures": []}
    assert objects(PROCESSED) == []


def test_a_failure_of_aws_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSED_BUCKET", "nowhere")
    assert load("file_processor").handle(event(upload("data.json", b"{}")), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
