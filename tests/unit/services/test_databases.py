# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL files and the life of a database container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.model import EngineError, Subnet, Vpc, World
from sandbox.services import databases, postgresql
from sandbox.services.databases import Database, Source

DATABASE = Database(
    id="indivillage-sandbox-db",
    region="us-east-1",
    status="creating",
    created="2026-01-01T00:00:00",
    endpoints=("indivillage-sandbox-db.aaaaaaaaaa.us-east-1.rds.amazonaws.com",),
    port=5432,
    vpc_id="vpc-1",
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-1",),
    master_username="master",
    master_password="it's secret",
    name="app",
    parameters={"work_mem": "8192"},
    certificate="CERTIFICATE",
    private_key="KEY",
)


REPLICA = replace(
    DATABASE,
    id="copy",
    region="us-west-2",
    endpoints=("copy.us-west-2.rds.amazonaws.com",),
    vpc_id="vpc-2",
    subnet_ids=("subnet-b",),
    replication_password="replication secret",
    source=Source("us-east-1", DATABASE.id, DATABASE.endpoints[0], 5432),
)


def world(*found: Database) -> World:
    return World(
        vpcs=(Vpc("vpc-1", "us-east-1", "10.10.0.0/16"), Vpc("vpc-2", "us-west-2", "10.11.0.0/16")),
        subnets=(
            Subnet("subnet-a", "vpc-1", "10.10.30.0/24", "us-east-1a"),
            Subnet("subnet-b", "vpc-2", "10.11.30.0/24", "us-west-2a"),
        ),
        services={"databases": found},
    )


def settings_of(text: str) -> dict[str, str]:
    pairs = (line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip("'") for name, value in pairs}


def test_parameters_are_set_and_override_the_sandboxes_defaults() -> None:
    values = settings_of(
        postgresql.configuration(5433, {"work_mem": "8192", "ssl_min_protocol_version": "TLSv1.3", "shared_buffers": "16384"})
    )
    assert (values["port"], values["work_mem"], values["shared_buffers"]) == ("5433", "8192", "16384")
    assert (values["ssl"], values["ssl_min_protocol_version"]) == ("on", "TLSv1.3")


def test_what_postgresql_does_not_know_stays_a_comment() -> None:
    text = postgresql.configuration(
        5432,
        {
            "rds.log_retention_period": "1440",
            "max_connections": "LEAST({DBInstanceClassMemory/9531392},5000)",
            "shared_preload_libraries": "pg_stat_statements, pgaudit",
            "ssl": "off",
        },
    )
    values = settings_of(text)
    assert "rds.log_retention_period" not in values
    assert "max_connections" not in values, "a formula over an instance class has no value here"
    assert values["shared_preload_libraries"] == "pg_stat_statements"
    assert values["ssl"] == "on"
    assert "# shared_preload_libraries: pgaudit is not installed" in text


def test_values_cannot_leave_their_quotes() -> None:
    assert r"search_path = 'a'', \\b'" in postgresql.configuration(5432, {"search_path": "a', \\b"})


@pytest.mark.parametrize(("parameters", "kind"), [({}, "hostssl"), ({"rds.force_ssl": "1"}, "hostssl"), ({"rds.force_ssl": "0"}, "host")])
def test_tls_is_demanded_unless_the_parameter_group_says_otherwise(parameters: dict[str, str], kind: str) -> None:
    lines = [line for line in postgresql.host_access(parameters).splitlines() if not line.startswith("#")]
    assert lines == [
        "local all rdsadmin trust",
        "hostssl replication rdsrepladmin all scram-sha-256",
        f"{kind} all rdsadmin,rdsrepladmin all reject",
        f"{kind} all all all scram-sha-256",
    ]


def test_names_and_passwords_are_quoted() -> None:
    sql = postgresql.ensure_master('o"dd', "it's", "data base", "copied")
    assert "ALTER ROLE \"o\"\"dd\" LOGIN CREATEDB CREATEROLE PASSWORD 'it''s';" in sql
    unless = "WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'data base') \\gexec"
    made = f"""SELECT 'CREATE DATABASE "data base" OWNER "o""dd"' {unless}"""
    assert made in sql
    assert "ALTER ROLE rdsrepladmin LOGIN REPLICATION PASSWORD 'copied';" in sql
    assert "CREATE DATABASE" not in postgresql.ensure_master("master", "secret", "", "")


def test_no_change_makes_a_new_container_and_loses_the_data() -> None:
    (before,) = databases.desired(world(DATABASE))
    changed = replace(DATABASE, master_password="other", parameters={}, certificate="NEW", security_group_ids=("sg-2",), status="available")
    (after,) = databases.desired(world(changed))
    (another,) = databases.desired(world(replace(DATABASE, identity="db-2")))
    assert before.digest == after.digest != another.digest
    assert before.aliases == DATABASE.endpoints
    assert DATABASE.master_password not in repr(before) + repr(DATABASE)


class FakeEngine:
    """A container whose server answers when told to."""

    def __init__(self) -> None:
        self.ready = False
        self.answers = {"SELECT 1": "1"}
        self.written: dict[str, str] = {}
        self.executed: list[tuple[tuple[str, ...], str]] = []

    def write(self, _name: str, path: str, text: str) -> None:
        self.written[path] = text

    def execute(self, _name: str, command: Sequence[str], *, text: str = "") -> str:
        if not self.ready:
            raise EngineError("psql: connection refused")
        self.executed.append((tuple(command), text))
        return self.answers.get(command[-1].removeprefix("--command="), "")


class FakeControl:
    """Records what is reported."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, Any]] = []

    def put(self, path: str, body: Any) -> None:
        self.puts.append((path, body))


def test_an_instance_is_available_once_its_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_configured", {})
    engine, control = FakeEngine(), FakeControl()
    (spec,) = databases.desired(world(DATABASE))

    def step(database: Database) -> None:
        (current,) = databases.desired(world(database))
        databases.after(world(database), current, engine, control)  # type: ignore[arg-type]

    step(DATABASE)
    assert (control.puts, engine.written) == ([], {})
    engine.ready = True
    step(DATABASE)
    assert control.puts == [("databases/us-east-1/indivillage-sandbox-db", {"state": "available"})]
    assert engine.written == spec.files
    assert any("PASSWORD 'it''s secret'" in text for _, text in engine.executed)
    assert not any("secret" in " ".join(command) for command, _ in engine.executed), "no secret on a command line"
    engine.executed.clear()
    available = replace(DATABASE, status="available")
    step(available)
    assert engine.executed == []
    step(replace(available, parameters={"work_mem": "1024"}))
    assert "work_mem = '1024'" in engine.written["/etc/indivillage/postgresql.conf"]
    assert (("sh", "-c", "kill -HUP 1"), "") in engine.executed


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.pem").write_text("AUTHORITY")
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(databases, "_configured", {})
    monkeypatch.setattr(databases, "_measured", {})


@pytest.mark.usefixtures("authority")
def test_a_replica_knows_its_source_and_its_password_stands_in_one_file() -> None:
    replica, source = databases.desired(world(DATABASE, REPLICA))
    assert (source.sources, replica.sources) == ((), ((source.address, 5432),))
    service = replica.files["/etc/indivillage/pg_service.conf"]
    assert {f"hostaddr={source.address}", f"host={DATABASE.endpoints[0]}", "sslmode=verify-full"} <= set(service.splitlines())
    assert [path for path, text in replica.files.items() if "replication secret" in text] == ["/etc/indivillage/pg_service.conf"]
    assert "primary_conninfo = 'service=source'" in replica.files["/etc/indivillage/postgresql.conf"]
    assert source.files["/etc/indivillage/pg_service.conf"] == ""
    assert databases.desired(world(DATABASE, replace(REPLICA, source=None)))[0].digest == replica.digest, "a promoted one keeps its data"


@pytest.mark.usefixtures("authority")
def test_a_replica_is_available_when_it_streams_and_promoted_when_it_has_no_source() -> None:
    engine, control = FakeEngine(), FakeControl()
    engine.ready = True

    def step(replica: Database) -> None:
        current = next(spec for spec in databases.desired(world(DATABASE, replica)) if spec.name == replica.container)
        databases.after(world(DATABASE, replica), current, engine, control)  # type: ignore[arg-type]

    engine.answers |= {databases.LAG: "2.5", databases.STREAMING: "0"}
    step(REPLICA)
    assert control.puts == [("replica-lag/us-west-2/copy", {"seconds": 2.5})]
    engine.answers[databases.STREAMING] = "1"
    step(REPLICA)
    assert control.puts[1:] == [("databases/us-west-2/copy", {"state": "available"})], "the lag is not told again at once"
    assert not any("ALTER ROLE" in text or databases.PROMOTE in command[-1] for command, text in engine.executed)
    step(replace(REPLICA, source=None, status="modifying"))
    assert f"--command={databases.PROMOTE}" in [command[-1] for command, _ in engine.executed]
    assert "ALTER ROLE" in engine.executed[-1][1]
    assert control.puts[2:] == [("databases/us-west-2/copy", {"state": "available"})]
