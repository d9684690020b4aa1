# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the project's playbooks against a drill's emulator, and what each task said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.lease import LeaseError, LeaseTable, ServerClock
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import FILE_NAME, Plan, load

from sandbox import pki
from tests.drill.support.emulator import DrillEmulator
from tests.drill.support.snapshot import Snapshot, take
from tests.support import playbooks
from tests.support.identity_store import make_groups

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_SECONDS = 1800
PRIMARY_REGION = "us-east-1"
BASE_IMAGE = "debian-13-amd64-sandbox"
TIERS = ("web", "app", "monitoring")
Change = tuple[str, str, str, str]  # host, role, task, item ("" without a loop)


@dataclass(frozen=True)
class Run:
    """One run: its exit code, its output, one entry per task and host (callback_plugins/drill_record.py), and the plan of a check run."""

    returncode: int
    output: str
    entries: list[dict[str, Any]]
    plan: Plan | None = None

    @property
    def planned(self) -> set[Change]:
        """What the plan lists."""
        assert self.plan, self.output[-3000:]
        return {(entry.host, entry.role, entry.task, entry.item) for entry in self.plan.entries}

    @property
    def changes(self) -> set[Change]:
        """What was, or would be, changed."""
        found = set()
        for entry in self.entries:
            where = (entry["host"], entry["role"], entry["task"])
            if entry["items"] is None:
                if entry["changed"]:
                    found.add((*where, ""))
            else:
                found |= {(*where, item["label"]) for item in entry["items"] if item["changed"]}
        return found

    @property
    def failures(self) -> list[str]:
        return [
            f"{entry['host']} {entry['role']} : {entry['task']}: {entry['message']}"
            for entry in self.entries
            if entry["outcome"] == "failed"
        ]


@dataclass
class Project:
    """One environment of the project on one emulator."""

    emulator: DrillEmulator
    state_dir: Path
    environment: str = "sandbox"
    variables: dict[str, Any] = field(default_factory=dict)

    def prepare(self, regions: Iterable[str] = (PRIMARY_REGION,)) -> Project:
        """Make what is there before a first run: the certificates that the declaration refers to, and the tiers' images."""
        pki.prepare(self.state_dir / "pki")
        make_groups(self.emulator.client)
        for region in regions:
            ec2, ssm = self.emulator.client("ec2", region), self.emulator.client("ssm", region)
            (base,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [BASE_IMAGE]}])["Images"]
            for tier in TIERS:
                image = ec2.copy_image(SourceImageId=base["ImageId"], SourceRegion=region, Name=f"indivillage-{self.environment}-{tier}")
                ssm.put_parameter(Name=f"/indivillage/{self.environment}/images/{tier}", Value=image["ImageId"], Type="String")
        return self

    def at(self, emulator: DrillEmulator, state_dir: Path) -> Project:
        """The same environment on another emulator."""
        return replace(self, emulator=emulator, state_dir=state_dir)

    def copy(self) -> Project:
        """The same environment on a copy of its emulator, with a copy of its files."""
        emulator = self.emulator.copy()
        state_dir = self.state_dir.with_name(f"{self.state_dir.name}-{emulator.port}")
        shutil.copytree(self.state_dir, state_dir)
        return self.at(emulator, state_dir)

    def release_lease(self) -> None:
        """Free the lease as an operator does (release_lease.yml): in a copy of an account the run that took it can never give it back."""
        client = self.emulator.client("dynamodb", PRIMARY_REGION)
        leases = LeaseTable(client, f"indivillage-{self.environment}-leases", ServerClock(client))
        with suppress(LeaseError):  # copied before there was a table
            if holder := leases.holder(self.environment):
                leases.release(self.environment, holder)

    def snapshot(self) -> Snapshot:
        return take(self.emulator.client)

    def command(self, *options: str, check: bool = False) -> list[str]:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "site.yml", "-i", f"inventories/{self.environment}/hosts.yml"]
        if "--tags" not in options:
            command += ["--tags", "provision"]
        command += ["--skip-tags", "images"]
        if check:
            command += ["--check", "--diff", "-e", f"plan_directory={self.plan_directory}"]
        if self.variables:
            command += ["-e", json.dumps(self.variables)]
        return [*command, *options]

    @property
    def plan_directory(self) -> Path:
        return self.state_dir / "plans"

    @property
    def plan_file(self) -> Path:
        return self.plan_directory / self.environment / FILE_NAME

    def plain_surroundings(self) -> dict[str, str]:
        """The environment of a run: nothing of the caller's own AWS or Ansible settings."""
        return playbooks.surroundings(self.emulator.endpoint, self.state_dir) | {
            "AWS_ENDPOINT_URL": self.emulator.endpoint,
            "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
            "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
        }

    def surroundings(self, record: Path) -> dict[str, str]:
        """The environment of a run whose results are recorded."""
        return self.plain_surroundings() | {
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": f"{_enabled_callbacks()},drill_record",
            "DRILL_RECORD": str(record),
        }

    def run(self, *options: str, check: bool = False, kill_after_writes: int | None = None) -> Run:
        """Provision, or plan it (--check); with `kill_after_writes` the whole process group is killed at that write."""
        shutil.rmtree(self.plan_directory, ignore_errors=True)
        with tempfile.TemporaryDirectory() as directory:
            record = Path(directory) / "record"
            record.touch()
            with tempfile.TemporaryFile("w+") as output:
                process = subprocess.Popen(
                    self.command(*options, check=check),
                    cwd=ROOT,
                    env=self.surroundings(record),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                if kill_after_writes is not None:
                    self.emulator.kill_after(kill_after_writes, process.pid)
                process.wait(timeout=TIMEOUT_SECONDS)
                output.seek(0)
                told = output.read()
            lines = record.read_text().splitlines()
        plan = load(self.plan_file) if check and self.plan_file.exists() else None
        return Run(process.returncode, told, [json.loads(line) for line in lines if line.endswith("}")], plan)

    def run_playbook(self, playbook: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run another playbook than site.yml, of which only the output is looked at."""
        inventory, given = f"inventories/{self.environment}/hosts.yml", {**self.variables, **variables}
        command = [self.command()[0], playbook, "-i", inventory, "-e", json.dumps(given), *options]
        surroundings = self.surroundings(Path(os.devnull))
        return subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)

    def plan(self, *options: str) -> Run:
        return self.run(*options, check=True)

    def apply(self, *options: str) -> Run:
        run = self.run(*options)
        assert run.returncode == 0, "\n".join(run.failures) + "\n" + run.output[-6000:]
        return run


def _enabled_callbacks() -> str:
    (line,) = re.findall(r"^callbacks_enabled = (.*)$", (ROOT / "ansible.cfg").read_text(), re.MULTILINE)
    return str(line)
