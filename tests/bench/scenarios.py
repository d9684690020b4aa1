# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured. Each function does one measurement on emulators of its own and returns its rows."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import ROOT, Usage, measure
from tests.drill.plan.environments import declarations
from tests.drill.support.emulator import DrillEmulator
from tests.drill.support.runs import Project

LATENCY_SECONDS = 0.1
GLOBAL, PRIMARY, DR = "sandbox-global", "sandbox-us-east-1", "sandbox-us-west-2"
PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))


@dataclass(frozen=True)
class Row:
    """One run: by what means, of what, its cost and its API calls."""

    means: str
    work: str
    usage: Usage
    reads: int
    writes: int


@dataclass(frozen=True)
class Bench:
    """Where a measurement takes place: an emulator without resources, of which it makes copies, and a directory."""

    empty: DrillEmulator
    directory: Path
    layers: str  # the roles, for --tags

    @contextmanager
    def account(self, original: DrillEmulator | None = None) -> Iterator[DrillEmulator]:
        copy = (original or self.empty).copy()
        try:
            yield copy
        finally:
            copy.discard()

    def counted(self, means: str, work: str, emulator: DrillEmulator, command: list[str], environment: dict[str, str]) -> Row:
        emulator.reset_calls()
        usage = measure(command, environment)
        calls = emulator.calls()
        return Row(means, work, usage, calls.reads, calls.writes)

    def provision(self, means: str, work: str, emulator: DrillEmulator, limit: str, *options: str) -> Row:
        """Run the roles."""
        command = [PLAYBOOK, "tests/bench/provision.yml", "-i", "inventories/sandbox/hosts.yml", "--tags", self.layers, "-l", limit]
        return self.counted(means, work, emulator, [*command, *options], self.environment(emulator))

    def environment(self, emulator: DrillEmulator) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        return clean | {
            "AWS_EC2_METADATA_DISABLED": "true",
            "SANDBOX_EMULATOR_PORT": str(emulator.port),
            "SANDBOX_STATE_DIR": str(self.directory),
            "PATH": f"{Path(PLAYBOOK).parent}{os.pathsep}{os.environ['PATH']}",
        }


def roles(bench: Bench) -> list[Row]:
    """The roles over the plain local connection, over the worker, and the same resources by direct calls: made, made again, planned."""
    limit, rows = f"{GLOBAL},{PRIMARY}", []
    yardstick = [sys.executable, "-m", "tests.bench.yardstick"]
    file = bench.directory / "account.json"
    for means, options in (("local", ["-e", "stack_connection=local"]), ("worker", [])):
        with bench.account() as account:
            rows += [
                bench.provision(means, "first apply", account, limit, *options),
                bench.provision(means, "no change", account, limit, *options),
                bench.provision(means, "plan", account, limit, *options, "--check"),
            ]
            measure([*yardstick, "read", account.endpoint, str(file)], bench.environment(account))
    wanted = file.read_text()
    with bench.account() as account:
        environment = bench.environment(account)
        rows.append(bench.counted("direct", "first apply", account, [*yardstick, "make", account.endpoint, str(file)], environment))
        rows.append(bench.counted("direct", "no change", account, [*yardstick, "read", account.endpoint, str(file)], environment))
    made = json.loads(file.read_text())
    different = [kind for kind, resources in json.loads(wanted).items() if made[kind] != resources]
    if different:
        raise AssertionError(f"the yardstick has not made what the roles make: {', '.join(different)}")
    return rows


def regions(bench: Bench) -> list[Row]:
    """With latency, the regions one by one and side by side."""
    rows = []
    for work, limit in (("us-east-1 alone", PRIMARY), ("us-west-2 alone", DR), ("two regions", f"{PRIMARY},{DR}")):
        with bench.account() as account:
            bench.provision("worker", "what is global", account, GLOBAL)
            account.misbehave(latency_seconds=LATENCY_SECONDS)
            rows.append(bench.provision("worker, 100 ms", work, account, limit))
    return rows


def stack(bench: Bench) -> list[Row]:
    """The whole provisioning of the sandbox, with latency, when there is nothing to do: for the first time after an apply, and again."""
    with bench.account() as account:
        project = Project(account, bench.directory / "stack").prepare()
        environment = bench.environment(account) | {"SANDBOX_STATE_DIR": str(project.state_dir)}
        measure(project.command(), environment)
        account.misbehave(latency_seconds=LATENCY_SECONDS)
        works = [("no change after an apply", False), ("no change", False), ("plan after a run", True), ("plan", True)]
        return [
            bench.counted("worker, 100 ms", f"{work}, whole sandbox", account, project.command(check=check), environment)
            for work, check in works
        ]


def production(bench: Bench) -> list[Row]:
    """The plan of production's whole declaration on an empty account: for the first time, and again."""
    (declaration,) = (declared for declared in declarations() if declared.name == "production")
    with bench.account() as account:
        project = declaration.prepare(account, bench.directory / "production")
        return [
            bench.counted("worker", f"{work}, production", account, project.command(check=True), project.plain_surroundings())
            for work in ("first plan", "plan again")
        ]


def memory(bench: Bench) -> list[Row]:
    """As many children as ten forks can have."""
    inventory = ",".join(f"stack-{number}" for number in range(10)) + ","
    with bench.account() as account:
        environment = bench.environment(account) | {
            "AWS_ENDPOINT_URL": account.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
            "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
        }
        command = [PLAYBOOK, str(ROOT / "tests/bench/ten_hosts.yml"), "-i", inventory, "-f", "10"]
        return [bench.counted("worker", "ten forks", account, command, environment)]
