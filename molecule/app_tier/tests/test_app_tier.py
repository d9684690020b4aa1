# SPDX-License-Identifier: GPL-3.0-or-later
"""An application host with real PostgreSQL and Redis behind it, as its load balancer and its operators see it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

URL = "https://127.0.0.1:8443"
CURL = "curl --silent --show-error --insecure --max-time 20"
COMPONENTS = ["bucket", "cache", "database", "queue"]


@pytest.fixture(scope="module")
def host() -> Host:
    return testinfra.get_host("podman://molecule-app-tier")


def get(host: Host, path: str, *options: str) -> tuple[int, Any]:
    """Return the status code and the JSON of an answer."""
    body, _, code = host.check_output(f"{CURL} {' '.join(options)} --write-out '\\n%{{http_code}}' {URL}{path}").rpartition("\n")
    return int(code), json.loads(body)


def failed(content: Any) -> list[str]:
    return sorted(name for name, component in content["components"].items() if not component["ok"])


def test_the_unit_runs_as_its_own_user_and_is_enabled(host: Host) -> None:
    assert host.service("indivillage-app").is_running
    assert host.service("indivillage-app").is_enabled
    assert set(host.check_output("ps -C gunicorn -o user:32=").split()) == {"indivillage"}
    assert host.user("indivillage").shell == "/usr/sbin/nologin"
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.check_output("systemctl show --property NRestarts --value indivillage-app") == "0"


def test_the_unit_is_sandboxed_for_real(host: Host) -> None:
    host.check_output("systemd-analyze security --no-pager --threshold=20 indivillage-app.service")  # 2.0 of 10, or it fails
    pid = host.check_output("systemctl show --property MainPID --value indivillage-app")
    # through /proc/PID/root a path means what it means to the service
    inside = f"su indivillage -s /bin/sh -c 'touch /proc/{pid}/root"
    for path in ("/usr/probe", "/opt/indivillage/current/probe", "/etc/indivillage/probe"):
        assert "Read-only file system" in host.run(f"{inside}{path}'").stderr, path
    assert host.run(f"{inside}/tmp/probe'").rc == 0  # noqa: S108 a private one, which gunicorn needs
    assert not host.file("/tmp/probe").exists  # noqa: S108 the host's own
    assert int(re.findall(r"CapEff:\s*(\w+)", host.file(f"/proc/{pid}/status").content_string)[0], 16) == 0


def test_all_four_backends_answer(host: Host) -> None:
    code, content = get(host, "/api/status")
    assert (code, content["ok"], failed(content)) == (200, True, [])
    assert sorted(content["components"]) == COMPONENTS
    assert "TLSv1.3" in content["components"]["database"]["detail"]
    assert (content["host"], content["instance_id"], content["zone"]) == ("molecule-app-tier", "i-0123456789abcdef0", "us-east-1c")


def test_all_four_backends_give_back_what_is_written_and_keep_nothing(host: Host) -> None:
    code, content = get(host, "/api/round-trip", "--request POST")
    assert (code, failed(content)) == (200, [])
    assert host.check_output("su postgres -c \"psql -Atc 'SELECT count(*) FROM round_trips' app\"") == "0"


def test_concurrent_first_round_trips_agree_on_the_table(host: Host) -> None:
    host.check_output("su postgres -c \"psql -qc 'DROP TABLE IF EXISTS round_trips' app\" && systemctl restart indivillage-app")
    trip = f"{CURL} --request POST {URL}/api/round-trip"
    answers = host.check_output(f"seq 8 | xargs -P 8 -I @ {trip}").splitlines()
    assert [failed(json.loads(answer)) for answer in answers if answer] == [[]] * 8, answers


def test_the_release_is_named_by_its_content_and_linked(host: Host) -> None:
    link = host.file("/opt/indivillage/current").linked_to
    release = get(host, "/api/status")[1]["release"]
    assert link == f"/opt/indivillage/releases/{release}"
    assert host.file(f"{link}/wsgi.py").user == "root"
    assert host.run(f"find {link} -perm /022 -not -type l").stdout == ""


def test_the_environment_file_holds_names_and_no_secret(host: Host) -> None:
    text = host.file("/etc/indivillage/app.env").content_string
    assert 'DATABASE_SECRET_ID="database"' in text
    assert not re.search(r"PASSWORD|SECRET_ACCESS_KEY|TOKEN|AWS_ACCESS_KEY", text)


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_older_tls_is_refused(host: Host, version: str) -> None:
    assert host.run(f"{CURL} --tls-max {version} {URL}/health").rc == 35


def test_the_key_is_the_instances_own_and_lives_in_memory(host: Host) -> None:
    key = host.file("/run/instance-certificate/indivillage/key.pem")
    assert (key.user, key.mode) == ("indivillage", 0o600)
    assert host.run("su admin -s /bin/sh -c 'cat /run/instance-certificate/indivillage/key.pem'").rc != 0


def test_logs_are_json(host: Host) -> None:
    get(host, "/api/status", "--header 'X-Forwarded-For: 203.0.113.7'", "--header 'X-Request-Id: abc'")
    text = host.check_output("journalctl --unit indivillage-app _TRANSPORT=stdout --output cat --lines 20")
    entries = [json.loads(line) for line in text.splitlines()]
    request = next(entry for entry in reversed(entries) if entry["message"] == "request")
    assert (request["client"], request["request_id"], request["status"]) == ("203.0.113.7", "abc", 200)


@pytest.fixture
def rotated_database(host: Host) -> Iterator[None]:
    def rotate(old: str, new: str) -> None:
        host.check_output(f"echo \"ALTER ROLE app PASSWORD '{new}'\" | su postgres -c psql")
        host.check_output(f"sed -i s/{old}/{new}/ /run/secrets-of-the-cloud/database")

    rotate("first", "second")
    yield
    rotate("second", "first")


@pytest.mark.usefixtures("rotated_database")
def test_a_rotated_password_is_found_without_a_restart(host: Host) -> None:
    assert failed(get(host, "/api/status")[1]) == []


@pytest.mark.parametrize(("unit", "component"), [("postgresql@17-main", "database"), ("redis-server", "cache")])
def test_a_frozen_backend_is_a_red_row_and_not_a_hang(host: Host, unit: str, component: str) -> None:
    """The worst way to die: connections are accepted and never answered."""
    host.check_output(f"systemctl kill --signal STOP {unit}")
    try:
        assert get(host, "/health") == (200, {"status": "ok"})
        code, content = get(host, "/ready", "--max-time 12")
        assert (code, failed(content)) == (503, [component])
        page = host.check_output(f"{CURL} --max-time 12 {URL}/")
        assert page.count('<tr class="bad">') == 1
    finally:
        host.check_output(f"systemctl kill --signal CONT {unit}")
    assert failed(get(host, "/ready")[1]) == []


HANG_UP = """
import socket, struct
for _ in range(200):
    client = socket.create_connection(("127.0.0.1", 8443))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not a polite end
    client.close()
"""


def test_clients_that_hang_up_before_the_handshake_end_no_worker(host: Host) -> None:
    """As health checks do that have waited too long; gunicorn's own worker ends with all its requests."""
    workers = host.check_output("pgrep gunicorn")
    host.check_output(f"python3 -c '{HANG_UP}'")
    assert get(host, "/health") == (200, {"status": "ok"})
    assert host.check_output("pgrep gunicorn") == workers


def test_a_killed_worker_and_a_killed_master_come_back(host: Host) -> None:
    pid = host.check_output("systemctl show --property MainPID --value indivillage-app")
    host.check_output(f"kill -KILL {pid}")
    assert host.check_output(f"{CURL} --retry 15 --retry-delay 1 --retry-all-errors {URL}/health")


def test_a_boot_makes_a_new_key_and_serves_by_itself(host: Host) -> None:
    """What the first boot from a baked image does: /run is empty then."""
    certificate = "/run/instance-certificate/indivillage/certificate.pem"
    before = host.file(certificate).sha256sum
    host.check_output("systemctl stop indivillage-app instance-certificate@indivillage && test ! -e /run/instance-certificate/indivillage")
    host.check_output("systemctl start indivillage-app")
    assert host.file(certificate).sha256sum != before
    assert failed(get(host, "/ready", "--retry 10 --retry-all-errors")[1]) == []
