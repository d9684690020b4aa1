# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's two regions on an emulator of their own, declared as production is: with a standby in the second one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import pki
from tests.integration.emulator.support import RunningEmulator, start
from tests.integration.provisioning_tiers.foundation import Foundation

ROOT = Path(__file__).parents[4]
PRIMARY, DR = "us-east-1", "us-west-2"
STACKS = {PRIMARY: "sandbox-us-east-1", DR: "sandbox-us-west-2"}
PREFIX = "indivillage-sandbox"
ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Run:
    """What a playbook run said: its exit code, changed tasks by stack, and all of its output."""

    returncode: int
    output: str
    changed: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        found = re.findall(r"^(\S+)\s+: ok=\d+ +changed=(\d+)", self.output, re.MULTILINE)
        object.__setattr__(self, "changed", {stack: int(count) for stack, count in found})


@dataclass(frozen=True)
class Standby:
    """Both regions, with networks, keys and images of the first."""

    emulator: RunningEmulator
    state_dir: Path
    foundations: dict[str, Foundation]

    def client(self, service: str, region: str = PRIMARY) -> Any:
        return self.emulator.client(service, region)

    def run(self, playbook: str, tags: str, *options: str, **variables: Any) -> Run:
        """Run a playbook's tasks of some roles on both stacks; `variables` may speak of `stack_kind`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SANDBOX_EMULATOR_PORT": self.emulator.endpoint.rpartition(":")[2],
            "SANDBOX_STATE_DIR": str(self.state_dir),
            "ANSIBLE_NOCOLOR": "1",
        }
        command = ["ansible-playbook", f"playbooks/{playbook}", "-i", "inventories/sandbox/hosts.yml", "--limit", "primary:dr"]
        command += ["--tags", tags, "-e", json.dumps(variables), "-e", f"plan_directory={self.state_dir}/plans", *options]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
        return Run(done.returncode, done.stdout + done.stderr)


def of(primary: Any, dr: Any) -> str:
    """The value of a variable that differs between the stacks."""
    return f"{{{{ { ({'primary': primary, 'dr': dr})!r}[stack_kind] }}}}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    """An account with nothing in it."""
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in start("--standalone"):
        yield Standby(emulator, state_dir, {})


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in start("--standalone"):
        primary, dr = Foundation(emulator).lay(), Foundation(emulator, DR, "10.11")
        dr.lay_network()
        dr.lay_keys()
        yield Standby(emulator, state_dir, {PRIMARY: primary, DR: dr})
