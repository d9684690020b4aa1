# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of the sandbox behind an emulator's RDS, and modules that reach it as on a host."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils import postgresql

from sandbox.model import EngineError
from tests.integration.emulator.support import RunningEmulator, start, wait_until
from tests.support.database_servers import CLIENT, DatabaseServers, database_servers, make_database

REGION, CA = "us-east-1", "/tmp/ca.pem"
# One for each of pytest's processes: networks of containers are the machine's, and whoever came second would wait for the first to end.
NETWORK = f"10.{233 + 2 * int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))}"
ADMINISTRATOR = {"username": "app_admin", "password": "correct-horse-battery"}


@dataclass
class Server:
    """A database, reached as hosts reach it: by libpq's tools, over verified TLS."""

    emulator: RunningEmulator
    servers: DatabaseServers
    endpoint: str = ""

    def tool(self, command: list[str], surroundings: dict[str, str]) -> str:
        """As the function of that name in module_utils, on the client."""
        settings = [f"{name}={value}" for name, value in surroundings.items() if name.startswith("PG")]
        address = f"PGHOSTADDR={self.servers.addresses[self.endpoint]}"
        try:
            return self.servers.engine.execute(CLIENT, ["env", *settings, address, *command])
        except EngineError as error:
            raise postgresql.PostgresqlError(str(error)) from error

    def options(self, login: dict[str, str]) -> dict[str, Any]:
        """How a module reaches it."""
        return {"host": self.endpoint, "port": 5432, "user": login["username"], "password": login["password"], "ca_file": CA}

    def ask(self, login: dict[str, str], statement: str, database: str = "app") -> list[list[str]]:
        return postgresql.sql(statement, postgresql.environment(self.options(login), database))

    def set_administrator(self, password: str) -> None:
        """As RDS does it, and until it is done."""
        self.emulator.client("rds", REGION).modify_db_instance(
            DBInstanceIdentifier="app", MasterUserPassword=password, ApplyImmediately=True
        )
        wait_until(lambda: self.accepts(ADMINISTRATOR | {"password": password}), 30)

    def accepts(self, login: dict[str, str]) -> bool:
        try:
            self.ask(login, "SELECT 1")
        except postgresql.PostgresqlError:
            return False
        return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        state: Path = tmp_path_factory.mktemp("sandbox")
        patch.setenv("SANDBOX_STATE_DIR", str(state))
        for emulator in start():
            with database_servers(emulator.endpoint) as servers:
                server = Server(emulator, servers)
                patch.setattr(postgresql, "tool", server.tool)
                _make(server)
                servers.engine.write(CLIENT, CA, (state / "pki" / "ca.pem").read_text())
                yield server


def _make(server: Server) -> None:
    found = make_database(server.emulator.client, REGION, NETWORK, "app", ADMINISTRATOR | {"dbname": "app"})
    try:
        wait_until(lambda: found()["DBInstanceStatus"] == "available", 90)
    except AssertionError as error:
        raise AssertionError(server.servers.faults) from error
    server.endpoint = str(found()["Endpoint"]["Address"])


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """run_module(module, check=False, **options) -> its result, in this process."""

    def call(module: ModuleType, /, *, check: bool = False, **options: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args(options | {"_ansible_check_mode": check, "_ansible_remote_tmp": "/tmp"}), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))

    return call
