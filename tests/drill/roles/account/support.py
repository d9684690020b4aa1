# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the project's own playbooks on an emulator, as an operator starts them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.emulator.support import REPOSITORY, RunningEmulator


@dataclass(frozen=True)
class Run:
    """What a run said: changed and failed tasks by stack, and everything it printed."""

    code: int
    changed: dict[str, int]
    failed: dict[str, int]
    output: str

    @property
    def clean(self) -> bool:
        """Whether it ended well and changed nothing."""
        return self.code == 0 and not any(self.changed.values()) and not any(self.failed.values())


@dataclass(frozen=True)
class Site:
    """An emulator and the sandbox's inventory, of which only some layers are looked at."""

    emulator: RunningEmulator
    state: Path
    layers: tuple[str, ...]

    def run(self, playbook: str, *options: str) -> Run:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SANDBOX_EMULATOR_PORT": str(urlsplit(self.emulator.endpoint).port),
            "SANDBOX_STATE_DIR": str(self.state),
        }
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"playbooks/{playbook}.yml",
            "-i",
            "inventories/sandbox/hosts.yml",
        ]
        command += ["-e", f"plan_directory={self.state / 'plans'}", *options]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900, check=False)
        recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=\d+ +failed=(\d+)", done.stdout, re.MULTILINE)
        assert recap, done.stdout + done.stderr
        changed, failed = ({host: int(row[number]) for host, *row in recap} for number in (0, 1))
        return Run(done.returncode, changed, failed, done.stdout + done.stderr)

    def provision(self, *options: str) -> Run:
        return self.run("provision_foundation", "--tags", ",".join(self.layers), *options)
