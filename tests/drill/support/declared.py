# SPDX-License-Identifier: GPL-3.0-or-later
"""Which properties of which resources the roles declare: every argument of every task that changes AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = ("amazon.aws.", "community.aws.", "indivillage.infra.")
LOOP = "indivillage.infra.each"


@dataclass(frozen=True)
class Declared:
    """A task that changes AWS and the arguments it gives to its module."""

    role: str
    task: str
    module: str
    arguments: tuple[str, ...]


def declared() -> list[Declared]:
    """All of them, in reading order."""
    found = []
    for file in sorted((ROOT / "roles").glob("aws_*/tasks/*.yml")):
        for task in _tasks(yaml.safe_load(file.read_text())):
            for key, arguments in task.items():
                module, given = (arguments["module"], arguments.get("arguments", {})) if key == LOOP else (key, arguments)
                if module.startswith(COLLECTIONS) and not module.endswith("_info"):
                    found.append(Declared(file.parts[-3], task["name"], module, tuple(given or ())))
    return found


def _tasks(entries: list[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    for entry in entries or []:
        blocks = [entry[key] for key in ("block", "rescue", "always") if key in entry]
        for block in blocks:
            yield from _tasks(block)
        if not blocks:
            yield entry
