# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL server behind the sandbox's database, asked over its own socket: what is in it, whatever the playbooks say."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from sandbox import settings
from sandbox.services.databases import PSQL

IDENTIFIER, REGION = "indivillage-sandbox-db", "us-east-1"
NAMES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
OWNER = "indivillage_admin"


@dataclass(frozen=True)
class SandboxDatabase:
    """One database of the server in a container."""

    container: str
    name: str = "indivillage"

    @classmethod
    def find(cls) -> SandboxDatabase | None:
        """The sandbox's database; None when none runs."""
        container = settings.container_name(f"{IDENTIFIER}-{REGION}")
        running = subprocess.run(["podman", "container", "exists", container], capture_output=True, check=False).returncode == 0
        return cls(container) if running else None

    def _psql(self, statement: str, database: str, *, owner: bool = False) -> str:
        command = [*PSQL[:3], f"--dbname={database}", *PSQL[4:], "--tuples-only", "--no-align"]
        role = [f"--command=SET ROLE {OWNER}"] if owner else []
        done = subprocess.run(
            ["podman", "exec", "--interactive", self.container, *command, *role, f"--command={statement}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, statement: str) -> str:
        """Run statements as the application's user."""
        return self._psql(statement, self.name, owner=True)

    def drop(self, database: str) -> None:
        """Drop another database of the server."""
        self._psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)', "postgres")

    def content(self) -> dict[str, tuple[int, str]]:
        """Rows of each table, and the MD5 of all of them in the order of their texts: not the digest that the playbooks rely on."""
        found = {}
        for table in self._psql(NAMES, self.name).split("\n"):
            if table:
                rows, digest = (
                    self._psql(f"SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table} t", self.name)  # noqa: S608
                    .strip()
                    .split("|")
                )
                found[table] = (int(rows), digest)
        return found
