# SPDX-License-Identifier: GPL-3.0-or-later
"""The real programs of monitoring that read what we write for them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from scripts.pages.inventory import stacks
from tests.support.unpacked import unpacked

SERVICES = ("nginx", "postgres", "redis")
PACKAGES = (
    *("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter", "prometheus-node-exporter"),
    *(f"prometheus-{service}-exporter" for service in SERVICES),
)


def programs() -> Path:
    """The folder of the programs."""
    return unpacked("monitoring", PACKAGES) / "usr/bin"


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([programs() / program, *arguments], capture_output=True, text=True, check=False, timeout=120)


def alerting(environment: str) -> dict[str, Any]:
    """What an environment's inventory says of alerts, evaluated."""
    stack = next(stack for stack in stacks(environment) if stack.kind == "primary")
    return dict(json.loads(json.dumps(stack.options["prometheus"] | stack.options["alertmanager"], default=str)))


def write(path: Path, data: Any) -> Path:
    path.write_text(yaml.safe_dump(data, sort_keys=False, width=1000), encoding="utf-8")
    return path
