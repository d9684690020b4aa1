# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes over a recorded engine: order, repair, what is remembered. The world comes from `worlds`, nothing is asked of AWS or podman."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import worlds

from sandbox import reconciler
from sandbox.engine import Network
from sandbox.model import Container, ContainerSpec, EngineError, Image, Vpc, World
from sandbox.reconciler import Reconciler
from sandbox.settings import Settings, baked_image, container_name, network_name

WEB = container_name(worlds.WEB_1.id)
BASTION = container_name(worlds.BASTION.id)


class Machine:
    """A container engine, a kernel and a control API that remember what was asked of them."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.present: dict[str, Network] = {}
        self.baked: set[str] = set()
        self.done: list[str] = []
        self.broken: set[str] = set()
        self.firewall = ""

    def _do(self, step: str) -> None:
        if step in self.broken:
            raise EngineError(f"{step} is broken")
        self.done.append(step)

    def list(self) -> tuple[Container, ...]:
        return tuple(self.containers.values())

    def networks(self) -> tuple[Network, ...]:
        return tuple(self.present.values())

    def baked_images(self) -> frozenset[str]:
        return frozenset(self.baked)

    def create(self, spec: ContainerSpec) -> None:
        self._do(f"create {spec.name}")
        self.containers[spec.name] = Container(spec.name, spec.kind, "running", spec.image, spec.digest, spec.vpc_id, 1)

    def restart(self, name: str) -> None:
        self._do(f"restart {name}")

    def remove(self, name: str) -> None:
        self._do(f"remove {name}")
        del self.containers[name]

    def create_network(self, vpc: Vpc) -> None:
        self._do(f"create_network {network_name(vpc.id)}")
        self.present[network_name(vpc.id)] = Network(network_name(vpc.id), vpc.id, vpc.cidr)

    def bake(self, name: str, image: str) -> None:
        self._do(f"bake {name}")
        self.baked.add(image)

    def remove_image(self, image: str) -> None:
        self.baked.discard(image)

    def apply(self, text: str) -> None:
        self._do("firewall")
        self.firewall = text

    def put(self, path: str, body: dict[str, str]) -> None:
        self._do(f"put {path} {body}")


class Metadata:
    def __init__(self, *_: object) -> None:
        self.worlds: list[World] = []

    def update(self, world: World) -> None:
        self.worlds.append(world)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(reconciler, "Podman", lambda: machine)
    monkeypatch.setattr(reconciler, "EmulatorControl", lambda _endpoint: machine)
    monkeypatch.setattr(reconciler, "MetadataService", Metadata)
    monkeypatch.setattr("sandbox.reconciler.firewall.apply", machine.apply)
    monkeypatch.setattr("sandbox.reconciler.firewall.present", lambda: bool(machine.firewall))
    return machine


@pytest.fixture
def start(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., Reconciler]:
    def start(world: World, *services: Any) -> Reconciler:
        monkeypatch.setattr(reconciler, "observe", lambda *_: world)
        return Reconciler(Settings(tmp_path, 4566, 8443), services)

    return start


def test_the_firewall_stands_before_the_first_container(machine: Machine, start: Callable[..., Reconciler]) -> None:
    assert start(worlds.world())._pass()
    firewall = machine.done.index("firewall")
    assert all(machine.done.index(f"create {name}") > firewall for name in (WEB, BASTION))
    assert all(
        index > machine.done.index(f"create_network {network_name(worlds.VPC.id)}") for index in [machine.done.index(f"create {WEB}")]
    )
    assert worlds.WEB_1.address in machine.firewall


def test_a_second_pass_does_nothing(machine: Machine, start: Callable[..., Reconciler]) -> None:
    passing = start(worlds.world())
    passing._pass()
    machine.done.clear()
    assert passing._pass()
    assert machine.done == []


def test_a_flushed_firewall_comes_back(machine: Machine, start: Callable[..., Reconciler]) -> None:
    passing = start(worlds.world())
    passing._pass()
    machine.firewall = ""
    machine.done.clear()
    passing._pass()
    assert machine.done == ["firewall"]


def test_one_failure_leaves_the_pass_undone_but_stops_nobody_else(
    machine: Machine, start: Callable[..., Reconciler], capsys: pytest.CaptureFixture[str]
) -> None:
    passing = start(worlds.world())
    machine.broken.add(f"create {WEB}")
    assert not passing._pass()
    assert not passing._pass()
    assert BASTION in machine.containers
    assert capsys.readouterr().out.count(f"FAILED create {WEB}: EngineError") == 1
    machine.broken.clear()
    assert passing._pass()
    assert WEB in machine.containers


def test_a_reboot_is_not_repeated_by_the_next_process(machine: Machine, start: Callable[..., Reconciler]) -> None:
    start(worlds.world())._pass()
    rebooted = worlds.world(instances=(worlds.BASTION, replace(worlds.WEB_1, reboots=1)))
    start(rebooted)._pass()
    start(rebooted)._pass()
    assert machine.done.count(f"restart {WEB}") == 1


def test_a_container_made_anew_counts_as_rebooted(machine: Machine, start: Callable[..., Reconciler]) -> None:
    rebooted = worlds.world(instances=(replace(worlds.WEB_1, reboots=3),))
    start(rebooted)._pass()
    start(rebooted)._pass()
    assert f"restart {WEB}" not in machine.done


def test_an_image_is_available_once_it_is_committed(machine: Machine, start: Callable[..., Reconciler]) -> None:
    pending = Image("ami-1", "us-east-1", "web", "pending", baked_image("ami-1"), source_instance_id=worlds.WEB_1.id)
    start(worlds.world())._pass()
    start(worlds.world(images=(worlds.IMAGE, pending)))._pass()
    assert machine.done[-2:] == [f"bake {WEB}", "put images/us-east-1/ami-1 {'state': 'available'}"]


def test_an_image_that_cannot_be_committed_stays_pending(machine: Machine, start: Callable[..., Reconciler]) -> None:
    pending = Image("ami-1", "us-east-1", "web", "pending", baked_image("ami-1"), source_instance_id=worlds.WEB_1.id)
    start(worlds.world())._pass()
    machine.broken.add(f"bake {WEB}")
    assert not start(worlds.world(images=(worlds.IMAGE, pending)))._pass()
    assert not any(step.startswith("put") for step in machine.done)


def test_services_are_kept_in_step_while_they_run(machine: Machine, start: Callable[..., Reconciler]) -> None:
    class Databases:
        NAME, KIND = "databases", "database"
        seen: list[str]

        def __init__(self) -> None:
            self.seen = []

        def desired(self, _world: World) -> list[ContainerSpec]:
            return [ContainerSpec("indivillage-db", "database", "image", worlds.VPC.id, "10.10.0.250", "db").sealed()]

        def after(self, _world: World, spec: ContainerSpec, *_: object) -> None:
            self.seen.append(spec.name)
            raise RuntimeError("a fault of the service")

    databases = Databases()
    passing = start(worlds.world(), databases)
    passing._after()
    assert databases.seen == []
    passing._pass()
    passing._after()
    passing._after()
    assert databases.seen == ["indivillage-db", "indivillage-db"]


def test_load_balancers_let_go_of_a_machine_before_it_ends(machine: Machine, start: Callable[..., Reconciler]) -> None:
    class LoadBalancers:
        NAME, KIND = "load_balancers", "load_balancer"

        def desired(self, _world: World) -> list[ContainerSpec]:
            return [ContainerSpec("indivillage-lb", "load_balancer", "image", worlds.VPC.id, "10.10.0.250", "lb").sealed()]

        def after(self, _world: World, _spec: ContainerSpec, *_: object) -> None:
            machine.done.append("reload")

    passing = start(worlds.world(), LoadBalancers())
    passing._pass()
    machine.containers["indivillage-i-gone"] = Container("indivillage-i-gone", "instance", "running", "image", "", worlds.VPC.id, 1)
    machine.done.clear()
    passing._pass()
    assert machine.done == ["reload", "remove indivillage-i-gone"]


def test_a_dead_process_is_noticed_without_asking_podman(machine: Machine, start: Callable[..., Reconciler]) -> None:
    passing = start(worlds.world())
    passing._pass()
    assert not passing._lost_containers()
    passing._pids[WEB] = 2**22 + 1  # above every pid_max
    assert passing._lost_containers()


def test_a_slow_machine_rests_longer_and_one_that_was_stopped_does_not_rest_for_minutes(start: Callable[..., Reconciler]) -> None:
    passing = start(worlds.world())
    for observed, rest in ((0.1, 1.0), (2.0, 4.0), (240.0, 10.0)):
        passing._observation_seconds = observed
        assert passing._rest(1.0) == rest
