# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that writes one row after another and remembers which ones a server has acknowledged."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.support.database_servers import CLIENT, DatabaseServers

PAUSE_SECONDS = 0.02
TABLE = "CREATE TABLE IF NOT EXISTS written (n bigint PRIMARY KEY)"


@dataclass
class Writer:
    """Writes in whichever region a server lets it; `acknowledged` are pairs (row, time by the monotonic clock)."""

    servers: DatabaseServers
    secret: Callable[[str], dict[str, Any]]
    regions: tuple[str, ...]
    acknowledged: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._rows = itertools.count(time.time_ns() // 1000)

    @property
    def rows(self) -> set[int]:
        """The rows that were acknowledged."""
        return {row for row, _ in self.acknowledged}

    @property
    def longest_gap(self) -> float:
        """The longest time in which nothing was acknowledged, in seconds."""
        times = [moment for _, moment in self.acknowledged]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write until the block ends."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            thread.join(60)

    def _run(self) -> None:
        for region in itertools.cycle(self.regions):
            if self._end.wait(0.2):
                return
            try:
                secret = self.secret(region)
            except (BotoCoreError, ClientError):
                continue
            if address := self.servers.addresses.get(secret.get("host", "")):
                self._write(secret, address)

    def _write(self, secret: dict[str, Any], address: str) -> None:
        """Write by one connection until it ends or the server refuses."""
        target = f"host={secret['host']} hostaddr={address} user={secret['username']} dbname={secret['dbname']} connect_timeout=3"
        target += " sslmode=verify-full sslrootcert=/tmp/ca.pem"
        command = ["podman", "exec", "--interactive", "--env", "PGPASSWORD", self.servers.engine.prefix + CLIENT]
        command += ["psql", target, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PGPASSWORD": secret["password"]},
        )
        assert process.stdin
        assert process.stdout
        try:
            while not self._end.wait(PAUSE_SECONDS):
                row = next(self._rows)
                process.stdin.write(f"INSERT INTO written VALUES ({row}) RETURNING n;\n")  # noqa: S608 - a number
                if process.stdout.readline().strip() != str(row):
                    return
                self.acknowledged.append((row, time.monotonic()))
        except BrokenPipeError:
            return
        finally:
            process.kill()
            process.communicate()
