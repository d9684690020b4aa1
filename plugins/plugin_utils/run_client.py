# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of a run use to start the run's keeper and to speak with it; see run_keeper for the other end."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import ansible.constants as C  # noqa: N812  # the name that all of Ansible uses
from ansible_collections.indivillage.infra.plugins.plugin_utils.run_protocol import SOCKET_NAME, Begun, Settings

START_SECONDS = 60
ANSWER_SECONDS = 60
_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.indivillage.infra.plugins.plugin_utils import run_keeper
run_keeper.main(*sys.argv[2:])
"""
_COLLECTIONS = str(Path(__file__).absolute().parents[5])


class KeeperError(Exception):
    """The keeper cannot be started, or is gone; the text says why."""


def start(settings: Settings) -> Begun:
    """Start the keeper of this run, from the run itself or one of its forks."""
    run = multiprocessing.parent_process()
    directory = os.open(C.DEFAULT_LOCAL_TMP, os.O_RDONLY | os.O_DIRECTORY)
    run_pidfd = os.pidfd_open(run.pid if run and run.pid else os.getpid())
    try:
        keeper = subprocess.run(
            [sys.executable, "-P", "-c", _SCRIPT, _COLLECTIONS, str(directory), str(run_pidfd)],
            input=json.dumps(asdict(settings)),
            text=True,
            pass_fds=(directory, run_pidfd),
            start_new_session=True,
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Begun(problem=str(error))
    finally:
        os.close(run_pidfd)
        os.close(directory)
    try:
        return Begun(**json.loads(keeper.stdout))
    except ValueError:
        return Begun(problem=(keeper.stderr or keeper.stdout).strip() or f"exit code {keeper.returncode}")


class Line:
    """A connection to the run's keeper."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.answers: TextIO = connection.makefile("r", encoding="utf-8")
        """What the keeper says, one JSON object a line."""

    def send(self, message: dict[str, Any]) -> None:
        """Tell the keeper something; a keeper that is gone does not hear it."""
        with suppress(OSError):
            self._connection.sendall(json.dumps(message, default=str).encode() + b"\n")

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Tell the keeper something and wait for its answer; KeeperError when there is none."""
        self.send(message)
        try:
            answer: dict[str, Any] = json.loads(self.answers.readline())
        except (OSError, ValueError) as error:
            raise KeeperError("the keeper of this run's lease does not answer") from error
        return answer

    def close(self) -> None:
        """Hang up."""
        self.answers.close()
        self._connection.close()


def connect(answer_seconds: float | None = ANSWER_SECONDS) -> Line | None:
    """Connect to this run's keeper, to wait so long for each of its answers; None when the run has none."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        directory = os.open(C.DEFAULT_LOCAL_TMP, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # By way of /proc, since the path of a socket may have no more than 107 characters.
            connection.connect(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
        finally:
            os.close(directory)
    except OSError:
        connection.close()
        return None
    connection.settimeout(answer_seconds)
    return Line(connection)
