# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook against an emulator that has the tables and the bucket of runs."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.module_utils.lease import Holder, LeaseTable, ServerClock
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory

from sandbox import pki
from tests.integration.emulator.support import RunningEmulator, start, wait_until
from tests.support import playbooks

ROOT = Path(__file__).parents[3]
PREFIX = "indivillage-sandbox"
BEGIN = {
    "name": "Take the lease and begin the record",
    "indivillage.infra.begin_run": {
        "environment_name": "sandbox",
        "region": "us-east-1",
        "lease_table": f"{PREFIX}-leases",
        "runs_table": f"{PREFIX}-deployments",
        "bucket": f"{PREFIX}-operations",
        "reason": "{{ reason | default(omit) }}",
        "approval": "{{ plan_approval | default('none') }}",
        "approved_plan": "{{ approved_plan | default(omit) }}",
        "plan_directory": "{{ plan_directory | default('.plans') }}",
    },
}

SAY = {"name": "Say that it goes on", "ansible.builtin.debug": {"msg": "it goes on"}}


@dataclass
class Going:
    """A run of ansible-playbook that sleeps, and then would go on."""

    process: subprocess.Popen[str]
    temporary: Path

    @property
    def keeper(self) -> int:
        """The process that keeps its lease: the one that listens on its socket."""
        (path,) = self.temporary.glob("ansible-local-*/run_keeper.sock")
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            pid, _user, _group = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid)

    def end(self) -> tuple[int, str]:
        """(exit code, everything it said, on one line) of a run that is ending."""
        output, _nothing = self.process.communicate(timeout=30)
        return self.process.returncode, " ".join(output.split())


@dataclass
class Site:
    """The sandbox environment on an emulator of its own."""

    emulator: RunningEmulator
    folder: Path
    leases: LeaseTable
    history: RunHistory
    started: list[Going] = field(default_factory=list)

    @property
    def holder(self) -> Holder | None:
        return self.leases.holder("sandbox")

    @property
    def environment(self) -> dict[str, str]:
        enabled = {"ANSIBLE_CALLBACKS_ENABLED": "indivillage.infra.run_record,indivillage.infra.plan"}
        return playbooks.surroundings(self.emulator.endpoint, self.folder) | enabled

    def run(self, playbook: str | Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook on the stacks of the sandbox, to its end."""
        command = ["ansible-playbook", str(playbook), "-i", "inventories/sandbox/hosts.yml", "-l", "sandbox-us-east-1", *options]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=120)

    def play(self, *tasks: dict[str, Any]) -> Path:
        """A playbook that begins a run on this machine alone, as the playbooks of the repository do, and goes on with these tasks."""
        path = self.folder / "play.yml"
        aws = {
            "AWS_ENDPOINT_URL": self.emulator.endpoint,
            "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
            "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
        }
        play = {"name": "Work", "hosts": "sandbox-us-east-1", "gather_facts": False, "connection": "local", "environment": aws}
        path.write_text(yaml.safe_dump([{**play, "tasks": [BEGIN, *tasks]}]))
        return path

    def start(self, *tasks: dict[str, Any]) -> Going:
        """Start such a playbook; it does these tasks, sleeps for half a minute, and says that it goes on. Returns when it sleeps."""
        temporary = Path(tempfile.mkdtemp(dir=self.folder))
        sleeping = temporary / "sleeping"
        sleep = {"name": "Sleep", "ansible.builtin.shell": f"touch {sleeping}; sleep 30"}
        process = subprocess.Popen(
            ["ansible-playbook", str(self.play(*tasks, sleep, SAY)), "-i", "inventories/sandbox/hosts.yml"],
            cwd=ROOT,
            env={**self.environment, "ANSIBLE_LOCAL_TEMP": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(Going(process, temporary))
        wait_until(sleeping.exists, 60)
        return self.started[-1]

    def record(self, text: str) -> dict[str, Any]:
        """The whole record of the run that an output names."""
        (run_id,) = set(re.findall(r"\d{8}T\d{6}Z-[0-9a-f]{6}", text))
        found = self.history.whole("sandbox", run_id)
        assert found
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A sandbox environment in which one run has made what runs are recorded in."""
    folder = tmp_path_factory.mktemp("site")
    pki.prepare(folder / "pki")
    for emulator in start("--standalone"):
        dynamodb, s3 = emulator.client("dynamodb"), emulator.client("s3")
        leases = LeaseTable(dynamodb, f"{PREFIX}-leases", ServerClock(dynamodb))
        site = Site(emulator, folder, leases, RunHistory(dynamodb, s3, f"{PREFIX}-deployments", f"{PREFIX}-operations"))
        begun = site.run("playbooks/begin_run.yml")
        assert begun.returncode == 0, begun.stdout + begun.stderr
        yield site


@pytest.fixture(autouse=True)
def nothing_goes_on(site: Site) -> Iterator[None]:
    """End what a failed test has left running, and free its lease."""
    yield
    for going in site.started:
        going.process.kill()
        going.process.wait()
        if going.process.stdout:
            going.process.stdout.close()
    site.started.clear()
    holder = site.holder
    if holder:
        site.leases.release("sandbox", holder)
