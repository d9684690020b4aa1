# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of stacks against an emulator: they say what an apply changes, and write nothing themselves."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_report
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Change, Plan

from sandbox import pki
from tests.integration.emulator.support import RunningEmulator, start
from tests.support import playbooks

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[3]
# Two stacks, small layers: keys and queues of one region, roles and profiles of the account.
PART = (
    "playbooks/provision_foundation.yml",
    "--limit",
    "sandbox-global:sandbox-us-east-1",
    "--tags",
    "aws_identity,aws_keys,aws_messaging",
)


@dataclass
class Site:
    """An emulator, and how to run playbooks against it."""

    emulator: RunningEmulator
    directory: Path

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = playbooks.surroundings(self.emulator.endpoint, self.directory) | environment
        line = ["ansible-playbook", "-i", "inventories/sandbox/hosts.yml", *options, "-e", f"plan_directory={self.directory / 'plans'}"]
        return subprocess.run(line, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=300)

    def plan(self, expected_exit: int, *options: str) -> Plan:
        """Run in check mode, which must end like that and leave no trace in the account."""
        before = self.emulator.version
        done = self.run(*(options or PART), "--check")
        assert done.returncode == expected_exit, done.stdout + done.stderr
        assert self.emulator.version == before, "a plan has written"
        return plan_report.load(self.directory / "plans/sandbox/plan.json")

    def apply(self) -> Counter[tuple[str, str]]:
        """(host, task) -> how many items have changed."""
        done = self.run(*PART, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        assert done.returncode == 0, done.stdout + done.stderr
        changed: Counter[tuple[str, str]] = Counter()
        told, _end = json.JSONDecoder().raw_decode(done.stdout)  # other callbacks speak after it
        for play in told["plays"]:
            for task in play["tasks"]:
                for host, result in task["hosts"].items():
                    items: list[dict[str, Any]] = result.get("results") or [result]
                    changed[host, task["task"]["name"].rpartition(" : ")[2]] += sum(item.get("changed", False) for item in items)
        return +changed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    pki.prepare(directory / "pki")
    for emulator in start("--standalone"):
        yield Site(emulator, directory)


def test_a_plan_says_what_the_apply_then_does(site: Site) -> None:
    plan = site.plan(2)
    assert plan.failed == []
    planned = Counter((entry.host, entry.task) for entry in plan.entries)
    assert planned == site.apply()
    assert planned.total() > 20

    plan = site.plan(0)
    assert plan.entries == []
    assert plan.unchanged > 20
    assert len(plan.declared) > 20
    first = plan.digest

    # One change behind the project's back, one field in the plan.
    sqs = site.emulator.client("sqs")
    queue = sqs.get_queue_url(QueueName="indivillage-sandbox-tasks")["QueueUrl"]
    kept = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout", "Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={**kept, "VisibilityTimeout": "77"})
    plan = site.plan(2)
    (entry,) = plan.entries
    assert (entry.action, entry.role, entry.task, entry.item) == ("change", "aws_messaging", "Make the queues", "tasks")
    assert entry.changes == [Change("Attributes.VisibilityTimeout", "77", kept["VisibilityTimeout"])]
    assert entry.module == "indivillage.infra.sqs_queue"
    assert plan.digest != first

    sqs.set_queue_attributes(QueueUrl=queue, Attributes=kept)
    assert site.plan(0).digest == first, "the same world has the same digest"


def test_a_check_that_fails_is_1(site: Site) -> None:
    plan = site.plan(1, "playbooks/check_environment.yml", "-e", "aws_account_id='000000000000'")
    assert any("is declared to live in account" in failure.message for failure in plan.failed)
