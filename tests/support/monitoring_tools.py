# SPDX-License-Identifier: GPL-3.0-or-later
"""The real programs that read what we write for them: those of the release that hosts run, unpacked and not installed."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandbox import images
from scripts.pages.inventory import ROOT, stacks

SERVICES = ("nginx", "postgres", "redis")
PACKAGES = (
    *("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter", "prometheus-node-exporter"),
    *(f"prometheus-{service}-exporter" for service in SERVICES),
)
SUITE = "trixie"
HOME = ROOT / "build" / "monitoring"


@cache
def programs() -> Path:
    """The folder of the programs, which are fetched once: half a minute."""
    HOME.mkdir(parents=True, exist_ok=True)
    root, wanted = HOME / "root", json.dumps([SUITE, *PACKAGES])
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = HOME / "stamp"
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(root, ignore_errors=True)
            images.extract(PACKAGES, SUITE, root)
            stamp.write_text(wanted)
    return root / "usr" / "bin"


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([programs() / program, *arguments], capture_output=True, text=True, check=False, timeout=120)


def alerting(environment: str) -> dict[str, Any]:
    """What an environment's inventory says of alerts, evaluated."""
    stack = next(stack for stack in stacks(environment) if stack.kind == "primary")
    return dict(json.loads(json.dumps(stack.options["prometheus"] | stack.options["alertmanager"], default=str)))


def write(path: Path, data: Any) -> Path:
    path.write_text(yaml.safe_dump(data, sort_keys=False, width=1000), encoding="utf-8")
    return path
