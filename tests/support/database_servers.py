# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of an emulator alone, as the sandbox runs them: real PostgreSQL in containers that no sandbox on this machine knows of.

The sandbox's own parts decide (`sandbox.services.databases`, `sandbox.plan`); here are names, a label and networks of their own, and its
loop in a thread. There is no firewall: the networks are joined by the machine's routes.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.engine import Podman
from sandbox.model import Action, Container, ContainerSpec, EngineError, Vpc, World
from sandbox.observe import EmulatorControl, RegionClients, observe
from sandbox.plan import Actual, plan
from sandbox.services import databases
from sandbox.settings import IMAGE_REPOSITORY, INTERNET_CLIENT, INTERNET_ID, REGIONS
from tests.support.servers import needs_podman

# The marks of tests of them.
MARKS = [
    pytest.mark.emulator,
    pytest.mark.sandbox,
    needs_podman,
]
PAUSE_SECONDS = 0.5
IMAGE = f"{IMAGE_REPOSITORY}/postgresql:latest"
LABEL, DIGEST = "indivillage.test", "indivillage.test.digest"
CLIENT = "client"


class OwnPodman(Podman):
    """Podman under names with a prefix of its own, and without the labels by which a sandbox finds what is not its."""

    def __init__(self) -> None:
        self.prefix = f"test-{uuid.uuid4().hex[:6]}-"
        self._made: list[str] = []

    def list(self) -> tuple[Container, ...]:
        """The servers."""
        found = json.loads(self._podman("ps", "--all", "--filter", f"label={LABEL}={self.prefix}", "--format", "json") or "[]")
        return tuple(map(self._container, found))

    def _container(self, entry: Mapping[str, Any]) -> Container:
        name, digest = entry["Names"][0].removeprefix(self.prefix), entry["Labels"][DIGEST]
        return Container(name, "database", entry["State"], entry["Image"], digest, "", entry["Pid"])

    def create(self, spec: ContainerSpec) -> None:
        """Make a server, put its files in and start it."""
        options = ["--name", self.prefix + spec.name, "--network", f"{self.prefix}{spec.vpc_id}", "--ip", spec.address]
        options += ["--label", f"{LABEL}={self.prefix}", "--label", f"{DIGEST}={spec.digest}", *self.run_options(systemd=False)]
        self._podman("create", *options, spec.image, *spec.command)
        for path, text in spec.files.items():
            self.write(spec.name, path, text)
        self.start(spec.name)

    def start(self, name: str) -> None:
        super().start(self.prefix + name)

    def kill(self, name: str) -> None:
        super().kill(self.prefix + name)

    def remove(self, *names: str, seconds: int = 0) -> None:
        super().remove(*(self.prefix + name for name in names), seconds=seconds)

    def execute(self, name: str, command: Sequence[str], *, text: str = "") -> str:
        return super().execute(self.prefix + name, command, text=text)

    def write(self, name: str, path: str, text: str) -> None:
        super().write(self.prefix + name, path, text)

    def create_network(self, vpc: Vpc) -> None:
        """Make the network of a VPC."""
        self._create_network(vpc.id, "--subnet", vpc.cidr)

    def start_client(self) -> None:
        """Make a machine with psql, outside all networks of the databases.

        Its network is its own: a bridge takes another hardware address as containers come and go, and those that stay are cut off for up
        to 40 seconds (see `sandbox.host`).
        """
        network = self._create_network(CLIENT, "--disable-dns")
        options = ["--name", self.prefix + CLIENT, "--network", network, *self.run_options(systemd=False)]
        self._podman("run", "--detach", *options, IMAGE, "sleep", "infinity")

    def _create_network(self, name: str, *options: str) -> str:
        self._podman("network", "create", *options, self.prefix + name)
        self._made.append(self.prefix + name)
        return self._made[-1]

    def remove_all(self) -> None:
        """Remove whatever was made here."""
        self.remove(CLIENT, *(container.name for container in self.list()))
        for name in self._made:
            self._podman("network", "rm", "--force", name)


@dataclass
class DatabaseServers:
    """The servers behind the databases of an emulator; `addresses` are theirs by endpoint, `faults` what did not work in the last pass."""

    endpoint: str
    engine: OwnPodman = field(default_factory=OwnPodman)
    addresses: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._control = EmulatorControl(self.endpoint)
        self._regions = [RegionClients(self.endpoint, region) for region in REGIONS]
        self._networks: set[str] = set()
        self._end = threading.Event()

    def run(self) -> None:
        """Bring the servers to the emulator's state, again and again."""
        while not self._end.wait(PAUSE_SECONDS):
            try:
                self.faults = self._pass(observe(self._regions, self._control, [databases]))
            except (EngineError, OSError, KeyError, BotoCoreError, ClientError) as error:
                self.faults = [f"{type(error).__name__}: {error}"]

    def end(self) -> None:
        """Have `run` return after its pass."""
        self._end.set()

    def _pass(self, world: World) -> list[str]:
        faults = []
        specs = {spec.name: spec for spec in databases.desired(world)}
        self.addresses = {alias: spec.address for spec in specs.values() for alias in spec.aliases}
        for vpc in world.vpcs:
            if vpc.id not in self._networks and any(spec.vpc_id == vpc.id for spec in specs.values()):
                self.engine.create_network(vpc)
                self._networks.add(vpc.id)
        for action in plan(world, specs.values(), Actual(self.engine.list())):
            self._act(action)
        running = {container.name for container in self.engine.list() if container.running}
        for name in specs.keys() & running:
            try:
                databases.after(world, specs[name], self.engine, self._control)
            except EngineError as error:
                faults.append(f"{name}: {error}")
        return faults

    def _act(self, action: Action) -> None:
        if action.spec and action.spec.vpc_id == INTERNET_ID:
            return
        match action.verb:
            case "create" if action.spec:
                self.engine.create(action.spec)
            case "start" | "kill" | "remove" if action.target != INTERNET_CLIENT:
                getattr(self.engine, action.verb)(action.target)


@contextmanager
def database_servers(endpoint: str) -> Iterator[DatabaseServers]:
    """Real servers behind the databases of an emulator that is not standalone, and a client; SANDBOX_STATE_DIR names where the CA lies."""
    servers = DatabaseServers(endpoint)
    thread = threading.Thread(target=servers.run, daemon=True)
    try:
        servers.engine.start_client()
        thread.start()
        yield servers
    finally:
        servers.end()
        thread.join(60)
        with suppress(EngineError):
            servers.engine.remove_all()


def subnet_group(client: Callable[..., Any], region: str, network: str) -> str:
    """The name of a group of subnets for databases, in a new VPC. client: gives a client of a service and a region; network: as 10.1."""
    ec2 = client("ec2", region)
    vpc = ec2.create_vpc(CidrBlock=f"{network}.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"{network}.{number}.0/24", AvailabilityZone=f"{region}{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    client("rds", region).create_db_subnet_group(DBSubnetGroupName="data", DBSubnetGroupDescription="x", SubnetIds=subnets)
    return "data"


def make_database(
    client: Callable[..., Any], region: str, network: str, identifier: str, login: Mapping[str, str]
) -> Callable[[], dict[str, Any]]:
    """Have a small PostgreSQL made; what asks RDS for it. login: its administrator's username and password, and its dbname."""
    rds = client("rds", region)
    rds.create_db_instance(
        DBInstanceIdentifier=identifier,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername=login["username"],
        MasterUserPassword=login["password"],
        DBName=login["dbname"],
        DBSubnetGroupName=subnet_group(client, region, network),
    )
    return lambda: dict(rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0])
