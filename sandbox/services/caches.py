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
from typing import Any

from sandbox import pki, settings
from sandbox.model import Clients, ContainerSpec, Control, Engine, Kind, World
from sandbox.services.addresses import CACHE_SLOTS
from sandbox.services.data_stores import DataStore, containers

NAME = "caches"
KIND: Kind = "cache"
PING_TIMEOUT_SECONDS = 2.0
TOKENS = "user default"
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


@dataclass(frozen=True, kw_only=True)
class Cache(DataStore):
    """A replication group; the primary endpoint is the first."""

    encrypted: bool
    auth_tokens: tuple[str, ...] = field(repr=False)  # each opens the door; the newest is the first


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
        auth_tokens=tuple(secret["auth_tokens"]),
        parameters=secret["parameters"],
        certificate=certificate,
        private_key=private_key,
    )


def desired(world: World) -> Sequence[ContainerSpec]:
    """One container per replication group."""
    caches = world.services.get(NAME, ())
    return containers(
        world, caches, KIND, server="redis", slots=CACHE_SLOTS, configuration=lambda cache: {"redis.conf": configuration(cache)}
    )


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
    lines.append(f"{TOKENS} on ~* &* +@all {_passwords(cache)}" if cache.auth_tokens else "protected-mode no")
    lines += [f'{name} "{value}"' for name, value in sorted(cache.parameters.items()) if name in PARAMETERS]
    return "\n".join(lines) + "\n"


def _passwords(cache: Cache) -> str:
    return " ".join(f">{token}" for token in cache.auth_tokens)


# Digest of the files that each container runs with, and its tokens, as far as this process knows.
_configured: dict[str, tuple[str, tuple[str, ...]]] = {}


def after(world: World, spec: ContainerSpec, engine: Engine, control: Control) -> None:
    """Restart a cache whose configuration changed, unless only its tokens did; report one that answers over TLS to its token."""
    cache: Cache = next(found for found in world.services[NAME] if found.container == spec.name)
    lines = [line for _path, text in sorted(spec.files.items()) for line in text.splitlines() if not line.startswith(TOKENS)]
    wanted = (hashlib.sha256(repr(lines).encode()).hexdigest(), cache.auth_tokens)
    known = _configured.setdefault(spec.name, wanted)
    if known != wanted:
        for path, text in spec.files.items():
            engine.write(spec.name, path, text)
        if known[0] == wanted[0] and known[1] and wanted[1]:
            commands = f"AUTH {known[1][0]}\nACL SETUSER default resetpass {_passwords(cache)}\n"
            engine.execute(
                spec.name, ["redis-cli", "-p", str(cache.port), *(("--tls", "--insecure") if cache.encrypted else ())], text=commands
            )
        else:
            engine.restart(spec.name)
        _configured[spec.name] = wanted
    elif cache.status == "creating" and answers(cache, spec.address):
        control.put(f"caches/{cache.region}/{cache.id}", {"state": "available"})


def answers(cache: Cache, address: str) -> bool:
    """Whether the server takes the token and answers a PING as a client of its primary endpoint sees it."""
    greeting = f"AUTH {cache.auth_tokens[0]}\r\nPING\r\n" if cache.auth_tokens else "PING\r\n"
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
