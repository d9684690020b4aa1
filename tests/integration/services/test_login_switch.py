# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's database login is changed on a real server while a client of it logs in all the time."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils import postgresql
from ansible_collections.indivillage.infra.plugins.modules import postgresql_login

from sandbox.model import EngineError
from tests.integration.emulator.support import RunningEmulator, start, wait_until
from tests.support.database_servers import CLIENT, DatabaseServers, database_servers

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.sandbox,
    pytest.mark.skipif(not shutil.which("podman"), reason="podman is not installed"),
]

REGION, CA = "us-east-1", "/tmp/ca.pem"
ADMINISTRATOR = {"username": "app_admin", "password": "correct-horse-battery"}
FIRST, SECOND = ({"username": f"app_{letter}", "password": f"{letter}-staple-{letter}"} for letter in "ab")
WORK = "CREATE TABLE IF NOT EXISTS trips (n int); INSERT INTO trips VALUES (1); SELECT current_user;"


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

    def ask(self, login: dict[str, str], statement: str) -> list[list[str]]:
        return postgresql.sql(statement, postgresql.environment(self.options(login), "app"))

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


@dataclass(eq=False)
class Application(threading.Thread):
    """Logs in anew for each piece of work, with the login that it was given last."""

    server: Server
    login: dict[str, str]
    worked: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()

    def run(self) -> None:
        """Work until the end."""
        while not self.ended.is_set():
            try:
                self.server.ask(self.login, WORK)
                self.worked += 1
            except postgresql.PostgresqlError as error:
                self.failures.append(str(error))

    def work_some(self) -> None:
        """Return when it has worked three times more."""
        worked = self.worked
        wait_until(lambda: self.worked > worked + 3 or self.failures, 30)


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
    ec2, rds = server.emulator.client("ec2", REGION), server.emulator.client("rds", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.233.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.233.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    rds.create_db_subnet_group(DBSubnetGroupName="data", DBSubnetGroupDescription="x", SubnetIds=subnets)
    rds.create_db_instance(
        DBInstanceIdentifier="app",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername=ADMINISTRATOR["username"],
        MasterUserPassword=ADMINISTRATOR["password"],
        DBName="app",
        DBSubnetGroupName="data",
    )

    def found() -> dict[str, Any]:
        return dict(rds.describe_db_instances(DBInstanceIdentifier="app")["DBInstances"][0])

    try:
        wait_until(lambda: found()["DBInstanceStatus"] == "available", 90)
    except AssertionError as error:
        raise AssertionError(server.servers.faults) from error
    server.endpoint = str(found()["Endpoint"]["Address"])


@pytest.fixture
def login(server: Server, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """login(login, state, check, who) -> the result of the module; it did not fail."""

    def call(one: dict[str, str], state: str = "present", *, check: bool = False, who: dict[str, str] = ADMINISTRATOR) -> dict[str, Any]:
        secret = {"login_password": one["password"]} if state == "present" else {}
        options = {**server.options(who), "database": "app", "owner": "app_owner", "name": one["username"], "state": state, **secret}
        capsys.readouterr()
        with patch_module_args(options | {"_ansible_check_mode": check, "_ansible_remote_tmp": "/tmp"}), pytest.raises(SystemExit):
            postgresql_login.main()
        result = dict(json.loads(capsys.readouterr().out.splitlines()[-1]))
        assert not result.get("failed"), result["msg"]
        return result

    return call


def test_logins_are_changed_without_a_refused_one(server: Server, login: Callable[..., dict[str, Any]]) -> None:
    application = Application(server, ADMINISTRATOR)
    application.start()
    application.work_some()
    try:
        assert login(FIRST, check=True)["changed"]
        assert not server.accepts(FIRST), "a check makes nothing"
        assert login(FIRST)["changed"]
        application.work_some()
        application.login = FIRST
        application.work_some()
        assert not login(FIRST, check=True)["changed"]
        assert not login(FIRST)["changed"]
        server.set_administrator("another-horse")
        administrator = ADMINISTRATOR | {"password": "another-horse"}
        application.work_some()
        assert not server.accepts(ADMINISTRATOR)

        assert login(SECOND, who=administrator)["changed"]
        application.work_some()
        application.login = SECOND
        application.work_some()
        assert login(FIRST, "absent", check=True, who=administrator)["changed"]
        assert server.accepts(FIRST)
        assert login(FIRST, "absent", who=administrator)["changed"]
        assert not login(FIRST, "absent", who=administrator)["changed"]
        application.work_some()
        assert not server.accepts(FIRST)
    finally:
        application.ended.set()
        application.join(30)
    assert application.failures == []
    assert application.worked > 15
    owners = server.ask(SECOND, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [["app_owner"]], "what one login makes belongs to all"


def test_no_password_reaches_the_server(server: Server, login: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    plain = postgresql.tool

    def tool(command: list[str], surroundings: dict[str, str]) -> str:
        told.append(" ".join(command))
        return plain(command, surroundings)

    monkeypatch.setattr(postgresql, "tool", tool)
    third = {"username": "app_c", "password": "c-staple-c"}
    login(third, who=ADMINISTRATOR | {"password": "another-horse"})
    assert any("SCRAM-SHA-256$4096" in command for command in told)
    assert not any(third["password"] in command for command in told)
    assert server.accepts(third)


def test_who_holds_a_lock_makes_it_wait_and_nobody_behind_it(server: Server, login: Callable[..., dict[str, Any]]) -> None:
    administrator = ADMINISTRATOR | {"password": "another-horse"}
    server.ask(administrator, "CREATE TABLE held (n int)")
    holder = threading.Thread(target=server.ask, args=(administrator, "BEGIN; LOCK TABLE held; SELECT pg_sleep(4); COMMIT"))
    holder.start()
    time.sleep(0.5)
    assert login(SECOND, who=administrator)["changed"]
    holder.join()
    assert server.ask(administrator, "SELECT tableowner FROM pg_tables WHERE tablename = 'held'") == [["app_owner"]]
