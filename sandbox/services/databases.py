# SPDX-License-Identifier: GPL-3.0-or-later
"""RDS for PostgreSQL instances: one container with the real server each, under its endpoint name.

Data lives in the container and outlives its stop, its start and a crash; it goes with the instance. Static parameters take effect when
the container starts. Stopped instances, read replicas, snapshots and restores are not run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox import pki
from sandbox.model import Clients, ContainerSpec, Control, Engine, EngineError, Kind, World
from sandbox.services import postgresql
from sandbox.services.addresses import DATABASE_SLOTS
from sandbox.services.data_stores import DataStore, containers

NAME = "databases"
KIND: Kind = "database"
PSQL = ("psql", "--host=/run/postgresql", "--username=rdsadmin", "--dbname=postgres", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
UNFINISHED = frozenset({"creating", "starting"})


@dataclass(frozen=True, kw_only=True)
class Database(DataStore):
    """A PostgreSQL instance of RDS."""

    master_username: str
    master_password: str = field(repr=False)
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
        name=secret["db_name"] or "",
        parameters=secret["parameters"],
        certificate=certificate,
        private_key=private_key,
    )


def desired(world: World) -> Sequence[ContainerSpec]:
    """One container per instance."""
    databases = world.services.get(NAME, ())
    return containers(world, databases, KIND, server="postgresql", slots=DATABASE_SLOTS, configuration=_configuration)


def _configuration(database: Database) -> dict[str, str]:
    return {
        "postgresql.conf": postgresql.configuration(database.port, database.parameters),
        "pg_hba.conf": postgresql.host_access(database.parameters),
    }


# What this process has made of each container; lost with the process, then done again.
_configured: dict[str, str] = {}


def after(world: World, spec: ContainerSpec, engine: Engine, control: Control) -> None:
    """Apply configuration, master user and database when they changed; report an instance that answers."""
    database: Database = next(found for found in world.services[NAME] if found.container == spec.name)
    wanted = hashlib.sha256(repr((sorted(spec.files.items()), database.master_password, database.name)).encode()).hexdigest()
    if _configured.get(spec.name) == wanted and database.status not in UNFINISHED:
        return
    if not _answers(spec, engine):
        return
    if _configured.get(spec.name) != wanted:
        for path, text in spec.files.items():
            engine.write(spec.name, path, text)
        engine.execute(spec.name, ["sh", "-c", "kill -HUP 1"])
        engine.execute(spec.name, PSQL, text=postgresql.ensure_master(database.master_username, database.master_password, database.name))
        _configured[spec.name] = wanted
    if database.status in UNFINISHED:
        control.put(f"databases/{database.region}/{database.id}", {"state": "available"})


def _answers(spec: ContainerSpec, engine: Engine) -> bool:
    try:
        engine.execute(spec.name, [*PSQL, "--command=SELECT 1"])
    except EngineError:
        return False
    return True
