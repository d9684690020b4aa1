# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that the base role configured, on each Debian release."""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host


@pytest.fixture(scope="module", params=["molecule-base-13", "molecule-base-12"])
def host(request: pytest.FixtureRequest) -> Host:
    return testinfra.get_host(f"podman://{request.param}")


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


@pytest.mark.parametrize("unit", ["ssh", "systemd-timesyncd"])
def test_units_are_enabled(host: Host, unit: str) -> None:
    assert host.service(unit).is_enabled


def test_ssh_runs_and_takes_keys_only(host: Host) -> None:
    assert host.service("ssh").is_running
    settings = dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)
    for name, value in {
        "permitrootlogin": "no",
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "authenticationmethods": "publickey",
        "x11forwarding": "no",
        "allowtcpforwarding": "no",
        "allowagentforwarding": "no",
        "permittunnel": "no",
        "maxauthtries": "4",
    }.items():
        assert settings[name] == value, name


def test_ssh_offers_no_password_login(host: Host) -> None:
    attempt = host.run("ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes admin@127.0.0.1 true")
    assert attempt.rc != 0
    assert "(publickey)" in attempt.stderr


def test_the_login_user_can_still_log_in(host: Host) -> None:
    assert host.user("admin").exists
    assert host.run("su - admin -c 'sudo -n true'").rc == 0


def test_the_listed_authority_is_trusted(host: Host) -> None:
    path = "/usr/local/share/ca-certificates/indivillage/example.crt"
    assert host.run(f"openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt {path}").rc == 0


def test_kernel_settings_are_persisted(host: Host) -> None:
    file = host.file("/etc/sysctl.d/50-base.conf")
    assert (file.user, file.mode) == ("root", 0o644)
    assert file.contains("^net.ipv4.conf.all.rp_filter = 1$")
    assert host.run("systemd-analyze cat-config sysctl.d").stdout.count("kernel.kptr_restrict = 2") == 1


def test_the_journal_is_kept_within_limits(host: Host) -> None:
    text = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=500M" in text
    assert host.file("/var/log/journal").is_directory


def test_time_comes_from_the_listed_servers_only(host: Host) -> None:
    text = host.check_output("systemd-analyze cat-config systemd/timesyncd.conf")
    assert "\nNTP=169.254.169.123\n" in text
    assert text.rstrip().endswith("FallbackNTP=")


def test_a_service_user_gets_a_certificate_of_this_instance(host: Host) -> None:
    """Any user will do; the tiers ask for their own."""
    host.check_output("systemctl start instance-certificate@admin.service")
    folder = "/run/instance-certificate/admin"
    assert (host.file(folder).user, host.file(folder).mode) == ("admin", 0o700)
    assert (host.file(f"{folder}/key.pem").user, host.file(f"{folder}/key.pem").mode) == ("admin", 0o600)
    assert host.check_output("uname -n") in host.check_output(
        f"openssl x509 -in {folder}/certificate.pem -noout -subject -ext subjectAltName"
    )
    first = host.file(f"{folder}/certificate.pem").sha256sum
    host.check_output("systemctl restart instance-certificate@admin.service")
    assert host.file(f"{folder}/certificate.pem").sha256sum != first
