# SPDX-License-Identifier: GPL-3.0-or-later
"""The verify role against servers on loopback: what it accepts, what it finds out, and what it reports."""

import http.server
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.support.servers import free_port, serving, silence

ROOT = Path(__file__).parents[3]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
ROLE = "indivillage.infra.verify"
SYSTEMCTL = """#!/bin/sh
# Answers as systemctl show does: one block for each unit, separated by an empty line.
shift 2
for unit; do
    printf 'Id=%s\\nActiveState=%s\\nUnitFileState=enabled\\n\\n' "$unit" "${FAKE_STATE:-active}"
done
"""


class Page(http.server.BaseHTTPRequestHandler):
    """The reference application's answers, with the backends that a test wants to fail."""

    failing: ClassVar[set[str]] = set()
    open_to_all: ClassVar[bool | None] = None  # what an origin, asked by its address, thinks of visitors

    def do_GET(self) -> None:
        if self.path == "/" and self.headers["Host"].startswith("127.") and self.open_to_all is not None:
            self.send_response(200 if self.open_to_all else 403)
            self.end_headers()
            return
        components = {name: {"ok": name not in self.failing, "detail": "x"} for name in ("database", "cache", "bucket", "queue")}
        body = json.dumps({"instance_id": "i-1", "components": components, "ok": not self.failing}).encode()
        self.send_response(503 if self.failing and self.command == "POST" else 200)
        self.send_header("Content-Type", "application/json" if "/api/" in self.path else "text/html")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None: ...


class World:
    """A network on loopback: an app instance and a database that answers, a cache that is silent, and the page."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "systemctl").write_text(SYSTEMCTL)
        (directory / "systemctl").chmod(0o755)
        self._open = ExitStack()
        self.database = self._open.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        self.cache = self._open.enter_context(silence())[1]
        self.page = self._open.enter_context(serving(Page, directory))

    def close(self) -> None:
        self._open.close()

    def inventory(self) -> dict[str, Any]:
        instance = {
            "instance_role": "app",
            "instance_region": "us-east-1",
            "instance_alias": "app-1",
            "instance_private_ip": "127.0.0.1",
        }
        services = [
            {"group": "database", "name": "database", "host": "localhost"},
            {"group": "cache", "name": "cache", "host": "localhost"},
        ]
        shared = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "environment_name": "test",
            "domain_name": "test.example",
            "name_prefix": "indivillage-test",
            "instances_shortage": [],
            "ports": {"postgresql": self.database, "redis": self.cache, "app": 9},
            "security_flows": [{"name": "data", "source": "app", "destination": "database", "port": "postgresql"}],
            "verify_listening": {"database": ["postgresql"], "cache": ["redis"], "app": []},
            "verify_timeout_seconds": 1,
            "verify_url": f"https://localhost:{self.page}/",
            "verify_ca_file": str(self.directory / "ca.pem"),
            "verify_units": {"app": ["ssh.service", "indivillage-app.service"]},
        }
        primary = {"hosts": {"stack": {"stack_region": "us-east-1", "__verify_services": services}}}
        return {
            "all": {"vars": shared},
            "primary": primary,
            "instances": {"hosts": {"i-1": instance}},
            "role_app": {"hosts": {"i-1": None}},
        }

    def run(self, *entries: str, state: str = "active", **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run entry points of the role; `main` on the instance, the others on the stack."""
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(self.inventory()))
        plays = [
            {
                "name": entry,
                "hosts": "role_app" if entry == "main" else "primary",
                "gather_facts": False,
                "any_errors_fatal": True,
                "tasks": [{"name": entry, "ansible.builtin.include_role": {"name": ROLE, "tasks_from": entry}}],
            }
            for entry in entries
        ]
        (self.directory / "play.yml").write_text(yaml.safe_dump(plays))
        return subprocess.run(
            [PLAYBOOK, "-i", str(self.directory / "hosts.yml"), str(self.directory / "play.yml"), "-e", json.dumps(variables)],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{self.directory}:{os.environ['PATH']}", "FAKE_STATE": state},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    Page.failing, Page.open_to_all = set(), None
    world = World(tmp_path)
    yield world
    world.close()


def test_a_good_site_is_proved_and_reported_the_same_each_time(world: World, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    first = world.run("minimum_hosts", "page", "main", "report", verify_report_file=str(report))
    assert first.returncode == 0, first.stdout
    assert "bucket, queue gave back what was written" in " ".join(first.stdout.split())
    proved = json.loads(report.read_text())
    assert proved["page"]["tls"] == "TLSv1.3"
    assert proved["open"] == ["app -> database:postgresql on database"]
    assert proved["blocked"] == ["app -> cache:redis on cache"]
    assert proved["hosts"] == ["i-1"]
    second = world.run("page", "main", "report", verify_report_file=str(report))
    assert "changed=0" in second.stdout
    assert "changed=1" not in second.stdout


def test_an_open_door_is_found_and_named(world: World) -> None:
    result = world.run("main", security_flows=[])
    assert result.returncode != 0
    assert "app -> database:postgresql on database" in result.stdout
    assert "is open, expected blocked" in result.stdout


def test_a_flow_that_must_never_be_is_found(world: World) -> None:
    result = world.run("main", verify_refused=[{"source": "app", "destination": "database", "port": "postgresql"}])
    assert result.returncode != 0
    assert "is open, expected blocked" in result.stdout


def test_a_unit_that_does_not_run_is_found(world: World) -> None:
    result = world.run("main", state="failed")
    assert result.returncode != 0
    assert "ActiveState=failed" in result.stdout


def test_a_backend_that_loses_what_was_written_is_named(world: World) -> None:
    Page.failing = {"cache"}
    result = world.run("page")
    assert result.returncode != 0
    assert "i-1 did not write to and read back from cache:" in result.stdout


def test_an_origin_that_serves_past_the_edge_is_found(world: World) -> None:
    Page.open_to_all, origins = False, [f"127.0.0.1:{world.page}", f"127.0.0.1:{free_port()}"]
    closed = world.run("page", verify_origins=origins)
    assert closed.returncode == 0, closed.stdout
    Page.open_to_all = True
    found = world.run("page", verify_origins=origins)
    assert found.returncode != 0
    assert f"(item={origins[0]})" in found.stdout
    assert f"failed: [stack] (item={origins[1]})" not in found.stdout


def test_a_certificate_of_an_unknown_authority_is_refused(world: World) -> None:
    result = world.run("page", verify_ca_file="")
    assert result.returncode != 0
    assert "TLS failed" in result.stdout


def test_tiers_that_are_too_small_stop_with_their_names(world: World) -> None:
    result = world.run("minimum_hosts", instances_shortage=["test us-east-1: role web has 1 running hosts, at least 2 are declared"])
    assert result.returncode != 0
    assert "role web has 1 running hosts" in result.stdout
