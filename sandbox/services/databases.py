# SPDX-License-Identifier: GPL-3.0-or-later
"""RDS for PostgreSQL instances: one container with the real server each, under its endpoint name.

Data lives in the container and outlives its stop, its start and a crash; it goes with the instance. Static parameters take effect when
the container starts. Stopped instances, read replicas, snapshots and restores are not run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import pki, settings
from sandbox.model import Clients, ContainerSpec, Control, Engine, EngineError, Kind, World
from sandbox.services import postgresql
from sandbox.services.addresses import DATABASE_SLOTS, assign

NAME = "databases"
KIND: Kind = "database"
IMAGE = f"{settings.IMAGE_REPOSITORY}/postgresql:latest"
FOLDER = "/etc/indivillage"
START_SCRIPT = f"{FOLDER}/start.sh"
PSQL = ("psql", "--host=/run/postgresql", "--username=rdsadmin", "--dbname=postgres", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
UNFINISHED = frozenset({"creating", "starting"})


@dataclass(frozen=True)
class Database:
    """A PostgreSQL instance of RDS; `endpoint` is its DNS name, certificate and key are PEM for it."""

    id: str
    region: str
    status: str
    created: str
    endpoint: str
    port: int
    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    master_username: str
    master_password: str = field(repr=False)
    name: str
    parameters: Mapping[str, str]
    certificate: str = field(repr=False)
    private_key: str = field(repr=False)

    @property
    def container(self) -> str:
        """Name of its container."""
        return settings.container_name(f"{self.id}-{self.region}")


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
        endpoint=endpoint["Address"],
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
    databases = sorted(world.services.get(NAME, ()), key=_age)
    owners = [(database.container, subnet) for database in databases if (subnet := world.subnet(database.subnet_ids[0]))]
    addresses = assign(owners, DATABASE_SLOTS)
    return [_spec(database, addresses[database.container]) for database in databases if database.container in addresses]


def _age(database: Database) -> tuple[str, str]:
    return database.created, database.id


def _spec(database: Database, address: str) -> ContainerSpec:
    files = {
        f"{FOLDER}/postgresql.conf": postgresql.configuration(database.port, database.parameters),
        f"{FOLDER}/pg_hba.conf": postgresql.host_access(database.parameters),
        f"{FOLDER}/server.crt": database.certificate,
        f"{FOLDER}/server.key": database.private_key,
        START_SCRIPT: (Path(__file__).parent / "containers" / "postgresql.sh").read_text(),
    }
    # Only the address and the name belong to the digest: a container made anew would have lost its data.
    return ContainerSpec(
        name=database.container,
        kind=KIND,
        image=IMAGE,
        vpc_id=database.vpc_id,
        address=address,
        hostname=database.id[:63],
        aliases=(database.endpoint,),
        security_group_ids=database.security_group_ids,
        files=files,
        command=("bash", START_SCRIPT),
    ).sealed(volatile_files=tuple(files))


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
