# SPDX-License-Identifier: GPL-3.0-or-later
"""ElastiCache replication groups: one container with real Redis each, under the names of all its endpoints.

One server stands for all nodes of the group, so its reader endpoint reads from the primary and a failover changes nothing. Data survives
stop and start.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import pki, settings
from sandbox.model import Clients, ContainerSpec, Control, Engine, Kind, World
from sandbox.services.addresses import CACHE_SLOTS, assign

NAME = "caches"
KIND: Kind = "cache"
IMAGE = f"{settings.IMAGE_REPOSITORY}/redis:latest"
FOLDER = "/etc/indivillage"
START_SCRIPT = f"{FOLDER}/start.sh"
PING_TIMEOUT_SECONDS = 2.0
# Parameters of ElastiCache that Redis itself has; the others (reserved memory, cluster mode ...) are AWS's own.
PARAMETERS = frozenset(
    {
        "activedefrag",
        "client-query-buffer-limit",
        "databases",
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "latency-tracking",
        "lazyfree-lazy-eviction",
        "lazyfree-lazy-expire",
        "lfu-decay-time",
        "lfu-log-factor",
        "maxmemory-policy",
        "maxmemory-samples",
        "notify-keyspace-events",
        "slowlog-log-slower-than",
        "slowlog-max-len",
        "tcp-keepalive",
        "timeout",
    }
)


@dataclass(frozen=True)
class Cache:
    """A replication group; `endpoints` are its DNS names, the primary one first."""

    id: str
    region: str
    status: str
    created: str
    endpoints: tuple[str, ...]
    port: int
    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    encrypted: bool
    auth_token: str = field(repr=False)
    parameters: Mapping[str, str]
    certificate: str = field(repr=False)
    private_key: str = field(repr=False)

    @property
    def container(self) -> str:
        """Name of its container."""
        return settings.container_name(f"{self.id}-{self.region}")


def observe(clients: Clients, control: Control) -> tuple[Cache, ...]:
    """The replication groups of a region that have a subnet group."""
    elasticache = clients.client("elasticache")
    groups = elasticache.get_paginator("describe_replication_groups").paginate().build_full_result()["ReplicationGroups"]
    if not groups:
        return ()
    nodes = elasticache.get_paginator("describe_cache_clusters").paginate().build_full_result()["CacheClusters"]
    subnet_groups = elasticache.get_paginator("describe_cache_subnet_groups").paginate().build_full_result()["CacheSubnetGroups"]
    placed = {node["CacheClusterId"]: node for node in nodes if node.get("CacheSubnetGroupName")}
    networks = {group["CacheSubnetGroupName"]: group for group in subnet_groups}
    return tuple(
        _cache(group, placed[group["MemberClusters"][0]], networks, clients.region, control)
        for group in groups
        if group["Status"] != "deleting" and group["MemberClusters"][0] in placed
    )


def _cache(group: Mapping[str, Any], node: Mapping[str, Any], networks: Mapping[str, Any], region: str, control: Control) -> Cache:
    shard, network = group["NodeGroups"][0], networks[node["CacheSubnetGroupName"]]
    endpoints = [shard["PrimaryEndpoint"], *([shard["ReaderEndpoint"]] if "ReaderEndpoint" in shard else [])]
    endpoints += [member["ReadEndpoint"] for member in shard["NodeGroupMembers"]]
    names = tuple(endpoint["Address"] for endpoint in endpoints)
    secret = control.get(f"caches/{region}/{group['ReplicationGroupId']}")
    certificate, private_key = pki.issue(names)
    return Cache(
        id=group["ReplicationGroupId"],
        region=region,
        status=group["Status"],
        created=group["ReplicationGroupCreateTime"].isoformat(),
        endpoints=names,
        port=shard["PrimaryEndpoint"]["Port"],
        vpc_id=network["VpcId"],
        subnet_ids=tuple(subnet["SubnetIdentifier"] for subnet in network["Subnets"]),
        security_group_ids=tuple(sorted(entry["SecurityGroupId"] for entry in node.get("SecurityGroups", []))),
        encrypted=group["TransitEncryptionEnabled"],
        auth_token=secret["auth_token"] or "",
        parameters=secret["parameters"],
        certificate=certificate,
        private_key=private_key,
    )


def desired(world: World) -> Sequence[ContainerSpec]:
    """One container per replication group."""
    caches = sorted(world.services.get(NAME, ()), key=_age)
    owners = [(cache.container, subnet) for cache in caches if (subnet := world.subnet(cache.subnet_ids[0]))]
    addresses = assign(owners, CACHE_SLOTS)
    return [_spec(cache, addresses[cache.container]) for cache in caches if cache.container in addresses]


def _age(cache: Cache) -> tuple[str, str]:
    return cache.created, cache.id


def _spec(cache: Cache, address: str) -> ContainerSpec:
    files = {
        f"{FOLDER}/redis.conf": configuration(cache),
        f"{FOLDER}/server.crt": cache.certificate,
        f"{FOLDER}/server.key": cache.private_key,
        START_SCRIPT: (Path(__file__).parent / "containers" / "redis.sh").read_text(),
    }
    return ContainerSpec(
        name=cache.container,
        kind=KIND,
        image=IMAGE,
        vpc_id=cache.vpc_id,
        address=address,
        hostname=cache.id[:63],
        aliases=cache.endpoints,
        security_group_ids=cache.security_group_ids,
        files=files,
        command=("bash", START_SCRIPT),
    ).sealed(volatile_files=tuple(files))


def configuration(cache: Cache) -> str:
    """redis.conf. With transit encryption there is no plain port, and every client must show the token if the group has one."""
    lines = [
        "# Written by the sandbox.",
        "bind * -::*",
        "dir /var/lib/redis",
        "appendonly yes",
        "maxmemory 64mb",
        "maxmemory-policy volatile-lru",
    ]
    if cache.encrypted:
        lines += [
            "port 0",
            f"tls-port {cache.port}",
            "tls-cert-file /run/indivillage/server.crt",
            "tls-key-file /run/indivillage/server.key",
            "tls-auth-clients no",
            'tls-protocols "TLSv1.2 TLSv1.3"',
        ]
    else:
        lines.append(f"port {cache.port}")
    lines.append(f'requirepass "{cache.auth_token}"' if cache.auth_token else "protected-mode no")
    lines += [f'{name} "{value}"' for name, value in sorted(cache.parameters.items()) if name in PARAMETERS]
    return "\n".join(lines) + "\n"


# Digest of the files that each container runs with, as far as this process knows.
_configured: dict[str, str] = {}


def after(world: World, spec: ContainerSpec, engine: Engine, control: Control) -> None:
    """Restart a cache whose configuration changed; report one that answers over TLS to its token."""
    cache: Cache = next(found for found in world.services[NAME] if found.container == spec.name)
    content = hashlib.sha256(repr(sorted(spec.files.items())).encode()).hexdigest()
    known = _configured.setdefault(spec.name, content)
    if known != content:
        for path, text in spec.files.items():
            engine.write(spec.name, path, text)
        engine.restart(spec.name)
        _configured[spec.name] = content
    elif cache.status == "creating" and answers(cache, spec.address):
        control.put(f"caches/{cache.region}/{cache.id}", {"state": "available"})


def answers(cache: Cache, address: str) -> bool:
    """Whether the server takes the token and answers a PING as a client of its primary endpoint sees it."""
    greeting = f"AUTH {cache.auth_token}\r\nPING\r\n" if cache.auth_token else "PING\r\n"
    try:
        with socket.create_connection((address, cache.port), timeout=PING_TIMEOUT_SECONDS) as plain:
            context = ssl.create_default_context(cafile=str(settings.load().ca_file)) if cache.encrypted else None
            connection = context.wrap_socket(plain, server_hostname=cache.endpoints[0]) if context else plain
            connection.sendall(greeting.encode())
            received = b""
            while b"PONG" not in received:
                if not (part := connection.recv(1024)):
                    return False
                received += part
            return True
    except OSError:
        return False
