# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox talks about: the AWS resources observed (`World`), the containers wanted (`ContainerSpec`) and seen
(`Container`), the steps between them (`Action`), and the protocols by which the parts meet.

A pass of the reconciler is  observe(AWS) -> World,  engine.list() -> containers,  plan(world, containers) -> actions,  act.
Load balancers, databases and caches are services: each is a module that satisfies `Service`; the reconciler knows no more of them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

Kind = Literal["instance", "load_balancer", "database", "cache", "internet"]


# --- AWS resources, as far as the sandbox acts on them -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Vpc:
    """A VPC; default VPCs are left out, since nothing of ours lives there."""

    id: str
    region: str
    cidr: str

    @property
    def gateway(self) -> str:
        """First address of the VPC: DNS, metadata service and the emulator for the hosts."""
        return gateway_address(self.cidr)


@dataclass(frozen=True)
class Subnet:
    """A range of its VPC's network."""

    id: str
    vpc_id: str
    cidr: str
    availability_zone: str


@dataclass(frozen=True)
class Rule:
    """One permission of a security group. `protocol` is tcp, udp, icmp or -1 (all; ports are then 0-65535)."""

    protocol: str
    from_port: int
    to_port: int
    cidrs: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecurityGroup:
    """Stateful allow rules of its members."""

    id: str
    vpc_id: str
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


@dataclass(frozen=True)
class AclEntry:
    """One numbered, stateless rule; the lowest number that matches decides."""

    number: int
    egress: bool
    allow: bool
    protocol: str
    from_port: int
    to_port: int
    cidr: str


@dataclass(frozen=True)
class NetworkAcl:
    """Rules at the border of its subnets."""

    id: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    entries: tuple[AclEntry, ...]


@dataclass(frozen=True)
class Route:
    """One route of a table; `target` is the id of a gateway, NAT, peering or transit gateway (local routes are left out)."""

    cidr: str
    target: str


@dataclass(frozen=True)
class RouteTable:
    """Where packets that leave their VPC may go. The main table serves the subnets that no other table names."""

    id: str
    vpc_id: str
    main: bool
    subnet_ids: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Image:
    """An AMI and the container image that stands for it. `source_instance_id` is set on images made by CreateImage."""

    id: str
    region: str
    name: str
    state: str
    container_image: str
    source_instance_id: str = ""


@dataclass(frozen=True)
class Instance:
    """An EC2 instance that is not terminated. `reboots` counts the RebootInstances calls it has seen."""

    id: str
    region: str
    state: str
    image_id: str
    instance_type: str
    vpc_id: str
    subnet_id: str
    availability_zone: str
    address: str
    dns_name: str
    security_group_ids: tuple[str, ...]
    key_name: str = ""
    profile_arn: str = ""
    public_address: str = ""
    launch_time: str = ""
    reboots: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The Name tag, or the id."""
        return self.tags.get("Name") or self.id

    @property
    def alias(self) -> str:
        """What the inventory calls it: web-us-east-1a-3f9c2. Instances of an Auto Scaling group share their Name."""
        role = self.tags.get("Role")
        return f"{role}-{self.availability_zone}-{self.id[-5:]}" if role else self.name


@dataclass(frozen=True)
class World:
    """Everything observed in one pass, over all regions. `services` holds what each `Service` observed, by its NAME; `outages` are the
    regions whose machines have no power."""

    vpcs: tuple[Vpc, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    images: tuple[Image, ...] = ()
    instances: tuple[Instance, ...] = ()
    services: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    outages: frozenset[str] = frozenset()

    def vpc(self, vpc_id: str) -> Vpc | None:
        """The VPC of that id."""
        return next((vpc for vpc in self.vpcs if vpc.id == vpc_id), None)

    def subnet(self, subnet_id: str) -> Subnet | None:
        """The subnet of that id."""
        return next((subnet for subnet in self.subnets if subnet.id == subnet_id), None)

    def instance(self, instance_id: str) -> Instance | None:
        """The instance of that id, unless it is terminated."""
        return next((instance for instance in self.instances if instance.id == instance_id), None)


def gateway_address(cidr: str) -> str:
    """The first host address of a network: 10.10.0.1 of 10.10.0.0/16."""
    return str(ipaddress.ip_network(cidr).network_address + 1)


# --- Containers --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContainerSpec:
    """A container that shall run.

    `address` lies in the network of `vpc_id`, `aliases` are its DNS names there. `files` (absolute path -> text) are put in before
    the start, mode 0600, owner root. `published` are pairs (port on 127.0.0.1, port of the container). `resolver` is the one name
    server; empty leaves the choice to the engine. `sources` are pairs (address, port) of servers that AWS itself has it reach, whatever
    the rules of their networks. A container whose `digest` differs from its spec's is made anew: `sealed` computes
    it over all that cannot change in a running container.
    """

    name: str
    kind: Kind
    image: str
    vpc_id: str
    address: str
    hostname: str
    aliases: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    published: tuple[tuple[int, int], ...] = ()
    systemd: bool = False
    command: tuple[str, ...] = ()
    resolver: str = ""
    sources: tuple[tuple[str, int], ...] = ()
    digest: str = ""

    def sealed(self, *, volatile_files: Sequence[str] = ()) -> ContainerSpec:
        """The spec with its digest. Security groups, `sources` and `volatile_files` (which a service rewrites in place) do not count."""
        content = {
            "image": self.image,
            "vpc": self.vpc_id,
            "address": self.address,
            "hostname": self.hostname,
            "aliases": self.aliases,
            "environment": dict(self.environment),
            "files": {path: text for path, text in self.files.items() if path not in volatile_files},
            "published": self.published,
            "systemd": self.systemd,
            "command": self.command,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return replace(self, digest=digest)


@dataclass(frozen=True)
class Container:
    """A container as the engine sees it. `state` is created, running, exited ...; `pid` is 0 unless it runs."""

    name: str
    kind: str
    state: str
    image: str
    digest: str
    vpc_id: str
    pid: int = 0

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self.state == "running"


Verb = Literal[
    "create_network", "remove_network", "create", "start", "stop", "kill", "restart", "remove", "bake", "fail_image", "drop_image"
]


@dataclass(frozen=True)
class Action:
    """One step towards the world. `target` names the container, network, AMI or container image; `why` is for the log."""

    verb: Verb
    target: str
    why: str
    spec: ContainerSpec | None = None
    vpc: Vpc | None = None
    image: Image | None = None
    reboots: int = 0


# --- Protocols ---------------------------------------------------------------------------------------------------------------------


class EngineError(Exception):
    """A command of the container engine failed; the text holds what it said."""


class Engine(Protocol):
    """The container engine. Every method raises EngineError when the engine refuses."""

    def list(self) -> tuple[Container, ...]:
        """All containers of the sandbox, in any state."""

    def create(self, spec: ContainerSpec) -> None:
        """Make the container, put its files in and start it."""

    def start(self, name: str) -> None:
        """Start a stopped container."""

    def stop(self, name: str) -> None:
        """Shut a container down, its file system is kept."""

    def kill(self, name: str) -> None:
        """End a container without a word, as a loss of power does; its file system is kept."""

    def restart(self, name: str) -> None:
        """Stop and start."""

    def remove(self, name: str) -> None:
        """Remove a container in any state."""

    def execute(self, name: str, command: Sequence[str], *, text: str = "") -> str:
        """Run a command in a running container with `text` as its input; its output."""

    def write(self, name: str, path: str, text: str) -> None:
        """Put a file (mode 0600, owner root) into a container in any state."""


class Control(Protocol):
    """The emulator's control API under /sandbox/."""

    def get(self, path: str) -> Any:
        """The decoded JSON of GET /sandbox/<path>. Raises OSError when the emulator does not answer, KeyError on 404."""

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """PUT the JSON to /sandbox/<path>. Raises as `get`."""


class Clients(Protocol):
    """boto3 clients of the emulator in one region, made on first use: `clients.client("elbv2")`."""

    region: str

    def client(self, service: str) -> Any:
        """The client of a service."""


class Service(Protocol):
    """A module of sandbox/services. The reconciler calls, in every pass:

    observe  once per region, when the emulator's state moved;
    desired  a pure function of the world, right after it;
    after    about once a second for each of its containers that runs, with its current spec. Must be cheap when there is nothing to
             do, must give the same end state when called again, and may keep a cache but not rely on it (the process may be restarted).
    """

    NAME: str
    KIND: Kind

    def observe(self, clients: Clients, control: Control) -> tuple[Any, ...]:
        """The resources of one region as frozen dataclasses."""

    def desired(self, world: World) -> Sequence[ContainerSpec]:
        """The containers that shall run, sealed."""

    def after(self, world: World, spec: ContainerSpec, engine: Engine, control: Control) -> None:
        """Keep a running container in step: configuration reload, readiness and health reported to the control API."""
