# SPDX-License-Identifier: GPL-3.0-or-later
"""Marked secrets of a visitor go through the real nginx and gunicorn, as the roles configure them, and stay out of logs."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.pages.inventory import ROOT
from tests.support.servers import free_port
from tests.support.tier_servers import certificate, nginx, rendered, run_from, running, tiers

QUERY = "email=canary-mail%40example.com&token=canary-token"
HEADERS = {
    "Authorization": "Bearer canary-bearer",
    "Cookie": "session=canary-cookie",
    "Referer": "https://example.com/?email=canary-referer",
    "X-Api-Key": "canary-key",
}
FORM = "user=canary-user&password=canary-password"
MARK = "canary-"
APP = {
    **{"APP_RELEASE": "r1", "AWS_REGION": "us-east-1", "DATABASE_SECRET_ID": "/db", "CACHE_SECRET_ID": "/cache", "BUCKET_NAME": "bucket"},
    **{"QUEUE_NAME": "queue", "TLS_CA_FILE": "/ca.pem", "PYTHONUNBUFFERED": "1"},
}


@dataclass
class Site:
    """nginx and gunicorn on loopback, and everything that they have logged."""

    folder: Path
    web_port: int
    app_port: int
    journal: socket.socket
    context: ssl.SSLContext
    read: int = 0

    def web_log(self, until: str) -> list[str]:
        """What nginx has sent to the journal, at least until this text has come."""
        lines: list[str] = []
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not any(until in line for line in lines):
            with suppress(TimeoutError):
                lines.append(self.journal.recv(65536).decode())
        assert any(until in line for line in lines), lines
        return lines

    def web_log_so_far(self) -> list[str]:
        """What else has come."""
        lines: list[str] = []
        with suppress(TimeoutError):
            while True:
                lines.append(self.journal.recv(65536).decode())
        return lines

    def app_log(self, until: str) -> str:
        """What gunicorn and the application have said since the last time, at least until this text has come."""
        deadline = time.monotonic() + 20
        while until not in (text := (self.folder / "app.log").read_text()[self.read :]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert until in text, text
        self.read += len(text)
        return text

    def ask(self, port: int, method: str, path: str, body: str | None = None) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=self.context, timeout=20)
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, f"{path}?{QUERY}", body=body, headers=HEADERS | kind)
        status = connection.getresponse().status
        connection.close()
        return status

    def serves(self) -> bool:
        with suppress(OSError):
            return self.ask(self.app_port, "GET", "/health") == 200
        return False

    def send(self, port: int, text: str) -> None:
        """Something that is no request."""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, self.context.wrap_socket(plain) as client:
            client.sendall(text.encode())
            client.settimeout(5)
            with suppress(TimeoutError, OSError):
                while client.recv(4096):
                    pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, root = tmp_path_factory.mktemp("site"), tiers()
    web_port, app_port = free_port(), free_port()
    certificate(folder)
    settings = rendered("app_tier", "gunicorn.conf.py.j2", app_tier_port=app_port, app_tier_workers=1)
    assert "0.0.0.0:" in settings
    settings = settings.replace("0.0.0.0:", "127.0.0.1:").replace("/run/instance-certificate/indivillage", str(folder))
    (folder / "gunicorn.conf.py").write_text(settings)
    application = f"{ROOT}/roles/app_tier/files/reference_app"
    serve = [*run_from(root, "usr/bin/python3"), f"{root}/usr/bin/gunicorn", "--config", f"{folder}/gunicorn.conf.py"]
    serve += ["--chdir", application, "wsgi:application"]
    environment = {**os.environ, **APP, "PYTHONHOME": f"{root}/usr", "PYTHONDONTWRITEBYTECODE": "1"}
    context = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    context.check_hostname = False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(folder / "journal"))
        journal.settimeout(0.5)
        with (
            running(serve, folder / "app.log", app_port, environment),
            running(nginx(folder, root, web_port, app_port), folder / "web.log", web_port),
        ):
            found = Site(folder, web_port, app_port, journal, context)
            deadline = time.monotonic() + 120
            while not found.serves():
                assert time.monotonic() < deadline, (folder / "app.log").read_text()
                time.sleep(0.5)
            yield found


def test_a_request_is_logged_without_what_it_carries(site: Site) -> None:
    assert site.ask(site.web_port, "GET", "/served") == 404

    web, app = site.web_log("/served"), site.app_log("/served")
    (access,) = [json.loads(line[line.index("{") :]) for line in web if "/served" in line]
    assert (access["path"], access["status"]) == ("/served", 404)
    assert access["request_id"] in app, "what is left still leads from one log to the other"
    assert MARK not in "".join(web) + app


def test_a_form_is_not_logged_even_when_it_is_too_large_for_memory(site: Site) -> None:
    assert site.ask(site.web_port, "POST", "/form", FORM + "&text=" + "x" * 200_000) == 404

    assert MARK not in "".join(site.web_log("/form")) + site.app_log("/form")


def test_an_application_that_fails_is_told_without_the_request(site: Site, tmp_path: Path) -> None:
    """nginx puts the whole line of a request into the message of an error."""
    web_port, root = free_port(), tiers()
    certificate(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))
        journal.settimeout(0.5)
        lost = Site(tmp_path, web_port, 0, journal, site.context)
        lost.context = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        lost.context.check_hostname = False
        with running(nginx(tmp_path, root, web_port, free_port()), tmp_path / "web.log", web_port):
            assert lost.ask(web_port, "GET", "/lost") == 502
            lines = lost.web_log("/lost")
            time.sleep(1)
            lines += lost.web_log_so_far()
    (access,) = [json.loads(line[line.index("{") :]) for line in lines if '"path":"/lost"' in line]
    assert (access["status"], access["upstream_status"]) == (502, "502")
    assert MARK not in "".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        f"GET /broken?{QUERY} HTTP/1.1\r\nHost: x\r\nAuthorization Bearer canary-bearer\r\n\r\n",
        f"GET /broken?{QUERY} HTTP/9.9\r\nHost: x\r\n\r\n",
        f"GET /broken ?{QUERY} HTTP/1.1\r\nHost: x\r\nCookie: canary-cookie\r\n\r\n",
        f"GET /broken?{QUERY} HTTP/1.1\r\nHost: x\r\nCookie: {'canary-' * 5000}\r\n\r\n",
    ],
    ids=["header", "version", "line", "size"],
)
@pytest.mark.parametrize("tier", ["web", "app"])
def test_what_is_no_request_is_refused_without_being_told(site: Site, tier: str, text: str) -> None:
    site.send(site.web_port if tier == "web" else site.app_port, text)
    assert site.ask(site.web_port, "GET", f"/after-{tier}") == 404

    assert MARK not in "".join(site.web_log(f"/after-{tier}")) + site.app_log(f"/after-{tier}")
