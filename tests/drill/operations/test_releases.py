# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases deployed, left and taken back under load, on real hosts. Run on a site that serves: make site && make drill-operations.

The tests run in this order, each on the state the former left. Each planned operation is done DRILL_TIMES in a row.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.drill.support.load import Load
from tests.drill.support.results import OPERATION, Section
from tests.drill.support.running import running_site, serves_whole
from tests.e2e.driver import BIN, ROOT, Site, wait

PREFIX = "indivillage-sandbox"
BUCKET = f"{PREFIX}-operations"
PARAMETER = "/indivillage/sandbox/app/release"
APPLICATION = ROOT / "roles/app_tier/files/reference_app"
PER_SECOND = int(os.environ.get("DRILL_REQUESTS_PER_SECOND", "50"))
TIMES = int(os.environ.get("DRILL_TIMES", "3"))
# Comes through both tiers, and asks nothing of the emulator, which would be slower than the site.
PAGE = "static/page.css"
# What every release of the drill does to the database, so that none is older than what has been taken away.
EXPAND, CONTRACT = "migrations/0001_drill.expand.sql", "migrations/0001_drill.contract.sql"
MIGRATIONS = {
    EXPAND: "CREATE TABLE drill_of_releases (kept int, former int);",
    CONTRACT: "ALTER TABLE drill_of_releases DROP COLUMN former;",
}
# The declared patience with a release that does not start would only make the drill longer.
QUICK = {"app_release_ready_attempts": "10"}


@dataclass
class Drill:
    """The site, and what is measured on it."""

    site: Site
    section: Section

    def build(self, mark: str, **files: str) -> str:
        """Have an archive of the reference application with a mark in the bucket of builds; its checksum. What has no text is left out."""
        files = {name: text for name, text in (MIGRATIONS | files).items() if text}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path in sorted(APPLICATION.rglob("*")):
                name = str(path.relative_to(APPLICATION))
                if path.is_file() and "__pycache__" not in name and name not in files:
                    archive.add(path, name)
            for name, text in (files | {"MARK": f"{mark} {time.time()}"}).items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        self.site.client("s3").put_object(Bucket=BUCKET, Key=f"builds/{sha256}.tar.gz", Body=buffer.getvalue())
        return sha256

    @staticmethod
    def deployment(sha256: str, **others: str) -> tuple[str, ...]:
        """The options of a deployment."""
        inputs = {
            "release_sha256": sha256,
            "release_artifact": f"s3://{BUCKET}/builds/{sha256}.tar.gz",
            "release_author": "drill@example.com",
            "release_commit": "0" * 40,
            "release_built": "2026-01-02T03:04:05Z",
        } | others
        return ("-e", json.dumps(inputs))

    def measured(self, what: str, playbook: str, *options: str) -> tuple[Any, Load]:
        """Run a playbook while visitors come; a row of the table comes of it."""
        visit = (f"{self.site.url}{PAGE}", self.site.ca, PER_SECOND)
        return self.section.measure(what, visit, lambda: self.site.play(playbook, *options))

    @property
    def named(self) -> str:
        """The release that the parameter names; empty when there is none."""
        client = self.site.client("ssm")
        try:
            return str(json.loads(client.get_parameter(Name=PARAMETER)["Parameter"]["Value"])["release"])
        except client.exceptions.ParameterNotFound:
            return ""

    def running(self) -> set[str]:
        """The releases that the instances of the tier run."""
        return {self.on_host(instance["InstanceId"]) for instance in self.site.instances("app")}

    def on_host(self, instance_id: str) -> str:
        link = self.site.run("podman", "exec", f"indivillage-{instance_id}", "readlink", "/opt/indivillage/current").stdout
        return link.strip().rpartition("/")[2]

    def verdict(self, release: str) -> str:
        item = self.site.client("dynamodb").get_item(
            TableName=f"{PREFIX}-deployments", Key={"environment": {"S": "sandbox/releases"}, "run_id": {"S": release}}
        )
        return str(item["Item"]["verdict"]["S"])

    def serves_whole(self) -> bool:
        """Whether every instance of the tier is behind the load balancer, and Auto Scaling works."""
        return serves_whole(self.site, "app")


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    """The site that runs; the results are written however the tests end."""
    site = running_site()
    words = (
        "Two instances of the app tier behind the load balancer. Visitors come from outside, each on a connection of its own, from ten "
        "seconds before the run to five seconds after its end (tests/drill/operations/test_releases.py)."
    )
    section = Section("Releases", words, OPERATION)
    yield Drill(site, section)
    if section.rows:
        section.write()


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
    drill.site.must("podman", "exec", one, "mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/var/cache/indivillage")
    try:
        result = drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256))
    finally:
        drill.site.must("podman", "exec", one, "umount", "/var/cache/indivillage")
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
