# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's hold on its emulator: start it, let it fail, count its calls, copy it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.emulator.support import REPOSITORY, RunningEmulator, answers, wait_until
from tests.support.servers import free_port

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Calls:
    """What was called since the last reset; `log` holds the writes in order."""

    reads: int
    writes: int
    faults: int
    services: list[str]
    log: list[str]


@dataclass(frozen=True)
class DrillEmulator(RunningEmulator):
    """An emulator, or a copy of one, with the calls of application.py."""

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def drill(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.endpoint}/drill/{path}", method=method, data=json.dumps(body or {}).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))

    def calls(self) -> Calls:
        return Calls(**self.drill("GET", "calls"))

    def reset_calls(self) -> None:
        self.drill("DELETE", "calls")

    def misbehave(self, **faults: Any) -> None:
        """Answer with these faults (faults.Faults) until told otherwise; without any, behave."""
        self.drill("PUT", "faults", faults)

    def copy(self) -> DrillEmulator:
        """Another emulator in the very same state, which goes its own way from here."""
        return DrillEmulator(f"http://{HOST}:{self.drill('POST', 'copies')['port']}")

    def copy_after(self, writes: Iterable[int], directory: Path) -> None:
        """Copy the account after each of these numbers of writes, and `directory` to <directory>-<number>."""
        self.drill("PUT", "points", {"after_writes": list(writes), "directory": str(directory)})

    def copies(self) -> dict[int, tuple[DrillEmulator, str]]:
        """The copies so far: number of writes -> the copy and its last write."""
        found = self.drill("GET", "points")
        return {int(number): (DrillEmulator(f"http://{HOST}:{copy['port']}"), copy["write"]) for number, copy in found.items()}

    def kill_after(self, writes: int, group: int) -> None:
        """Kill a process group, as kill -9 does, at that write."""
        self.drill("PUT", "kill", {"after_writes": writes, "group": group})

    def add_image(self, region: str, owner: str, name: str) -> str:
        """Publish an image of another account."""
        return str(self.drill("PUT", "images", {"region": region, "owner": owner, "name": name})["image_id"])

    def discard(self) -> None:
        """End a copy, or an emulator that stays."""
        with socket.create_connection((HOST, self.port)) as connection:
            connection.sendall(b"DELETE /drill/process HTTP/1.0\r\n\r\n")
            connection.recv(1)


@contextmanager
def running(port: int | None = None, log: Path | None = None) -> Iterator[DrillEmulator]:
    """A fresh account; what its emulator complains of goes to a file, if one is named."""
    with log.open("w") if log else nullcontext() as output:
        process, emulator = _start(port or free_port(), stdout=output, stderr=output)
    try:
        wait_until(lambda: answers(emulator, process), seconds=120)
        yield emulator
    finally:
        process.terminate()
        process.wait(timeout=10)


def staying(log: Path) -> DrillEmulator:
    """A fresh account that stays when this process ends, until it is discarded."""
    with log.open("w") as output:
        process, emulator = _start(free_port(), "--stay", start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    wait_until(lambda: answers(emulator, process), seconds=120)
    return emulator


def _start(port: int, *options: str, **settings: Any) -> tuple[subprocess.Popen[bytes], DrillEmulator]:
    command = [sys.executable, "-m", "tests.drill.support", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"}, **settings)
    return process, DrillEmulator(f"http://{HOST}:{port}")
