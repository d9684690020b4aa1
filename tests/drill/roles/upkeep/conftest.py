# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks after the sandbox, on an emulator of its own: planned, applied, applied again, planned again, and in the end removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.emulator.support import RunningEmulator, make_network, start
from tests.support import playbooks
from tests.support.playbooks import PlaybookRun

PREFIX = "indivillage-sandbox"
FOUNDATION = "aws_keys"
Changes = set[tuple[str, str]]  # task, item
Client = Callable[..., Any]


@dataclass(frozen=True)
class Run(PlaybookRun):
    """What one run said; of a plan also what it would do."""

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
    def run(playbook: str, *arguments: str) -> Run:
        file = state / "plans/sandbox/plan.json"
        file.unlink(missing_ok=True)
        done = playbooks.run(emulator.endpoint, state, playbook, *playbooks.WHOLE, *arguments)
        entries = json.loads(file.read_text())["entries"] if file.is_file() else []
        planned = {(entry["task"], entry["item"]) for entry in entries if entry["role"] != "aws_operations"}
        return Run(done.returncode, done.output, done.changed, done.failed, planned)

    return run


@pytest.fixture(scope="session")
def upkeep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upkeep]:
    state = tmp_path_factory.mktemp("sandbox")
    for emulator in start("--standalone"):
        _balancers(emulator)
        _log_groups(emulator)
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


def _log_groups(emulator: RunningEmulator) -> None:
    """The log groups of other roles in which something is counted."""
    emulator.client("logs").create_log_group(logGroupName=f"/aws/cloudtrail/{PREFIX}")
    for region in ("us-east-1", "us-west-2"):
        emulator.client("logs", region).create_log_group(logGroupName=f"/aws/vpc-flow-logs/{PREFIX}")


@pytest.fixture
def client(upkeep: Upkeep) -> Client:
    return upkeep.emulator.client
