# SPDX-License-Identifier: GPL-3.0-or-later
"""A web host as its load balancer and its clients see it; the upstream answers with what it received."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from tests.integration.emulator.support import wait_until

CURL = "curl --silent --show-error --insecure --max-time 15"
SECURITY_HEADERS = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
}


@pytest.fixture(scope="module")
def host() -> Host:
    return testinfra.get_host("podman://molecule-web-tier")


def echo(host: Host, arguments: str = "", path: str = "/") -> Any:
    return json.loads(host.check_output(f"{CURL} {arguments} 'https://127.0.0.1{path}'"))


def headers(host: Host, path: str) -> list[tuple[str, str]]:
    lines = host.check_output(f"{CURL} --output /dev/null --dump-header - https://127.0.0.1{path}").splitlines()[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines) if value]


def test_nginx_runs_without_root_and_is_enabled(host: Host) -> None:
    assert host.service("nginx").is_running
    assert host.service("nginx").is_enabled
    assert {process.user for process in host.process.filter(comm="nginx")} == {"www-data"}
    assert host.socket("tcp://0.0.0.0:443").is_listening
    assert not host.socket("tcp://0.0.0.0:80").is_listening
    assert host.check_output("systemctl is-system-running") == "running"


def test_the_unit_is_sandboxed_for_real(host: Host) -> None:
    host.check_output("systemd-analyze security --no-pager --threshold=20 nginx.service")  # 2.0 of 10, or it fails
    pid = host.check_output("systemctl show --property MainPID --value nginx")
    # Through /proc/PID/root a path means what it means to the service; only a process with all its rights may look there.
    same = "setpriv --reuid www-data --regid www-data --clear-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service"
    for path in ("/usr/probe", "/etc/nginx/probe", "/var/lib/probe"):
        assert "Read-only file system" in host.run(f"{same} touch /proc/{pid}/root{path}").stderr, path


def test_the_key_is_the_instances_own_and_lives_in_memory(host: Host) -> None:
    key = host.file("/run/instance-certificate/www-data/key.pem")
    assert (key.user, key.mode) == ("www-data", 0o600)
    assert host.check_output("stat --file-system --format %T /run") == "tmpfs"
    assert host.run("grep -rlE 'PRIVATE KEY' /etc/nginx /etc/ssl --include=* --exclude=upstream.key").stdout == ""


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_older_tls_is_refused(host: Host, version: str) -> None:
    attempt = host.run(f"{CURL} --tls-max {version} https://127.0.0.1/health")
    assert attempt.rc == 35, attempt


def test_tls_1_3_is_spoken(host: Host) -> None:
    text = host.run("openssl s_client -connect 127.0.0.1:443 -brief </dev/null").stderr
    assert "Protocol version: TLSv1.3" in text


def test_health_answers_by_itself(host: Host) -> None:
    assert json.loads(host.check_output(f"{CURL} https://127.0.0.1/health")) == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/api/status", "/health", "/missing"])
def test_every_answer_carries_each_security_header_once(host: Host, path: str) -> None:
    found = headers(host, path)
    for name, value in SECURITY_HEADERS.items():
        assert [given for header, given in found if header == name] == [value], name
    policy = dict(found)["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert dict(found).get("server", "nginx") == "nginx"  # no version


def test_requests_go_on_unchanged_over_verified_tls(host: Host) -> None:
    received = echo(host, path="/api/a%20b?c=d&e=%2F")
    assert received["path"] == "/api/a%20b?c=d&e=%2F"
    assert received["server_name"] == "internal.example.test"
    assert received["headers"]["X-Forwarded-Proto"] == "https"
    assert re.fullmatch(r"[0-9a-f]{32}", received["headers"]["X-Request-Id"])


def test_the_load_balancer_tells_who_the_client_is(host: Host) -> None:
    assert echo(host, "--header 'X-Forwarded-For: 192.0.2.66, 203.0.113.7'")["headers"]["X-Forwarded-For"] == "203.0.113.7"


def test_nobody_else_may_say_so(host: Host) -> None:
    address = host.interface("eth0").addresses[0]
    received = json.loads(host.check_output(f"{CURL} --header 'X-Forwarded-For: 203.0.113.7' https://{address}/"))
    assert received["headers"]["X-Forwarded-For"] == address


def test_the_upstreams_name_is_resolved_anew(host: Host) -> None:
    assert echo(host)["local"] == "127.0.0.1"
    host.check_output("echo -n 127.0.0.2 >/run/upstream-address")
    try:
        wait_until(lambda: echo(host)["local"] == "127.0.0.2", 20)
    finally:
        host.check_output("rm /run/upstream-address")
    wait_until(lambda: echo(host)["local"] == "127.0.0.1", 20)


def test_an_upstream_that_nobody_vouches_for_is_refused(host: Host) -> None:
    """Also shows that the trust store's change reaches the running nginx."""
    authority = "/usr/local/share/ca-certificates/upstream.crt"

    def status() -> str:
        return host.check_output(f"{CURL} --output /dev/null --write-out '%{{http_code}}' https://127.0.0.1/")

    host.check_output(f"mv {authority} /run/upstream.crt && update-ca-certificates --fresh")
    try:
        # A reload is done when nginx has been told: for a moment its former processes may take a connection.
        wait_until(lambda: status() == "502", 5)
    finally:
        host.check_output(f"mv /run/upstream.crt {authority} && update-ca-certificates --fresh")
    wait_until(lambda: status() == "200", 5)
    assert echo(host)["path"] == "/"


def test_health_does_not_depend_on_the_upstream(host: Host) -> None:
    host.check_output("systemctl kill --signal STOP upstream.service")
    try:
        assert json.loads(host.check_output(f"{CURL} https://127.0.0.1/health")) == {"status": "ok"}
    finally:
        host.check_output("systemctl kill --signal CONT upstream.service")


def test_accesses_are_logged_as_json(host: Host) -> None:
    host.check_output(f"{CURL} --user-agent 'quote\"d' https://127.0.0.1/api/logged")
    # nginx logs when it has answered.
    logged = wait_until(lambda: host.run("journalctl --identifier nginx --output cat --grep api/logged").stdout, 5)
    line = json.loads(logged.splitlines()[-1])
    assert line["path"] == "/api/logged"
    assert line["agent"] == 'quote"d'
    assert line["status"] == 200
    assert line["tls"] == "TLSv1.3"


def test_a_boot_makes_a_new_key_and_finds_its_own_name_servers(host: Host) -> None:
    """What the first boot from a baked image does: /run is empty then."""
    before = host.file("/run/instance-certificate/www-data/certificate.pem").sha256sum
    host.check_output("systemctl stop nginx instance-certificate@www-data && rm -rf /run/nginx /run/instance-certificate")
    host.check_output("systemctl start nginx")
    assert host.file("/run/instance-certificate/www-data/certificate.pem").sha256sum != before
    assert host.file("/run/nginx/resolver.conf").content_string == "resolver 127.0.0.53 valid=10s ipv6=off;\n"
