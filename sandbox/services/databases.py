# SPDX-License-Identifier: GPL-3.0-or-later
"""RDS for PostgreSQL instances: one container with the real server each, under its endpoint name.

Data lives in the container and outlives its stop, its start and a crash; it goes with the instance. Static parameters take effect when
the container starts. A read replica, in whatever region, streams from its source past the rules of their networks, tells how far it is
behind, and is promoted when it has no source any more. Stopped instances, snapshots and restores are not run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox import pki, settings
from sandbox.model import Clients, ContainerSpec, Control, Engine, EngineError, Kind, World
from sandbox.services import postgresql
from sandbox.services.addresses import DATABASE_SLOTS
from sandbox.services.data_stores import FOLDER, DataStore, containers

NAME = "databases"
KIND: Kind = "database"
PSQL = ("psql", "--host=/run/postgresql", "--username=rdsadmin", "--dbname=postgres", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
UNFINISHED = frozenset({"creating", "starting", "modifying"})
LAG_SECONDS = 5.0
# What RDS measures: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html
LAG = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"
STREAMING = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
PROMOTE = "SELECT pg_promote(true, 60) WHERE pg_is_in_recovery()"


@dataclass(frozen=True)
class Source:
    """The database that a replica copies."""

    region: str
    id: str
    endpoint: str
    port: int

    @property
    def container(self) -> str:
        """Name of its container."""
        return settings.container_name(f"{self.id}-{self.region}")


@dataclass(frozen=True, kw_only=True)
class Database(DataStore):
    """A PostgreSQL instance of RDS."""

    master_username: str
    master_password: str = field(repr=False)
    replication_password: str = field(repr=False, default="")
    source: Source | None = None
    name: str


def observe(clients: Clients, control: Control) -> tuple[Database, ...]:
    """The PostgreSQL instances of a region that have an endpoint in a VPC."""
    found = clients.client("rds").get_paginator("describe_db_instances").paginate().build_full_result()["DBInstances"]
    return tuple(
        _database(instance, clients.region, control)
        for instance in found
        if instance["Engine"] == "postgres" and instance.get("DBSubnetGroup") and instance["DBInstanceStatus"] != "deleting"
    )


def _database(instance: Mapping[str, Any], region: str, control: Control) -> Database:
    identifier, endpoint = instance["DBInstanceIdentifier"], instance["Endpoint"]
    secret = control.get(f"databases/{region}/{identifier}")
    certificate, private_key = pki.issue([endpoint["Address"]])
    return Database(
        id=identifier,
        region=region,
        status=instance["DBInstanceStatus"],
        created=instance["InstanceCreateTime"].isoformat(),
        endpoints=(endpoint["Address"],),
        port=endpoint["Port"],
        vpc_id=instance["DBSubnetGroup"]["VpcId"],
        subnet_ids=tuple(subnet["SubnetIdentifier"] for subnet in instance["DBSubnetGroup"]["Subnets"]),
        security_group_ids=tuple(sorted(group["VpcSecurityGroupId"] for group in instance["VpcSecurityGroups"])),
        master_username=secret["master_username"],
        master_password=secret["master_password"],
        replication_password=secret["replication_password"],
        source=Source(**secret["source"]) if secret["source"] else None,
        identity=instance["DbiResourceId"],
        name=secret["db_name"] or "",
        parameters=secret["parameters"],
        certificate=certificate,
        private_key=private_key,
    )


def desired(world: World) -> Sequence[ContainerSpec]:
    """One container per instance."""
    databases = world.services.get(NAME, ())
    specs = {
        spec.name: spec for spec in containers(world, databases, KIND, server="postgresql", slots=DATABASE_SLOTS, configuration=_files)
    }
    for database in databases:
        if database.source and database.container in specs and database.source.container in specs:
            address = specs[database.source.container].address
            specs[database.container] = _copying(specs[database.container], database, database.source, address)
    return list(specs.values())


def _files(database: Database) -> dict[str, str]:
    return {
        "postgresql.conf": postgresql.configuration(database.port, database.parameters, replica=database.source is not None),
        "pg_hba.conf": postgresql.host_access(database.parameters),
        "pg_service.conf": "",
        "ca.crt": settings.load().ca_file.read_text() if database.source else "",
    }


def _copying(spec: ContainerSpec, database: Database, source: Source, address: str) -> ContainerSpec:
    service = postgresql.source_service(source.endpoint, address, source.port, database.replication_password, database.id)
    files = {**spec.files, f"{FOLDER}/pg_service.conf": service}
    return replace(spec, files=files, sources=((address, source.port),))


# What this process has made of each container; lost with the process, then done again.
_configured: dict[str, str] = {}


_measured: dict[str, float] = {}  # container -> when its lag was told last


def after(world: World, spec: ContainerSpec, engine: Engine, control: Control) -> None:
    """Apply configuration, master user and database when they changed; report an instance that answers, and how far a replica is behind."""
    database: Database = next(found for found in world.services[NAME] if found.container == spec.name)
    wanted = hashlib.sha256(repr((sorted(spec.files.items()), database.master_password, database.name)).encode()).hexdigest()
    if database.source:
        _tell_lag(database, engine, control)
    if _configured.get(spec.name) == wanted and database.status not in UNFINISHED:
        return
    if not _ask(spec.name, engine, "SELECT 1"):
        return
    if _configured.get(spec.name) != wanted:
        for path, text in spec.files.items():
            engine.write(spec.name, path, text)
        if not database.source:
            engine.execute(spec.name, [*PSQL, f"--command={PROMOTE}"])
        engine.execute(spec.name, ["sh", "-c", "kill -HUP 1"])
        if not database.source:
            engine.execute(spec.name, PSQL, text=_accounts(database))
        _configured[spec.name] = wanted
    if database.status in UNFINISHED and (not database.source or _ask(spec.name, engine, STREAMING) == "1"):
        control.put(f"databases/{database.region}/{database.id}", {"state": "available"})


def _accounts(database: Database) -> str:
    return postgresql.ensure_master(database.master_username, database.master_password, database.name, database.replication_password)


def _tell_lag(database: Database, engine: Engine, control: Control) -> None:
    """A data point of the metric, unless the replica has one that is new enough; also of a replica that has lost its source."""
    if time.monotonic() - _measured.get(database.container, float("-inf")) < LAG_SECONDS:
        return
    _measured[database.container] = time.monotonic()
    if seconds := _ask(database.container, engine, LAG):
        control.put(f"replica-lag/{database.region}/{database.id}", {"seconds": max(0.0, float(seconds))})


def _ask(container: str, engine: Engine, query: str) -> str:
    """The one value that a query answers; empty when the server does not, or answers null."""
    try:
        return engine.execute(container, [*PSQL, "--tuples-only", "--no-align", f"--command={query}"]).strip()
    except EngineError:
        return ""
