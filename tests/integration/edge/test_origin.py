# SPDX-License-Identifier: GPL-3.0-or-later
"""The real nginx, as the role configures it, serves those who know what CloudFront sends, and health checks; and nobody else."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.pages.inventory import ROOT
from tests.support.servers import free_port
from tests.support.tier_servers import certificate, nginx, rendered, running, tiers

HEADER = "X-Origin-Verify"
SENT, NEXT = "Cf1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT", "Next1aB2cD3eF4gH5iJ6kL7mN8oP9qR0"
CHECK = """            if ($from_cloudfront = 0) {
                return 403;
            }
"""
SECRETS = yaml.safe_load((ROOT / "inventories/_base/group_vars/hosts.yml").read_text())["edge_secrets"]


class Upstream(http.server.ThreadingHTTPServer):
    """The internal load balancer, which remembers the headers that came through."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", free_port()), Answer)
        self.headers: list[dict[str, str]] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with 200."""

    server: Upstream

    def do_GET(self) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@dataclass
class Origin:
    """nginx of one host, with what its secret holds."""

    folder: Path
    port: int = field(default_factory=free_port)
    pid: int = 0

    @property
    def files(self) -> list[str]:
        return [f"{self.folder}/origin-value", f"{self.folder}/origin-other"]

    def know(self, **values: str) -> None:
        """What host-secrets writes of such a secret."""
        for entry, file in zip(SECRETS, self.files, strict=True):
            Path(file).write_text(entry["text"].replace("%s", values[entry["field"]]))

    def ask(self, header: str | None = None, path: str = "/", method: str = "GET") -> int:
        context = ssl.create_default_context(cafile=str(self.folder / "certificate.pem"))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        connection.request(method, path, headers={} if header is None else {HEADER: header})
        status = connection.getresponse().status
        connection.close()
        return status

    def reload(self, header: str, status: int) -> None:
        """Have nginx read it anew, until it answers so."""
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self.ask(header) != status:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin")
    certificate(folder)
    return folder


@pytest.fixture(scope="module")
def upstream(folder: Path) -> Iterator[Upstream]:
    server = Upstream(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def origin(folder: Path, upstream: Upstream) -> Iterator[Origin]:
    """An origin that knows two values."""
    found = Origin(folder)
    found.know(value=SENT, other=NEXT)
    options: dict[str, Any] = {"web_tier_origin_header": HEADER, "web_tier_origin_files": found.files}
    command = nginx(folder, tiers(), found.port, upstream.server_port, "master_process on; user root;", **options)
    with running(command, folder / "web.log", found.port) as process:
        found.pid = process.pid
        yield found


@pytest.mark.parametrize("value", [SENT, NEXT])
def test_who_knows_one_of_both_values_is_served_and_nobody_behind_is_told(origin: Origin, upstream: Upstream, value: str) -> None:
    assert (origin.ask(value), origin.ask(value, "/api/x?y=1", "POST")) == (200, 200)
    assert HEADER.lower() not in upstream.headers[-1]
    assert value not in json.dumps(upstream.headers)


@pytest.mark.parametrize("path", ["/", "/index.html", "/api/status", "/static/a.css", "/health/", "/healthy", "/status", "//health/.."])
@pytest.mark.parametrize("value", [None, "", "wrong", SENT.lower(), SENT[:-1], f"{SENT}x", f"x{SENT}", f"{SENT}, {NEXT}", ".*"])
def test_who_knows_none_is_refused_whatever_is_asked_for(origin: Origin, upstream: Upstream, value: str | None, path: str) -> None:
    before = len(upstream.headers)
    assert origin.ask(value, path) == 403
    assert len(upstream.headers) == before


def test_health_checks_need_not_know_it(origin: Origin) -> None:
    assert origin.ask(None, "/health") == 200


def test_a_value_that_is_empty_lets_nobody_in(origin: Origin) -> None:
    origin.know(value=SENT, other="")
    origin.reload(NEXT, 403)
    assert (origin.ask(None), origin.ask(""), origin.ask(SENT)) == (403, 403, 200)


def test_a_rotation_ends_with_one_value_and_no_request_is_refused_meanwhile(origin: Origin) -> None:
    answers: list[int] = []
    ended = threading.Event()

    def visit() -> None:
        while not ended.wait(0.005):
            answers.append(origin.ask(NEXT))

    visitor = threading.Thread(target=visit)
    visitor.start()
    origin.know(value=NEXT, other=NEXT)
    origin.reload(SENT, 403)
    ended.set()
    visitor.join(30)
    assert set(answers) == {200}
    assert origin.ask(NEXT) == 200


def test_without_the_check_these_tests_would_fail(folder: Path, upstream: Upstream) -> None:
    """A mutation: the same settings, less the three lines."""
    found = Origin(folder)
    found.know(value=SENT, other=NEXT)
    options: dict[str, Any] = {"web_tier_origin_header": HEADER, "web_tier_origin_files": found.files}
    command = nginx(folder, tiers(), found.port, upstream.server_port, **options)
    settings = folder / "nginx.conf"
    assert settings.read_text().count(CHECK) == 1
    settings.write_text(settings.read_text().replace(CHECK, ""))
    with running(command, folder / "web.log", found.port):
        assert found.ask(None) == 200


def test_an_environment_without_an_edge_serves_everybody(folder: Path, upstream: Upstream) -> None:
    found = Origin(folder)
    with running(nginx(folder, tiers(), found.port, upstream.server_port), folder / "web.log", found.port):
        assert found.ask(None) == 200
    assert "cloudfront" not in (folder / "nginx.conf").read_text()


@pytest.mark.parametrize("header", [HEADER, ""])
def test_nginx_reads_it_before_each_look_at_its_settings(header: str) -> None:
    lines = rendered("web_tier", "nginx.service.conf.j2", web_tier_origin_header=header, ansible_managed="").splitlines()
    for moment in ("ExecStartPre", "ExecReload"):
        commands = [line.partition("=")[2] for line in lines if line.startswith(f"{moment}=")]
        reading = ["+/usr/local/libexec/host-secrets %n"] if header else []
        assert commands[: 2 + len(reading)] == ["", *reading, "/usr/local/libexec/nginx-resolver"]
        assert "nginx -t" in commands[2 + len(reading)]
