# SPDX-License-Identifier: GPL-3.0-or-later
"""An account on an emulator that notes each call, and tasks that run on it through the worker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations

from tests.integration.emulator.support import RunningEmulator, answers, wait_until
from tests.support.servers import free_port

ROOT = Path(__file__).parents[3]
KEYS = {"AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY", "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone", "AWS_REGION": "us-east-1"}

Task = dict[str, Any]


def task(module: str, **parameters: Any) -> Task:
    """A task of a play; parameters that start with an underscore are keywords of the task itself."""
    keywords = {name.removeprefix("_"): value for name, value in parameters.items() if name.startswith("_")}
    arguments = {name: value for name, value in parameters.items() if not name.startswith("_")}
    return {"name": keywords.pop("name", module.rpartition(".")[2]), module: arguments, **keywords}


@dataclass
class Results:
    """The results of one run: by the names of the tasks, which are unique."""

    tasks: dict[str, dict[str, Any]]
    output: str

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self.tasks[name]

    @property
    def failed(self) -> dict[str, str]:
        return {name: str(result.get("msg")) for name, result in self.tasks.items() if result.get("failed") or result.get("unreachable")}

    @property
    def changed(self) -> set[str]:
        return {name for name, result in self.tasks.items() if result.get("changed")}

    def plan(self, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.tasks[name]["plan"]
        return entry

    def fields(self, name: str) -> dict[str, tuple[Any, Any]]:
        """field -> (before, after), of one task."""
        return {change["field"]: (change["before"], change["after"]) for change in self.plan(name)["changes"]}


@dataclass
class Account:
    """An emulated account and everything that has ever been asked of it."""

    emulator: RunningEmulator
    calls: Path
    directory: Path

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.emulator.client(service, region)

    @property
    def writes(self) -> list[str]:
        """Every call so far that is not a reviewed read."""
        seen = self.calls.read_text().splitlines()
        return [line for line in seen if line.startswith("?") or operations.classify(*line.split()) == operations.WRITE]

    def run(self, tasks: list[Task], *options: str, hosts: int = 1, **variables: str) -> Results:
        """Run tasks through the worker; the last host's results."""
        play = {
            "name": "Test",
            "hosts": "all",
            "gather_facts": False,
            "connection": "indivillage.infra.aws_worker",
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": tasks,
        }
        (self.directory / "play.yml").write_text(yaml.safe_dump([play]))
        (self.directory / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT}/collections\n[connection]\npipelining = true\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        environment |= KEYS | {
            "AWS_ENDPOINT_URL": self.emulator.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.directory / "remote"),
            **variables,
        }
        inventory = "".join(f"stack-{number}," for number in range(hosts))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", inventory, str(self.directory / "play.yml"), *options]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
        found = re.search(r"^\{", done.stdout, re.MULTILINE)
        assert found, done.stdout + done.stderr
        report, _end = json.JSONDecoder().raw_decode(done.stdout[found.start() :])
        (ran,) = report["plays"]
        tasks_run = {one["task"]["name"]: one["hosts"][f"stack-{hosts - 1}"] for one in ran["tasks"]}
        return Results(tasks_run, done.stdout)


def start(directory: Path) -> Iterator[Account]:
    port = free_port()
    calls = directory / "calls"
    calls.touch()
    module = ["-m", "tests.integration.planning.recording", str(calls), "--standalone", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *module], cwd=ROOT, env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"}, stderr=subprocess.DEVNULL
    )
    emulator = RunningEmulator(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: answers(emulator, process), seconds=120)
        calls.write_text("")  # what the probing left
        yield Account(emulator, calls, directory)
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    yield from start(tmp_path_factory.mktemp("account"))
