# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are cached until forgotten; the metadata service is asked in version 2 and only where that is allowed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from unittest.mock import MagicMock

import pytest

from roles.app_tier.files.reference_app.reference.aws import Identity, Secrets


def test_a_secret_is_read_once_and_again_after_it_was_forgotten() -> None:
    client = MagicMock()
    client.get_secret_value.side_effect = [{"SecretString": json.dumps({"password": text})} for text in ("old", "new")]
    secrets = Secrets(lambda _service: client)
    assert [secrets.get("/db")["password"] for _ in range(2)] == ["old", "old"]
    secrets.forget("/db")
    assert secrets.get("/db")["password"] == "new"
    assert client.get_secret_value.call_count == 2


class Metadata(BaseHTTPRequestHandler):
    """A metadata service that insists on a token, as version 2 does."""

    answers = {"/latest/meta-data/instance-id": "i-1", "/latest/meta-data/placement/availability-zone": "us-east-1b"}  # noqa: RUF012 never changed

    def do_PUT(self) -> None:
        self.answer(200, "secret-token")

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] == "secret-token":
            self.answer(200, self.answers[self.path])
        else:
            self.answer(401, "")

    def answer(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def metadata() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def endpoint(server: HTTPServer) -> dict[str, str]:
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.server_port}/"}


def test_the_instance_is_identified_once(metadata: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(endpoint(metadata))
    assert (identity().instance_id, identity().zone) == ("i-1", "us-east-1b")
    monkeypatch.setitem(Metadata.answers, "/latest/meta-data/instance-id", "i-2")
    assert identity().instance_id == "i-1"


def test_a_silent_service_is_asked_again_next_time(metadata: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(endpoint(metadata))
    with monkeypatch.context() as patch:
        patch.setattr(Metadata, "do_PUT", lambda self: self.answer(503, ""))
        assert identity().instance_id == "unknown"
    assert identity().instance_id == "i-1"


def test_the_service_is_not_asked_where_boto3_may_not(metadata: HTTPServer) -> None:
    assert Identity({**endpoint(metadata), "AWS_EC2_METADATA_DISABLED": "true"})().instance_id == "unknown"
