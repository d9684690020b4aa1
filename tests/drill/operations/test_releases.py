# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases deployed, left and taken back under load, on real hosts. Run on a site that serves: make site && make drill-operations.

The tests run in this order, each on the state the former left. Each planned operation is done DRILL_TIMES in a row.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drill.support.releases import BUCKET, CONTRACT, QUICK, Drill
from tests.drill.support.results import PER_SECOND, TIMES, under_load
from tests.e2e.driver import BIN, ROOT, Site, wait
from tests.support.tiers import PARAMETER


@pytest.fixture(scope="module")
def drill(site: Site) -> Iterator[Drill]:
    """The site that runs."""
    with under_load("Releases", "Two instances of the app tier behind the load balancer.", __file__) as section:
        yield Drill(site, section)


# Once more than the others: each way back needs a release that had served before.
@pytest.mark.parametrize("number", range(1, TIMES + 2))
def test_a_release_is_deployed_without_a_failed_request(drill: Drill, number: int) -> None:
    sha256 = drill.build(f"deployed {number}")
    result, load = drill.measured(f"deployment {number}", "playbooks/deploy_release.yml", *drill.deployment(sha256))
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (sha256[:12], {sha256[:12]}, "good")
    assert drill.serves_whole()
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_the_former_release_comes_back_without_a_failed_request(drill: Drill, number: int) -> None:
    left = drill.named
    result, load = drill.measured(f"rollback {number}", "playbooks/roll_back_release.yml", "-e", "reason='a drill'")
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.verdict(left), drill.verdict(drill.named)) == ("bad", "good")
    assert (drill.running(), drill.serves_whole()) == ({drill.named}, True)
    assert drill.named != left
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_a_broken_release_is_taken_back_without_a_failed_request(drill: Drill, number: int) -> None:
    before, sha256 = drill.named, drill.build(f"broken {number}", **{"wsgi.py": 'raise RuntimeError("broken")\n'})
    result, load = drill.measured(
        f"broken release {number}, taken back", "playbooks/deploy_release.yml", *drill.deployment(sha256, **QUICK)
    )
    assert result.returncode == 2, result.stdout[-6000:]
    assert "is known as bad from now on" in " ".join(result.stdout.split())
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (before, {before}, "bad")
    assert drill.serves_whole()
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load
    again = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256))
    assert (again.returncode, "is known as bad: taken back" in " ".join(again.stdout.split())) == (2, True)


def test_a_replaced_instance_runs_the_release_and_not_that_of_its_image(drill: Drill) -> None:
    before = {instance["InstanceId"] for instance in drill.site.instances("app")}
    lost = sorted(before)[0]
    drill.site.client("ec2").terminate_instances(InstanceIds=[lost])
    wait("a new member that serves", lambda: len(set(drill.site.healthy("app")) - {lost}) == len(before), 120)
    (new,) = {instance["InstanceId"] for instance in drill.site.instances("app")} - before
    assert drill.on_host(new) == drill.named


def test_a_configuration_run_leaves_the_release_alone(drill: Drill) -> None:
    result = drill.site.play("playbooks/configure_hosts.yml", "--tags", "app_tier")
    assert result.returncode == 0, result.stdout[-6000:]
    assert drill.running() == {drill.named}


def test_the_tiers_are_as_they_are_declared(drill: Drill) -> None:
    result = drill.site.play("playbooks/provision_compute.yml", "--check")
    assert result.returncode == 0, result.stdout[-6000:]
    declared = json.loads((ROOT / ".plans/sandbox/plan.json").read_text())["declared"]
    assert any(PARAMETER in str(name) for name in declared), "or prune would take it for a leftover"


def test_a_run_that_is_killed_half_way_goes_on_when_it_is_repeated(drill: Drill) -> None:
    before, sha256 = drill.named, drill.build("killed")
    command = [str(BIN / "ansible-playbook"), "playbooks/deploy_release.yml", "-i", "inventories/sandbox", *drill.deployment(sha256)]
    run = subprocess.Popen(command, cwd=ROOT, env=drill.site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("one host with the release", lambda: sha256[:12] in drill.running(), 180, every=0.2)
    run.kill()
    run.wait()
    assert (drill.named, drill.verdict(sha256[:12])) == (before, "deploying")
    result = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256))
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.serves_whole()) == (sha256[:12], {sha256[:12]}, True)


def test_a_run_that_is_killed_half_way_is_undone_by_the_way_back(drill: Drill) -> None:
    before, sha256 = drill.named, drill.build("killed and undone")
    command = [str(BIN / "ansible-playbook"), "playbooks/deploy_release.yml", "-i", "inventories/sandbox", *drill.deployment(sha256)]
    run = subprocess.Popen(command, cwd=ROOT, env=drill.site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait("one host with the release", lambda: sha256[:12] in drill.running(), 180, every=0.2)
    run.kill()
    run.wait()
    result = drill.site.play("playbooks/roll_back_release.yml", "-e", "reason='a drill'")
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.verdict(sha256[:12]), drill.serves_whole()) == (before, {before}, "bad", True)


def test_a_host_that_is_lost_half_way_is_replaced_and_the_others_go_back(drill: Drill) -> None:
    before, sha256 = drill.named, drill.build("lost")
    members = {instance["InstanceId"] for instance in drill.site.instances("app")}
    command = [str(BIN / "ansible-playbook"), "playbooks/deploy_release.yml", "-i", "inventories/sandbox", *drill.deployment(sha256)]
    with Path(os.devnull).open("w") as nowhere:
        run = subprocess.Popen(command, cwd=ROOT, env=drill.site.environment, stdout=nowhere, stderr=nowhere)
        wait("one host with the release", lambda: sha256[:12] in drill.running(), 180, every=0.2)
        (second,) = (one for one in members if drill.on_host(one) != sha256[:12])
        drill.site.must("podman", "exec", f"indivillage-{second}", "systemctl", "stop", "ssh.service", "ssh.socket")
        drill.site.must("podman", "exec", f"indivillage-{second}", "pkill", "sshd")
        assert run.wait(timeout=600) == 2
    assert (drill.named, drill.verdict(sha256[:12])) == (before, "stopped")
    wait("a whole tier without it", lambda: drill.serves_whole() and second not in drill.site.healthy("app"), 180)
    assert drill.running() == {before}


@pytest.mark.parametrize("runbook", ["deploy_release", "contract_database"])
def test_a_host_that_cannot_be_reached_stops_the_run_before_anything_is_changed(drill: Drill, runbook: str) -> None:
    before, sha256 = drill.named, drill.build("out of reach")
    one = drill.site.instances("app")[0]["InstanceId"]
    with out_of_reach(drill, one):
        given = drill.deployment(sha256) if runbook == "deploy_release" else ()
        result = drill.site.play(f"playbooks/{runbook}.yml", *given)
    assert (result.returncode, "the host cannot be reached" in " ".join(result.stdout.split())) == (2, True), result.stdout[-3000:]
    assert (drill.named, drill.running(), drill.serves_whole()) == (before, {before}, True)


@contextmanager
def out_of_reach(drill: Drill, instance_id: str) -> Iterator[None]:
    """Nobody gets into the instance by ssh, while it goes on serving."""
    host = ("podman", "exec", f"indivillage-{instance_id}")
    drill.site.must(*host, "sh", "-c", "systemctl stop ssh.service ssh.socket; pkill sshd || true")
    try:
        yield
    finally:
        drill.site.must(*host, "systemctl", "start", "ssh.service")


def test_the_maintenance_page_is_shown_and_goes(drill: Drill) -> None:
    def status() -> str:
        return drill.site.fetch("/static/page.css", "--output", os.devnull, "--write-out", "%{http_code}").stdout

    inputs = {"maintenance": "on", "maintenance_message": "Back at <noon>."}
    assert drill.site.play("playbooks/set_maintenance.yml", "-e", json.dumps(inputs)).returncode == 0
    wait("the page", lambda: status() == "503", 60)
    assert "Back at &lt;noon&gt;." in drill.site.fetch("/").stdout
    assert drill.site.play("playbooks/set_maintenance.yml", "-e", "maintenance=off").returncode == 0
    wait("the site", lambda: status() == "200", 60)


def test_a_plan_names_the_parameter_and_changes_nothing(drill: Drill) -> None:
    before, sha256 = (drill.named, drill.running()), drill.build("planned")
    version = drill.site.version()
    result = drill.site.play("playbooks/deploy_release.yml", "--check", *drill.deployment(sha256))
    assert (result.returncode, PARAMETER in result.stdout) == (2, True), result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.site.version()) == (*before, version)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"release_sha256": "0" * 64}, "it is another release than the one that was asked for"),
        ({"release_sha256": "0" * 12}, "knows no release 000000000000"),
        ({"release_artifact": f"s3://{BUCKET}/builds/none.tar.gz", "release_sha256": "1" * 64}, "cannot be fetched"),
    ],
)
def test_what_cannot_be_deployed_changes_nothing(drill: Drill, inputs: dict[str, str], words: str) -> None:
    before, sha256 = drill.named, drill.build("never")
    result = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256, **inputs))
    assert (result.returncode, words in " ".join(result.stdout.split())) == (2, True), result.stdout[-3000:]
    assert (drill.named, drill.running(), drill.serves_whole()) == (before, {before}, True)


def test_a_full_disk_stops_the_run_before_any_host_stops_serving(drill: Drill) -> None:
    before, sha256 = drill.named, drill.build("too large")
    one = f"indivillage-{drill.site.instances('app')[0]['InstanceId']}"
    # A container's systemd shares no mounts with units that have some of their own: what ssh's sees is what a run sees.
    as_ssh = ("podman", "exec", one, "sh", "-c", 'nsenter --mount --target "$(systemctl show --property MainPID --value ssh)" "$@"', "sh")
    drill.site.must(*as_ssh, "mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/var/cache/indivillage")
    try:
        result = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256))
    finally:
        drill.site.must(*as_ssh, "umount", "/var/cache/indivillage")
    assert (result.returncode, "No space left" in result.stdout) == (2, True), result.stdout[-3000:]
    assert (drill.named, drill.running(), drill.serves_whole()) == (before, {before}, True)


def test_what_older_releases_need_is_taken_away_when_none_of_them_runs(drill: Drill) -> None:
    result, load = drill.measured("contraction of the database", "playbooks/contract_database.yml", "-e", "reason='a drill'")
    assert result.returncode == 0, result.stdout[-6000:]
    assert (sum(load.failures.values()), drill.serves_whole()) == (0, True), load
    again = drill.site.play("playbooks/contract_database.yml")
    assert again.returncode == 0, again.stdout[-3000:]
    before, older = drill.named, drill.build("older", **{CONTRACT: ""})
    refused = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(older))
    assert (refused.returncode, "does not know 0001_drill.contract" in " ".join(refused.stdout.split())) == (2, True), refused.stdout[
        -3000:
    ]
    assert (drill.named, drill.running()) == (before, {before})


def test_a_migration_that_fails_ends_the_run_before_any_host_stops_serving(drill: Drill) -> None:
    before = drill.named
    sha256 = drill.build("wrong", **{"migrations/0002_wrong.expand.sql": "SELECT 1/0;"})
    result = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256))
    assert (result.returncode, "division by zero" in result.stdout) == (2, True), result.stdout[-3000:]
    assert (drill.named, drill.running(), drill.serves_whole()) == (before, {before}, True)
