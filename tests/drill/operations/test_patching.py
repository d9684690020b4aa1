# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts patched under load, on real hosts. Run on a site that serves: make site && make drill-operations.

Each host gets an archive of its own that calls itself Debian's security archive, with newer versions of a package of the drill.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drill.support.results import PER_SECOND, TIMES, VISITED, Section, under_load
from tests.drill.support.running import serves_whole
from tests.e2e.driver import Site

TIER = "app"
PACKAGE = "drill-of-patching"
ALWAYS = {"aws_patching_windows": [{"name": "always", "schedule": "cron(0 * * * ? *)", "duration_hours": 2}]}
NEVER = {"aws_patching_windows": [{"name": "never", "schedule": "cron(0 2 29 FEB ? *)", "duration_hours": 1}]}
NOTHING_ELSE = {"host_patching_busy": {}, "host_patching_minutes_per_host": 1}

ARCHIVE = Path(__file__).with_name("archive.sh").read_text()


@pytest.fixture(scope="module")
def section() -> Iterator[Section]:
    with under_load("Patching", "Two instances of the app tier, one security update each.", __file__) as found:
        yield found


@pytest.fixture(scope="module")
def certificates() -> Iterator[Section]:
    words = "Two instances of the app tier, booted one after the other with nothing to update."
    with under_load("Certificates of hosts", words, __file__) as found:
        yield found


def offer(site: Site, version: int, marker: str = "") -> None:
    """Have every host of the tier offered a version of the package; the first one is installed."""
    for instance in site.instances(TIER):
        name = f"indivillage-{instance['InstanceId']}"
        if site.run("podman", "exec", name, "dpkg", "-s", PACKAGE).returncode:
            site.must("podman", "exec", name, "sh", "-c", ARCHIVE, "offer", "1", "")
        site.must("podman", "exec", name, "sh", "-c", ARCHIVE, "offer", str(version), marker)


def versions(site: Site) -> set[str]:
    """The versions of the package that the tier's hosts have."""
    names = [f"indivillage-{instance['InstanceId']}" for instance in site.instances(TIER)]
    return {site.must("podman", "exec", name, "dpkg-query", "--show", "--showformat=${Version}", PACKAGE) for name in names}


def booted(site: Site) -> dict[str, str]:
    """Instance -> when its first process began."""
    names = [instance["InstanceId"] for instance in site.instances(TIER)]
    return {name: site.must("podman", "exec", f"indivillage-{name}", "cut", "-d", " ", "-f22", "/proc/1/stat") for name in names}


def patch(site: Site, *variables: dict[str, Any]) -> Any:
    inputs: dict[str, Any] = {"patch_tier": TIER, **NOTHING_ELSE}
    for given in variables:
        inputs |= given
    return site.play("playbooks/patch_hosts.yml", "-e", json.dumps(inputs))


@pytest.mark.parametrize("number", range(1, TIMES + 1))
@pytest.mark.parametrize("marker", ["", "reboot"])
def test_a_tier_is_patched_without_a_failed_request(site: Site, section: Section, marker: str, number: int) -> None:
    version = number + 1 + (TIMES if marker else 0)
    offer(site, version, marker)
    before = booted(site)
    what = f"patching {number}{', with a boot of each host' if marker else ''}"
    result, load = section.measure(what, (f"{site.url}{VISITED}", site.ca, PER_SECOND), lambda: patch(site, ALWAYS))
    assert result.returncode == 0, result.stdout[-6000:]
    assert versions(site) == {str(version)}
    assert "mends CVE-2026-00001" in " ".join(result.stdout.split())
    assert all((booted(site)[name] != at) == bool(marker) for name, at in before.items())
    assert serves_whole(site, TIER)
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


def fingerprints(site: Site) -> set[str]:
    """Of the certificates that the tier's hosts serve with."""
    show = "openssl s_client -connect localhost:8443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    names = [f"indivillage-{instance['InstanceId']}" for instance in site.instances(TIER)]
    return {site.must("podman", "exec", name, "sh", "-c", show) for name in names}


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_every_host_gets_another_certificate_without_a_failed_request(site: Site, certificates: Section, number: int) -> None:
    before, members = fingerprints(site), booted(site).keys()
    given = NEVER | {"patch_reboot": "always", "patch_critical": True, "reason": "a key has leaked"}
    visits = (f"{site.url}{VISITED}", site.ca, PER_SECOND)
    result, load = certificates.measure(f"another certificate for each host {number}", visits, lambda: patch(site, given))
    assert result.returncode == 0, result.stdout[-6000:]
    assert (len(fingerprints(site)), fingerprints(site) & before, booted(site).keys()) == (2, set(), members)
    assert serves_whole(site, TIER)
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


def test_a_host_without_updates_is_left_alone(site: Site) -> None:
    result = patch(site, ALWAYS)
    assert (result.returncode, "Take the host out" in result.stdout) == (0, False), result.stdout[-3000:]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (NEVER, "no window is open at "),
        (
            ALWAYS | {"patch_freezes": [{"name": "a drill", "from": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}]},
            "nothing is changed: a drill",
        ),
        (
            ALWAYS | {"patch_critical": True, "reason": "a drill", "host_patching_busy": {"aws_database_backup_window": "00:00-23:59"}},
            "would meet aws_database_backup_window",
        ),
        (NEVER | {"patch_critical": True}, "Somebody will want to know why it could not wait"),
    ],
)
def test_a_bad_time_is_refused_before_anything_is_changed(site: Site, given: dict[str, Any], words: str) -> None:
    result = patch(site, given)
    assert (result.returncode, words in " ".join(result.stdout.split())) == (2, True), result.stdout[-3000:]
    assert serves_whole(site, TIER)


def test_what_cannot_wait_is_done_out_of_turn(site: Site) -> None:
    assert patch(site, NEVER, {"patch_critical": True, "reason": "a drill"}).returncode == 0
