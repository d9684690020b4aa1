# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that comes as an artifact takes the reference application's place, and only with the checksum it was announced with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

CONTAINER = "molecule-app-tier"
SOMETHING_TO_DO = 2  # the exit code of a plan
SCENARIO = Path(__file__).parents[1]
APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the artifact serves"]
"""


@pytest.fixture(scope="module")
def host() -> Host:
    return testinfra.get_host(f"podman://{CONTAINER}")


@pytest.fixture(scope="module")
def checksum(host: Host) -> str:
    """Pack a release; return its checksum."""
    host.check_output(
        f"mkdir -p /srv/release && echo '{APPLICATION}' >/srv/release/wsgi.py && tar -C /srv/release -czf /srv/release.tar.gz ."
    )
    return f"sha256:{host.file('/srv/release.tar.gz').sha256sum}"


def apply(checksum: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Apply the role with the artifact."""
    variables = f"app_tier_artifact_url=file:///srv/release.tar.gz app_tier_artifact_checksum={checksum}"
    target = ["-i", f"{CONTAINER},", "-c", "containers.podman.podman"]
    command = ["ansible-playbook", *target, "-e", variables, "--skip-tags", "base", *options, str(SCENARIO / "converge.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(SCENARIO.parents[1] / "ansible.cfg")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=SCENARIO.parents[1])


def test_an_artifact_without_a_checksum_is_refused_before_anything_changes(host: Host) -> None:
    before = host.file("/opt/indivillage/current").linked_to
    result = apply("")
    assert result.returncode != 0
    assert "app_tier_artifact_checksum is ''" in result.stdout
    assert host.file("/opt/indivillage/current").linked_to == before


def test_an_artifact_with_another_checksum_is_refused_and_the_former_release_serves_on(host: Host) -> None:
    before = host.file("/opt/indivillage/current").linked_to
    result = apply("sha256:" + "0" * 64)
    assert result.returncode != 0
    assert "checksum" in result.stdout
    assert host.file("/opt/indivillage/current").linked_to == before
    assert host.service("indivillage-app").is_running


def test_an_artifact_is_planned_installed_served_and_then_left_alone(host: Host, checksum: str) -> None:
    planned = apply(checksum, "--check")
    assert planned.returncode == SOMETHING_TO_DO, planned.stdout
    assert host.run("ls -d /opt/indivillage/releases/$(sha256sum /srv/release.tar.gz | cut -c1-12)").rc != 0
    applied = apply(checksum)
    assert applied.returncode == 0, applied.stdout
    body = host.check_output("curl --silent --insecure --retry 10 --retry-all-errors --max-time 10 https://127.0.0.1:8443/")
    assert body == "the artifact serves"
    again = apply(checksum)
    assert "changed=0 " in again.stdout, again.stdout
    assert host.run("find /opt/indivillage/releases /var/cache -name '*.new' -o -name 'indivillage-*'").stdout == ""
