# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the project's own playbooks on the sandbox's stacks against an emulator, as an operator starts them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = "inventories/sandbox/hosts.yml"
TIMEOUT_SECONDS = 900
WHOLE = ("-e", '{"stack_without": []}')  # options of a run: also the roles that the sandbox leaves out
_TASK = re.compile(r"^(?=TASK \[)", re.MULTILINE)
_CHANGED = re.compile(r"^(changed|fatal|failed): ", re.MULTILINE)
_RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=\d+ +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class PlaybookRun:
    """What a run said: its exit code, everything it printed, and the numbers of changed and of failed tasks by stack."""

    returncode: int
    output: str
    changed: dict[str, int]
    failed: dict[str, int]

    @classmethod
    def of(cls, done: subprocess.CompletedProcess[str]) -> PlaybookRun:
        """What a run said that has ended."""
        output, recap = done.stdout + done.stderr, _RECAP.findall(done.stdout)
        assert recap, output
        changed, failed = ({stack: int(row[number]) for stack, *row in recap} for number in (0, 1))
        return cls(done.returncode, output, changed, failed)

    @property
    def clean(self) -> bool:
        """Whether it ended well and changed nothing."""
        return self.returncode == 0 and not any(self.changed.values()) and not any(self.failed.values())

    @property
    def changes(self) -> str:
        """What those tasks printed that changed something or failed, for a message."""
        return "".join(part for part in _TASK.split(self.output) if _CHANGED.search(part))


def surroundings(endpoint: str, state_dir: Path) -> dict[str, str]:
    """The environment of a run: nothing of the caller's own AWS or Ansible settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
    return inherited | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_NOCOLOR": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SANDBOX_EMULATOR_PORT": endpoint.rpartition(":")[2],
        "SANDBOX_STATE_DIR": str(state_dir),
    }


def run(endpoint: str, state_dir: Path, playbook: str, *options: str) -> PlaybookRun:
    """Run a playbook, named without its folder and ending, to its end; its plan, if it makes one, lies in <state_dir>/plans."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"playbooks/{playbook}.yml", "-i", INVENTORY]
    command += ["-e", f"plan_directory={state_dir / 'plans'}", *options]
    environment = surroundings(endpoint, state_dir)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    return PlaybookRun.of(done)
