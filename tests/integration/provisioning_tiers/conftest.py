# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox environment's tiers on an emulator of their own, provisioned by the playbooks that site.yml uses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import pki
from tests.integration.emulator.support import RunningEmulator, start
from tests.integration.provisioning_tiers.foundation import TIERS_WITH_MONITORING, Foundation
from tests.support import playbooks

ROOT = Path(__file__).parents[3]
STACK = "sandbox-us-east-1"


@dataclass
class Result:
    """What a playbook run said."""

    returncode: int
    output: str

    @property
    def told(self) -> str:
        """The output without line breaks, for messages that Ansible wraps."""
        return " ".join(self.output.split())

    @property
    def changed(self) -> int:
        """Number of changed tasks."""
        (count,) = re.findall(rf"^{STACK}\s+:.*\bchanged=(\d+)", self.output, re.MULTILINE)
        return int(count)


@dataclass
class Site:
    """One environment: its emulator, what its tiers stand on, how to provision them, and what the first runs printed."""

    emulator: RunningEmulator
    foundation: Foundation
    state_dir: Path
    output: str = ""

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def run(self, playbook: str, *options: str) -> Result:
        """Run a playbook on the primary stack."""
        environment = playbooks.surroundings(self.emulator.endpoint, self.state_dir)
        command = ["ansible-playbook", f"playbooks/{playbook}", "-i", "inventories/sandbox", "--limit", STACK, "--diff"]
        command += ["-e", json.dumps(TIERS_WITH_MONITORING), *options]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
        return Result(done.returncode, done.stdout + done.stderr)

    def provision(self, *options: str) -> list[Result]:
        """Run everything that belongs to the tiers."""
        layers = "aws_database,aws_cache,aws_load_balancing,aws_compute"
        return [
            self.run("provision_foundation.yml", "--tags", layers, *options),
            self.run("provision_compute.yml", "-e", "aws_compute_rollout_warmup_seconds=1", *options),
        ]


def bare_sites(tmp_path_factory: pytest.TempPathFactory, *options: str) -> Iterator[Site]:
    """A site without tiers, on an emulator that is started with the options."""
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in start(*options):
        yield Site(emulator, Foundation(emulator).lay(), state_dir)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A provisioned site whose targets are always healthy."""
    for site in bare_sites(tmp_path_factory, "--standalone"):
        for result in site.provision("-vvv"):
            assert result.returncode == 0, result.output
            assert result.changed > 0
            site.output += result.output
        yield site


@pytest.fixture
def one(site: Site) -> Callable[..., Any]:
    """one("rds", "describe_db_instances", "DBInstances") -> the only element of that answer."""

    def call(service: str, operation: str, key: str, **arguments: Any) -> Any:
        (element,) = getattr(site.client(service), operation)(**arguments)[key]
        return element

    return call
