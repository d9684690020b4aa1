# SPDX-License-Identifier: GPL-3.0-or-later
"""The database's login is rotated by the playbook's own tasks on a real server while a client works: killed at every step, taken back."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.module_utils import postgresql

from tests.drill.roles.rotation import rotations
from tests.integration.emulator.support import RunningEmulator, start, wait_until
from tests.support.database_servers import MARKS, DatabaseServers, database_servers, make_database
from tests.support.servers import free_port

pytestmark = [
    *MARKS,
    pytest.mark.skipif(not shutil.which("pg_restore"), reason="PostgreSQL's tools are not installed"),
]

REGION, NAME = "us-east-1", "indivillage-sandbox-db"
SECRET, ADMINISTRATOR = "/indivillage/sandbox/database/credentials", "/indivillage/sandbox/administration/database"
FIRST = {"username": "indivillage_admin", "password": "correct-horse-battery"}
WORK = "CREATE TABLE IF NOT EXISTS trips (n int); INSERT INTO trips VALUES (1);"


class Ready(http.server.BaseHTTPRequestHandler):
    """A host that is well."""

    def do_GET(self) -> None:
        """Answer 200."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@dataclass
class World:
    """A database with its secrets, and an application that works all the time with what it has read last."""

    emulator: RunningEmulator
    folder: Path
    endpoint: str
    address: str
    ready_port: int
    login: dict[str, str] = field(default_factory=dict)
    worked: int = 0
    failures: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def value(self, secret: str = SECRET) -> dict[str, Any]:
        text = self.emulator.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        return dict(json.loads(text))

    def stages(self) -> set[str]:
        return rotations.stages(self.emulator, SECRET)

    def ask(self, login: dict[str, Any], statement: str = "SELECT 1") -> list[list[str]]:
        params = {"host": self.endpoint, "port": 5432, "user": login["username"], "password": login["password"]}
        server = postgresql.environment(params | {"ca_file": str(self.folder / "pki" / "ca.pem")}, "indivillage")
        return postgresql.sql(statement, server | {"PGHOSTADDR": self.address})

    def opens(self, login: dict[str, Any]) -> bool:
        try:
            self.ask(login)
        except postgresql.PostgresqlError:
            return False
        return True

    def work(self) -> None:
        """The application."""
        self.login = self.value()
        request = self.folder / "read"
        while not self.ended.wait(0.05):
            if request.exists():
                self.login = self.value()
                request.unlink()
            try:
                self.ask(self.login, WORK)
                self.worked += 1
            except postgresql.PostgresqlError as error:
                self.failures.append(str(error))

    def rotate(self, *options: str, dies_after: int = 0, **answers: Any) -> subprocess.CompletedProcess[str]:
        """Rotate the database's login."""
        given = {
            "rotate_secret": "database",
            "application": str(self.folder),
            "secret_rotation_ca_file": str(self.folder / "pki" / "ca.pem"),
            "secret_rotation_ready_url": f"http://127.0.0.1:{self.ready_port}/ready",
        }
        around = {"PGHOSTADDR": self.address}
        return rotations.rotate(self.emulator, self.folder, *options, dies_after=dies_after, environment=around, **(given | answers))


def make_world(emulator: RunningEmulator, folder: Path, servers: DatabaseServers, ready_port: int) -> World:
    found = make_database(emulator.client, REGION, "10.234", NAME, FIRST | {"dbname": "indivillage"})
    wait_until(lambda: found()["DBInstanceStatus"] == "available", 90)
    endpoint = str(found()["Endpoint"]["Address"])
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name=SECRET, SecretString=json.dumps(FIRST | {"host": endpoint, "port": 5432, "dbname": "indivillage"}))
    secrets.create_secret(Name=ADMINISTRATOR, SecretString=json.dumps(FIRST))
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": shutil.which("python3")}
    about = {"host_stack": "sandbox-us-east-1", "instance_region": REGION, "instance_availability_zone": f"{REGION}a"}
    app = {**here, **about, "instance_alias": "app-1", "instance_id": "i-1", "instance_health": "healthy", "instance_role": "app"}
    groups = {"role_bastion": {"hosts": {"bastion-1": {**here, **about}}}, "role_app": {"hosts": {"app-1": app}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
    return World(emulator, folder, endpoint, servers.addresses[endpoint], ready_port)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("rotation")
        patch.setenv("SANDBOX_STATE_DIR", str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Ready)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for emulator in start():
            with database_servers(emulator.endpoint) as servers:
                world = make_world(emulator, folder, servers, server.server_port)
                application = threading.Thread(target=world.work, daemon=True)
                application.start()
                try:
                    yield world
                finally:
                    world.ended.set()
                    application.join(30)
        server.shutdown()
        server.server_close()


def test_a_plan_writes_nothing(world: World) -> None:
    version = world.emulator.version
    planned = world.rotate("--check")
    assert planned.returncode in {0, 2}, planned.stdout[-4000:]
    assert (world.emulator.version, world.stages()) == (version, {"AWSCURRENT"})


def test_the_first_rotation_gives_the_application_a_login_of_its_own(world: World) -> None:
    done = world.rotate()
    assert done.returncode == 0, done.stdout[-6000:]
    assert (world.value()["username"], world.stages()) == ("indivillage_a", {"AWSCURRENT", "AWSPREVIOUS"})
    assert not world.opens(FIRST), "the administrator has another password"
    assert world.opens(world.value(ADMINISTRATOR))
    assert world.login["username"] == "indivillage_a"
    assert world.ask(world.value(), "SELECT tableowner FROM pg_tables WHERE tablename = 'trips'") == [["indivillage_owner"]]
    for secret in (world.value()["password"], world.value(ADMINISTRATOR)["password"], FIRST["password"]):
        assert secret not in done.stdout + done.stderr


# Its changes: 1 next value, 2 login, 3 promoted, 4 and 5 the administrator's password, 6 and 7 his secret, 8 former login, 9 the end.
@pytest.mark.parametrize("changes", [2, 5, 8])
def test_a_run_that_was_killed_is_completed_by_the_next(world: World, changes: int) -> None:
    former = world.value()
    killed = world.rotate(dies_after=changes)
    assert killed.returncode < 0, killed.stdout[-4000:]
    assert world.opens(world.value()), "who reads the secret is let in at any moment"
    done = world.rotate()
    assert done.returncode == 0, done.stdout[-6000:]
    assert "AWSPENDING" not in world.stages()
    assert (world.opens(former), world.opens(world.value())) == (False, True)


def test_a_rotation_that_is_under_way_is_taken_back(world: World) -> None:
    former = world.value()
    assert world.rotate(dies_after=3).returncode < 0
    left = world.value()
    assert left != former
    refused = world.rotate(rotate_undo=True)
    assert "Somebody will want to know why" in refused.stdout
    back = world.rotate(rotate_undo=True, reason="a test")
    assert back.returncode == 0, back.stdout[-6000:]
    assert (world.value(), world.login) == (former, former)
    assert (world.opens(left), world.opens(former)) == (False, True)
    assert "AWSPENDING" not in world.stages()
    again = world.rotate(rotate_undo=True, reason="a test")
    assert "No rotation of" in again.stdout


def test_a_bad_time_is_refused(world: World) -> None:
    version = world.emulator.version
    never = [{"name": "never", "schedule": "cron(0 2 29 FEB ? *)", "duration_hours": 1}]
    assert "no window is open" in world.rotate(secret_rotation_windows=never).stdout
    assert world.emulator.version == version


def test_nobody_was_refused_meanwhile(world: World) -> None:
    assert world.failures == []
    assert world.worked > 100
