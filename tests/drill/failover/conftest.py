# SPDX-License-Identifier: GPL-3.0-or-later
"""Two regions with a database and its replica, on real PostgreSQL, a client that writes, and the playbooks that fail over and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import pki
from sandbox.settings import container_name
from tests.drill.failover.writer import Writer
from tests.integration.emulator.support import wait_until
from tests.support.database_servers import CLIENT, DatabaseServers, database_servers
from tests.support.two_regions import DATABASES, DR, PRIMARY, TwoRegions, emulators


def stamp() -> str:
    """Now, as the runbooks take it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Regions(TwoRegions):
    """Both regions with real servers, and what is done to them."""

    servers: DatabaseServers

    def lose(self, region: str) -> str:
        """Take a region away; when its server had ended for certain."""
        self.emulator.control("PUT", f"outages/{region}", {"out": True})
        name = container_name(f"{DATABASES[region]}-{region}")
        wait_until(lambda: not any(server.running for server in self.servers.engine.list() if server.name == name), 60)
        return stamp()

    def give_back(self, region: str) -> None:
        """End the outage, and wait until the server of the region runs."""
        self.emulator.control("PUT", f"outages/{region}", {"out": False})
        name = container_name(f"{DATABASES[region]}-{region}")
        wait_until(lambda: any(server.running for server in self.servers.engine.list() if server.name == name), 60)

    def as_owner(self, region: str, statement: str) -> str:
        """A statement on a region's server by the sandbox's own user, who may do anything."""
        name = container_name(f"{DATABASES[region]}-{region}")
        command = ["psql", "--host=/run/postgresql", "--username=rdsadmin", "--dbname=indivillage", "--no-psqlrc", "-qtA", "-c", statement]
        return self.servers.engine.execute(name, command).strip()

    def writer(self) -> Writer:
        """A client that writes where it can, as the applications of both regions would."""
        return Writer(self.servers, self.secret, (PRIMARY, DR))


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    with pytest.MonkeyPatch.context() as patch:
        state_dir: Path = tmp_path_factory.mktemp("sandbox")
        patch.setenv("SANDBOX_STATE_DIR", str(state_dir))
        pki.prepare(state_dir / "pki")
        for emulator in emulators():
            with database_servers(emulator.endpoint) as servers:
                servers.engine.write(CLIENT, "/tmp/ca.pem", (state_dir / "pki" / "ca.pem").read_text())
                regions = Regions(emulator, state_dir, servers)
                regions.must("provision_foundation", "--tags", "aws_database")
                yield regions
