# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox as a user drives it: make, ansible-playbook, and AWS's API on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class Site:
    """One checkout's sandbox."""

    def __init__(self) -> None:
        # What a user has: no AWS settings at all, and no make around. The inventory alone decides where calls go.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE"))}
        self.environment["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"

    def run(self, *command: str, timeout: int = 900, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command at the root of the checkout; its whole output is in stdout."""
        started = time.monotonic()
        result = subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        print(f"{' '.join(command)}: exit {result.returncode} after {time.monotonic() - started:.0f} s")
        return result

    def must(self, *command: str, timeout: int = 900, **environment: str) -> str:
        """Run a command that has to succeed; its output."""
        result = self.run(*command, timeout=timeout, **environment)
        assert result.returncode == 0, result.stdout[-6000:]
        return result.stdout

    def play(self, playbook: str, *arguments: str, inventory: Path | str = "inventories/sandbox") -> subprocess.CompletedProcess[str]:
        """Run a playbook."""
        return self.run(str(BIN / "ansible-playbook"), playbook, "-i", str(inventory), *arguments)

    def sandbox(self, *arguments: str) -> str:
        """Run a command of the sandbox that has to succeed; its output."""
        return self.must(sys.executable, "-m", "sandbox", *arguments)

    @cached_property
    def url(self) -> str:
        """The page's address."""
        return self.sandbox("url").strip()

    @cached_property
    def ca(self) -> str:
        """The file that validates the page."""
        return self.sandbox("ca").strip()

    @cached_property
    def endpoint(self) -> str:
        """The emulator's address."""
        return self.sandbox("endpoint").strip()

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """A boto3 client of the emulator."""
        return boto3.client(
            service, region_name=region, endpoint_url=self.endpoint, aws_access_key_id="sandbox", aws_secret_access_key="sandbox"
        )

    def version(self) -> int:
        """How many changing calls the emulator has seen."""
        with urllib.request.urlopen(f"{self.endpoint}/sandbox/version", timeout=10) as answer:
            return int(json.load(answer)["version"])

    def instances(self, role: str) -> list[dict[str, Any]]:
        """The running instances of a role, as EC2 describes them."""
        filters = [
            {"Name": "tag:Role", "Values": [role]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        pages = self.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return [instance for page in pages for instance in page["Instances"]]

    def healthy(self, tier: str) -> list[str]:
        """Ids of the healthy targets of a tier's target group, sorted."""
        elbv2 = self.client("elbv2")
        group = elbv2.describe_target_groups(Names=[f"indivillage-sandbox-{tier}"])["TargetGroups"][0]["TargetGroupArn"]
        descriptions = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sorted(d["Target"]["Id"] for d in descriptions if d["TargetHealth"]["State"] == "healthy")

    def fetch(self, path: str = "/", *options: str) -> subprocess.CompletedProcess[str]:
        """Ask for a page as a visitor would, validating its certificate."""
        return self.run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", self.ca, *options, self.url.rstrip("/") + path)


def wait(what: str, condition: Callable[[], Any], seconds: float = 60, every: float = 1) -> float:
    """Wait until a condition holds; how long it took in seconds. The failure names what was awaited."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition():
            return time.monotonic() - started
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def recap(output: str) -> dict[str, dict[str, int]]:
    """Read the PLAY RECAP: host -> counter -> number."""
    lines = output.partition("PLAY RECAP")[2].splitlines()
    hosts = {}
    for line in lines:
        found = re.match(r"(\S+)\s+: (ok=.*)", line)
        if found:
            hosts[found.group(1)] = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", found.group(2))}
    return hosts
