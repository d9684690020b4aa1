# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that the base role configured; on Debian 12 the scenario hardening applies it."""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host


@pytest.fixture(scope="module")
def host() -> Host:
    return testinfra.get_host("podman://molecule-base-13")


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_the_login_user_can_still_log_in(host: Host) -> None:
    assert host.user("admin").exists
    assert host.run("su - admin -c 'sudo -n true'").rc == 0


def test_the_listed_authority_is_trusted(host: Host) -> None:
    path = "/usr/local/share/ca-certificates/indivillage/example.crt"
    assert host.run(f"openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt {path}").rc == 0


def test_a_service_user_gets_a_certificate_of_this_instance(host: Host) -> None:
    """Any user will do; the tiers ask for their own."""
    host.check_output("systemctl start instance-certificate@admin.service")
    folder = "/run/instance-certificate/admin"
    assert (host.file(folder).user, host.file(folder).mode) == ("admin", 0o700)
    assert (host.file(f"{folder}/key.pem").user, host.file(f"{folder}/key.pem").mode) == ("admin", 0o600)
    assert host.check_output("uname -n") in host.check_output(
        f"openssl x509 -in {folder}/certificate.pem -noout -subject -ext subjectAltName"
    )
    host.check_output("systemd-analyze security --no-pager --threshold=20 instance-certificate@admin.service")  # 2.0 of 10, or it fails
    first = host.file(f"{folder}/certificate.pem").sha256sum
    host.check_output("systemctl restart instance-certificate@admin.service")
    assert host.file(f"{folder}/certificate.pem").sha256sum != first
