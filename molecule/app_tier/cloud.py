#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of AWS's API as the reference application calls: the metadata service, Secrets Manager, one bucket and one queue.

Secrets are the files of /run/secrets-of-the-cloud, so that a test can rotate one. Requests must be signed with the role's credentials.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRETS = Path("/run/secrets-of-the-cloud")
PROOF = "token-of-the-metadata-service"
ROLE = {"Code": "Success", "AccessKeyId": "ROLEKEY", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
METADATA = {
    "/latest/meta-data/iam/security-credentials/": "app",
    "/latest/meta-data/iam/security-credentials/app": json.dumps(ROLE),
    "/latest/meta-data/instance-id": "i-0123456789abcdef0",
    "/latest/meta-data/placement/availability-zone": "us-east-1c",
}
OBJECTS: dict[str, bytes] = {}
MESSAGES: dict[str, str] = {}
NUMBERS = itertools.count(1)


def send_message(body: dict[str, Any]) -> dict[str, Any]:
    identity = str(next(NUMBERS))
    MESSAGES[identity] = body["MessageBody"]
    return {"MessageId": identity}


OPERATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "secretsmanager.GetSecretValue": lambda body: {"SecretString": (SECRETS / body["SecretId"]).read_text()},
    "AmazonSQS.GetQueueUrl": lambda body: {"QueueUrl": f"http://127.0.0.1:4566/queue/{body['QueueName']}"},
    "AmazonSQS.GetQueueAttributes": lambda _body: {"Attributes": {"ApproximateNumberOfMessages": str(len(MESSAGES))}},
    "AmazonSQS.SendMessage": send_message,
    "AmazonSQS.ReceiveMessage": lambda _body: {
        "Messages": [{"MessageId": key, "ReceiptHandle": key, "Body": text} for key, text in list(MESSAGES.items())]
    },
    "AmazonSQS.DeleteMessage": lambda body: {"Deleted": MESSAGES.pop(body["ReceiptHandle"])},
    "AmazonSQS.ChangeMessageVisibility": lambda _body: {},
}


class Cloud(BaseHTTPRequestHandler):
    """Tells the services apart by path and target header, as one endpoint for all of them must."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        if self.path == "/latest/api/token":
            self.answer(200, PROOF.encode())
        elif self.is_signed():
            OBJECTS[self.path] = self.body()
            self.answer(200)

    def do_GET(self) -> None:
        if self.path in METADATA:
            known = self.headers["X-aws-ec2-metadata-token"] == PROOF
            self.answer(200 if known else 401, METADATA[self.path].encode() if known else b"")
        elif self.is_signed():
            self.answer(200 if self.path in OBJECTS else 404, OBJECTS.get(self.path, b""))

    def do_HEAD(self) -> None:
        if self.is_signed():
            self.answer(200)

    def do_DELETE(self) -> None:
        if self.is_signed():
            OBJECTS.pop(self.path, None)
            self.answer(204)

    def do_POST(self) -> None:
        body = json.loads(self.body())
        if self.is_signed():
            self.answer(200, json.dumps(OPERATIONS[self.headers["X-Amz-Target"]](body)).encode())

    def is_signed(self) -> bool:
        signed = f"Credential={ROLE['AccessKeyId']}/" in self.headers.get("Authorization", "")
        if not signed:
            self.answer(403)
        return signed

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, code: int, content: bytes = b"") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 4566), Cloud).serve_forever()
