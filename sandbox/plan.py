# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do: a pure function from the world and what the container engine has to a list of actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sandbox.engine import Network
from sandbox.model import Action, Container, ContainerSpec, Instance, Vpc, World
from sandbox.settings import (
    INSTANCE_IMAGE,
    INTERNET_CIDR,
    INTERNET_CLIENT,
    INTERNET_CLIENT_ADDRESS,
    INTERNET_ID,
    container_name,
    network_name,
)

CUT_SHORT = frozenset({"created", "removing"})
RUNNING_STATES = frozenset({"pending", "running"})
INTERNET = Vpc(INTERNET_ID, "", INTERNET_CIDR)


@dataclass(frozen=True)
class Actual:
    """What the engine has. `reboots` says up to which RebootInstances call each instance's container was restarted."""

    containers: Sequence[Container] = ()
    networks: Sequence[Network] = ()
    baked_images: frozenset[str] = frozenset()
    reboots: Mapping[str, int] = field(default_factory=dict)


def instance_spec(world: World, instance: Instance) -> ContainerSpec:
    """The container of an instance. Its digest names the AMI, so that it outlives a deregistered one."""
    image = next((image.container_image for image in world.images if image.id == instance.image_id), "")
    spec = ContainerSpec(
        name=container_name(instance.id),
        kind="instance",
        image=instance.image_id,
        vpc_id=instance.vpc_id,
        address=instance.address,
        hostname=instance.dns_name.split(".")[0],
        aliases=(instance.dns_name,),
        security_group_ids=instance.security_group_ids,
        systemd=True,
        # The units that ask the metadata service run only where the command line says so.
        command=("/sbin/init", "indivillage.instance"),
    )
    return replace(spec.sealed(), image=image)


def internet_client() -> ContainerSpec:
    """A machine outside all VPCs, to try what the outside may reach."""
    return ContainerSpec(
        name=INTERNET_CLIENT,
        kind="internet",
        image=INSTANCE_IMAGE,
        vpc_id=INTERNET_ID,
        address=INTERNET_CLIENT_ADDRESS,
        hostname="outside",
        command=("sleep", "infinity"),
    ).sealed()


def plan(world: World, services: Iterable[ContainerSpec], actual: Actual) -> tuple[Action, ...]:
    """The actions that bring the engine to the world. `services` are the containers that the services want."""
    instances = {container_name(instance.id): instance for instance in world.instances}
    specs = {name: instance_spec(world, instance) for name, instance in instances.items()}
    specs |= {spec.name: spec for spec in (*services, internet_client())}
    specs = {name: spec for name, spec in specs.items() if spec.vpc_id == INTERNET_ID or world.vpc(spec.vpc_id)}
    specs = {name: replace(spec, resolver=vpc.gateway) if (vpc := world.vpc(spec.vpc_id)) else spec for name, spec in specs.items()}
    containers = {container.name: container for container in actual.containers}
    usable = {name: container for name, container in containers.items() if name in specs and not _unfit(container, specs[name])}
    removals = [
        Action("remove", name, _unfit(container, specs[name]) if name in specs else "its resource is gone")
        for name, container in containers.items()
        if name not in usable
    ]
    dark = {name for name, spec in specs.items() if (vpc := world.vpc(spec.vpc_id)) and vpc.region in world.outages}
    steps = [
        _lose_power(spec, usable.get(name))
        if name in dark
        else _step(spec, usable.get(name), instances.get(name), actual.reboots.get(name, 0))
        for name, spec in specs.items()
    ]
    return (*_networks(world, actual), *removals, *filter(None, steps), *_images(world, usable, actual))


def _unfit(container: Container, spec: ContainerSpec) -> str:
    """Why a container cannot become what its spec says; empty when it can."""
    if container.digest != spec.digest:
        return "it changed in what cannot change while it runs"
    return "its creation or removal was cut short" if container.state in CUT_SHORT else ""


def _step(spec: ContainerSpec, container: Container | None, instance: Instance | None, applied_reboots: int) -> Action | None:
    """What one container needs now. `reboots` of the action is the number that its (re)start satisfies."""
    reboots = instance.reboots if instance else 0
    if instance and instance.state not in RUNNING_STATES:
        return Action("stop", spec.name, f"instance is {instance.state}") if container and container.running else None
    if container is None:
        return Action("create", spec.name, "does not exist", spec, reboots=reboots) if spec.image else None
    if not container.running:
        return Action("start", spec.name, f"is {container.state}", reboots=reboots)
    return Action("restart", spec.name, "a reboot was asked for", reboots=reboots) if reboots > applied_reboots else None


def _lose_power(spec: ContainerSpec, container: Container | None) -> Action | None:
    return Action("kill", spec.name, "its region is out") if container and container.running else None


def _networks(world: World, actual: Actual) -> Iterable[Action]:
    """Networks of unknown VPCs go first: a VPC made anew may have the same range under another id."""
    wanted = {network_name(vpc.id): vpc for vpc in (*world.vpcs, INTERNET)}
    present = {network.name: network for network in actual.networks}
    for name, network in present.items():
        if name not in wanted or network.cidr != wanted[name].cidr:
            yield Action("remove_network", name, "its VPC is gone")
    for name, vpc in wanted.items():
        if name not in present or present[name].cidr != vpc.cidr:
            yield Action("create_network", name, "does not exist", vpc=vpc)


def _images(world: World, containers: Mapping[str, Container], actual: Actual) -> Iterable[Action]:
    """Images made by CreateImage are pending until their instance's container is committed; one without an instance never will be."""
    for image in world.images:
        if image.state == "pending" and image.source_instance_id:
            source = container_name(image.source_instance_id)
            if source in containers:
                yield Action("bake", source, f"image {image.id} is pending", image=image)
            elif world.instance(image.source_instance_id) is None:
                yield Action("fail_image", image.id, f"its instance {image.source_instance_id} is gone", image=image)
    wanted = {image.container_image for image in world.images} | {container.image for container in actual.containers}
    for name in sorted(actual.baked_images - wanted):
        yield Action("drop_image", name, "its AMI is gone")
