# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks after the sandbox, on an emulator of its own: planned, applied, applied again, planned again, and in the end removed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.emulator.support import RunningEmulator, make_network, start

ROOT = Path(__file__).resolve().parents[4]
PREFIX = "indivillage-sandbox"
FOUNDATION = "aws_keys"
Changes = set[tuple[str, str]]  # task, item
Client = Callable[..., Any]


@dataclass(frozen=True)
class Run:
    """What one run said: failed tasks by stack, and everything it printed; of a plan also what it would do."""

    changed: dict[str, int]
    failed: dict[str, int]
    output: str
    planned: Changes


@dataclass(frozen=True)
class Upkeep:
    """The emulator and the runs that every test may look at."""

    emulator: RunningEmulator
    run: Callable[..., Run]
    planned: Run
    first: Run
    second: Run


def runner(emulator: RunningEmulator, state: Path) -> Callable[..., Run]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))},
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SANDBOX_EMULATOR_PORT": str(urlsplit(emulator.endpoint).port),
        "SANDBOX_STATE_DIR": str(state),
    }

    def run(playbook: str, *arguments: str) -> Run:
        plans = state / "plans"
        (plans / "plan.json").unlink(missing_ok=True)
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"playbooks/{playbook}.yml",
            "-i",
            "inventories/sandbox/hosts.yml",
        ]
        command += ["-e", f"plan_directory={plans}", *arguments]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
        recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=\d+ +failed=(\d+)", result.stdout, re.MULTILINE)
        assert recap, result.stdout + result.stderr
        planned: Changes = set()
        if (plans / "plan.json").is_file():
            entries = json.loads((plans / "plan.json").read_text())["entries"]
            planned = {(entry["task"], entry["item"]) for entry in entries if entry["role"] != "aws_operations"}
        return Run(
            {name: int(number) for name, number, _ in recap}, {name: int(number) for name, _, number in recap}, result.stdout, planned
        )

    return run


@pytest.fixture(scope="session")
def upkeep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upkeep]:
    state = tmp_path_factory.mktemp("sandbox")
    for emulator in start("--standalone"):
        _balancers(emulator)
        run = runner(emulator, state)
        run("provision_foundation", "--tags", FOUNDATION)
        planned, first, second = run("provision_upkeep", "--check"), run("provision_upkeep"), run("provision_upkeep")
        yield Upkeep(emulator, run, planned, first, second)


def _balancers(emulator: RunningEmulator) -> None:
    """The load balancers and target groups that alarms name."""
    network, elb = make_network(emulator), emulator.client("elbv2")
    for balancer, tier in (("public", "web"), ("internal", "app")):
        elb.create_load_balancer(Name=f"{PREFIX}-{balancer}", Subnets=list(network.subnet_ids), Scheme="internal")
        elb.create_target_group(Name=f"{PREFIX}-{tier}", Protocol="HTTPS", Port=443, VpcId=network.vpc_id)


@pytest.fixture
def client(upkeep: Upkeep) -> Client:
    return upkeep.emulator.client
