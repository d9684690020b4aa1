# SPDX-License-Identifier: GPL-3.0-or-later
"""The connectivity module against servers on loopback."""

import http.server
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.modules import connectivity

from sandbox import pki
from tests.support.servers import serving, silence


class Answers(http.server.BaseHTTPRequestHandler):
    """/json answers with JSON, /missing with 404, /slow never; POST echoes the method."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
            return
        body = json.dumps({"path": self.path, "method": self.command}).encode() if self.path.startswith("/json") else b"<html>"
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Type", "application/json" if self.path.startswith("/json") else "text/html")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    with serving(Answers) as port:
        yield port


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate authority of the servers with TLS."""
    authority = tmp_path_factory.mktemp("tls")
    pki.issue(["localhost"], authority)
    return authority / "ca.pem"


@pytest.fixture(scope="module")
def secure(ca_file: Path) -> Iterator[int]:
    with serving(Answers, ca_file.parent) as port:
        yield port


@pytest.fixture(scope="module")
def silent() -> Iterator[tuple[str, int]]:
    with silence() as address:
        yield address


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run(capsys: pytest.CaptureFixture[str], *checks: dict[str, Any], timeout: int = 1) -> dict[str, Any]:
    """Run the module with named checks and return what it prints."""
    named = [{"name": f"check {number}", **check} for number, check in enumerate(checks)]
    basic._ANSIBLE_ARGS = None
    with patch_module_args({"checks": named, "timeout_seconds": timeout}), pytest.raises(SystemExit):
        connectivity.main()
    return dict(json.loads(capsys.readouterr().out))


def test_an_open_port_is_open(plain: int, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"host": "127.0.0.1", "port": plain})
    assert not result["changed"]
    assert result["results"][0]["outcome"] == "open"
    assert result["results"][0]["target"] == f"127.0.0.1:{plain}"
    assert result["results"][0]["address"] == "127.0.0.1"


def test_an_open_port_that_should_be_blocked_fails_and_is_named(plain: int, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"host": "127.0.0.1", "port": plain}, {"host": "127.0.0.1", "port": plain, "expected": "blocked"})
    assert result["failed"]
    assert f"1 of 2 connections are not as expected. check 1 (127.0.0.1:{plain}) is open, expected blocked" in result["msg"]
    assert len(result["results"]) == 2


def test_what_does_not_answer_is_blocked_within_the_time(silent: tuple[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    result = run(capsys, *[{"host": silent[0], "port": silent[1], "expected": "blocked"}] * 20)
    assert {entry["outcome"] for entry in result["results"]} == {"blocked"}
    assert time.monotonic() - started < 3, "they are tried side by side"


@pytest.mark.parametrize("expected", ["open", "blocked"])
def test_a_machine_that_rejects_was_reached_and_is_neither(expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"host": "127.0.0.1", "port": closed_port(), "expected": expected})
    assert result["failed"]
    assert result["results"][0]["outcome"] == "rejected"


def test_a_name_that_has_no_address_is_no_proof_of_a_block(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_address(*_arguments: Any, **_options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    result = run(capsys, {"host": "nowhere.invalid", "port": 1, "expected": "blocked"})
    assert result["failed"]
    assert "the name cannot be resolved: Name or service not known" in result["msg"]


def test_a_silent_name_server_is_no_proof_of_a_block(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_for_long(*_arguments: Any, **_options: Any) -> None:
        time.sleep(3)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nothing_for_long)
    result = run(capsys, {"host": "slow.invalid", "port": 1, "expected": "blocked"})
    assert result["failed"]
    assert "no name server answered within 1 s" in result["msg"]


def test_a_valid_certificate_is_open_and_tells_the_version(secure: int, ca_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"kind": "tls", "host": "localhost", "port": secure, "ca_file": str(ca_file)})
    assert result["results"][0]["tls"] == "TLSv1.3"


@pytest.mark.parametrize(("host", "trusted"), [("localhost", False), ("127.0.0.1", True)])
def test_an_unknown_authority_or_another_name_is_invalid(
    host: str, trusted: bool, secure: int, ca_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = {"kind": "tls", "host": host, "port": secure, **({"ca_file": str(ca_file)} if trusted else {})}
    result = run(capsys, check)
    assert result["results"][0]["outcome"] == "invalid"
    assert "TLS failed" in result["msg"]


def test_old_tls_is_refused_by_default(ca_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Answers, ca_file.parent, newest_tls=ssl.TLSVersion.TLSv1_2) as port:
        check = {"kind": "tls", "host": "localhost", "port": port, "ca_file": str(ca_file)}
        assert run(capsys, check)["failed"]
        assert run(capsys, {**check, "minimum_tls": "1.2"})["results"][0]["tls"] == "TLSv1.2"


def test_an_answer_in_json_is_returned(secure: int, ca_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"https://localhost:{secure}/json?a=b"
    result = run(capsys, {"kind": "http", "url": url, "method": "POST", "ca_file": str(ca_file)})
    assert result["results"][0]["json"] == {"path": "/json?a=b", "method": "POST"}
    assert result["results"][0]["target"] == f"POST {url}"


def test_another_status_is_invalid(plain: int, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{plain}/missing"
    assert "status 404, expected 200" in run(capsys, {"kind": "http", "url": url})["msg"]
    assert not run(capsys, {"kind": "http", "url": url, "status": [200, 404]}).get("failed")


def test_a_server_that_answers_too_late_is_blocked(plain: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, {"kind": "http", "url": f"http://127.0.0.1:{plain}/slow"})["results"][0]["outcome"] == "blocked"


def test_a_server_that_speaks_something_else_is_invalid(plain: int, ca_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, {"kind": "tls", "host": "localhost", "port": plain, "ca_file": str(ca_file)})["results"][0]["outcome"] == "invalid"


@pytest.mark.parametrize("check", [{"kind": "tcp", "host": "localhost"}, {"kind": "http"}, {"host": "h", "port": 1, "expected": "shut"}])
def test_an_incomplete_check_is_refused(check: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, check)["failed"]
