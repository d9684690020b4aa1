# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command costs, with all processes that come of it: also those that leave it, as the worker's server does."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.25
SERVER = b"\0-P\0-\0"  # how the worker's server is started


@dataclass(frozen=True)
class Usage:
    """CPU and wall time in seconds; peak memory, shared pages counted once, in MiB: of all processes, and of the worker's alone."""

    cpu: float
    wall: float
    memory: float
    worker_memory: float
    output: str


def measure(command: Sequence[str], environment: Mapping[str, str], working_directory: Path = ROOT) -> Usage:
    """Run a command to its end and the end of all its descendants. Raises RuntimeError with the output when it fails.

    Descendants that lose their parent become children of this process, so their processor time is known when they end.
    """
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("this process cannot take over orphans")
    others = set(_children(os.getpid()))
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=working_directory, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    over = threading.Event()
    peaks = [0.0, 0.0]
    sampler = threading.Thread(target=_sample, args=(others, over, peaks))
    sampler.start()
    assert process.stdout
    output = process.stdout.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    cpu = usage.ru_utime + usage.ru_stime
    for pid in set(_children(os.getpid())) - others:
        _pid, _status, usage = os.wait4(pid, 0)
        cpu += usage.ru_utime + usage.ru_stime
    over.set()
    sampler.join()
    if process.returncode and not (process.returncode == 2 and "--check" in command):  # a plan that has changes ends with 2
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-4000:]}")
    return Usage(cpu, wall, peaks[0], peaks[1], output)


def _sample(others: set[int], over: threading.Event, peaks: list[float]) -> None:
    while not over.wait(SAMPLE_SECONDS):
        everything, worker = 0, 0
        for pid, in_worker in _descendants(os.getpid(), others, False):
            size = _proportional_kib(pid)
            everything += size
            worker += size if in_worker else 0
        peaks[0], peaks[1] = max(peaks[0], everything / 1024), max(peaks[1], worker / 1024)


def _descendants(parent: int, without: set[int], in_worker: bool) -> Iterator[tuple[int, bool]]:
    for pid in set(_children(parent)) - without:
        with suppress(OSError):
            inside = in_worker or SERVER in (Path(f"/proc/{pid}/cmdline").read_bytes())
            yield pid, inside
            yield from _descendants(pid, without, inside)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def _proportional_kib(pid: int) -> int:
    with suppress(OSError):
        if found := re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE):
            return int(found[1])
    return 0
