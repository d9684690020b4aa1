# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets rotated under load, on real hosts. Run on a site that serves: make site && make drill-operations."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.drill.support.results import PER_SECOND, TIMES, VISITED, Section, under_load
from tests.drill.support.running import serves_whole
from tests.e2e.driver import BIN, Site

SECRETS = {"database": "/indivillage/sandbox/database/credentials", "cache": "/indivillage/sandbox/cache/credentials"}
PROVED = "Put the host behind the load balancer again"  # the first host's last task
ALWAYS = {
    "secret_rotation_windows": [{"name": "always", "schedule": "cron(0 * * * ? *)", "duration_hours": 2}],
    "secret_rotation_busy": {},
    "secret_rotation_poll_seconds": 2,
    "secret_rotation_minutes_per_host": 1,
}


@pytest.fixture(scope="module")
def section() -> Iterator[Section]:
    words = (
        "Two instances of the app tier; every fifth request has the application log in anew to the database, or the cache, and fails when "
        "that does."
    )
    with under_load("Rotation of secrets", words, __file__) as found:
        yield found


def value(site: Site, what: str, stage: str = "AWSCURRENT") -> dict[str, Any]:
    found = site.client("secretsmanager").get_secret_value(SecretId=SECRETS[what], VersionStage=stage)
    return dict(json.loads(found["SecretString"]))


def stages(site: Site, what: str) -> set[str]:
    versions = site.client("secretsmanager").describe_secret(SecretId=SECRETS[what])["VersionIdsToStages"]
    return {stage for found in versions.values() for stage in found}


def visits(site: Site, what: str) -> tuple[tuple[str, ...], str, int]:
    """Every fifth asks the one whose secret it is, and fails when that does not answer.

    A login costs many times what a page does: fifty of them a second would measure this machine.
    """
    return (f"{site.url}api/status/{what}", *[f"{site.url}{VISITED}"] * 4), site.ca, PER_SECOND


def arguments(what: str, **inputs: Any) -> list[str]:
    return ["playbooks/rotate_secret.yml", "-e", json.dumps({"rotate_secret": what, **ALWAYS, **inputs})]


def kill_when(site: Site, what: str, words: str) -> None:
    """Begin a rotation, and kill it with all its processes when it says these words."""
    command = [str(BIN / "ansible-playbook"), *arguments(what), "-i", "inventories/sandbox"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout
    with process:
        said = any(words in line for line in process.stdout)
        if said:
            time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
    assert said, f"it ended before {words!r}"


@pytest.mark.parametrize("number", range(1, TIMES + 1))
@pytest.mark.parametrize("what", list(SECRETS))
def test_a_secret_is_rotated_without_a_failed_request(site: Site, section: Section, what: str, number: int) -> None:
    assert "AWSPENDING" not in stages(site, what), "a rotation is under way: run rotate_secret.yml first, which completes it"
    former = value(site, what)
    result, load = section.measure(f"{what} {number}", visits(site, what), lambda: site.play(*arguments(what)))
    assert result.returncode == 0, result.stdout[-6000:]
    assert "AWSPENDING" not in stages(site, what)
    assert value(site, what, "AWSPREVIOUS") == former != value(site, what)
    assert serves_whole(site, "app")
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


@pytest.mark.parametrize("what", list(SECRETS))
@pytest.mark.parametrize(
    "words", ["Let whoever reads the secret have it", "Put the host behind the load balancer again", "Close what is left"]
)
def test_a_run_that_was_killed_is_completed_without_a_failed_request(site: Site, section: Section, what: str, words: str) -> None:
    def twice() -> Any:
        kill_when(site, what, words)
        return site.play(*arguments(what))

    result, load = section.measure(f"{what}, killed at '{words}' and run again", visits(site, what), twice)
    assert result.returncode == 0, result.stdout[-6000:]
    assert "AWSPENDING" not in stages(site, what)
    assert serves_whole(site, "app")
    assert sum(load.failures.values()) == 0, load


@pytest.mark.parametrize("what", list(SECRETS))
def test_a_rotation_is_taken_back_without_a_failed_request(site: Site, section: Section, what: str) -> None:
    former = value(site, what)

    def there_and_back() -> Any:
        kill_when(site, what, PROVED)
        return site.play(*arguments(what, rotate_undo=True, reason="a drill"))

    result, load = section.measure(f"{what}, killed and taken back", visits(site, what), there_and_back)
    assert result.returncode == 0, result.stdout[-6000:]
    assert value(site, what) == former
    assert "AWSPENDING" not in stages(site, what)
    assert serves_whole(site, "app")
    assert sum(load.failures.values()) == 0, load


def test_a_plan_writes_nothing(site: Site) -> None:
    version = site.version()
    result = site.play(*arguments("database"), "--check")
    assert result.returncode in {0, 2}, result.stdout[-3000:]
    assert site.version() == version
