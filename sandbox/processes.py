# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's own long-running processes: started detached, known by a pid file, ended by that id and no other way.

Every one of them carries `--state-dir <directory>` on its command line. That tells a process of this sandbox from another that took over
its number, and finds those whose pid file was lost in a crash.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.settings import REPOSITORY, Settings

EMULATOR = "emulator"
SUPERVISOR = "supervisor"
RECONCILER = "reconciler"
STOP_SECONDS = 10.0


def command(settings: Settings, module: str, *arguments: str) -> list[str]:
    """The command line of one of the sandbox's modules."""
    return [sys.executable, "-m", module, "--state-dir", str(settings.state_dir), *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """The environment of the sandbox's processes: no real AWS, no metadata service of the machine, and this sandbox's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return kept | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "SANDBOX_STATE_DIR": str(settings.state_dir),
        "SANDBOX_EMULATOR_PORT": str(settings.emulator_port),
        "SANDBOX_PAGE_PORT": str(settings.page_port),
    }


def start(settings: Settings, name: str, arguments: Sequence[str]) -> int:
    """Start a process in a session of its own, its output going to its log; its process id."""
    with settings.log_file(name).open("ab") as log:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=REPOSITORY,
            env=environment(settings),
        )
    settings.pid_file(name).write_text(f"{process.pid}\n")
    return process.pid


def running(settings: Settings, name: str) -> int:
    """Process id of a process of this sandbox, 0 when it does not run."""
    try:
        pid = int(settings.pid_file(name).read_text())
    except (FileNotFoundError, ValueError):
        return 0
    return pid if str(settings.state_dir) in _command_line(pid) else 0


def stop_all(settings: Settings) -> None:
    """End every process of this sandbox: politely, and after some seconds for good."""
    until = time.monotonic() + STOP_SECONDS
    # Looked for again each time: a supervisor may start one more reconciler while it is told to end.
    while ours := [pid for pid, state_dir in _sandbox_processes() if state_dir == settings.state_dir]:
        for pid in ours:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if time.monotonic() < until else signal.SIGKILL)
        time.sleep(0.1)


def other_sandbox(settings: Settings) -> Path | None:
    """State directory of another sandbox that runs on this machine."""
    return next((state_dir for state_dir in sandboxes() if state_dir != settings.state_dir), None)


def sandboxes() -> set[Path]:
    """State directories of the sandboxes that run on this machine."""
    return {state_dir for _, state_dir in _sandbox_processes()}


def _sandbox_processes() -> Iterator[tuple[int, Path]]:
    """Process id and state directory of everything that `start` and its descendants started."""
    for entry in Path("/proc").iterdir():
        words = _command_line(int(entry.name)) if entry.name.isdigit() else []
        if words[1:3] in (["-m", "sandbox.emulator"], ["-m", "sandbox.reconciler"]) and words[3:4] == ["--state-dir"]:
            yield int(entry.name), Path(words[4])


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
