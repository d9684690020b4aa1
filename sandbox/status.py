# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of `python -m sandbox status`, and finding an instance by id, alias or name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox import processes
from sandbox.engine import Podman
from sandbox.lifecycle import REBUILD, reconciler_status, version
from sandbox.model import Container, ContainerSpec, Image, Instance, World
from sandbox.observe import EmulatorControl, RegionClients, observe
from sandbox.services import SERVICES
from sandbox.settings import REGIONS, Settings, container_name

HEADINGS = ("KIND", "NAME", "ID", "ADDRESS", "IMAGE", "STATE", "CONTAINER", "HEALTH")
Row = tuple[str, ...]


def look(settings: Settings) -> World:
    """The world as the emulator shows it. Raises OSError when it does not answer."""
    return observe([RegionClients(settings.endpoint, region) for region in REGIONS], EmulatorControl(settings.endpoint), SERVICES)


def report(settings: Settings) -> tuple[str, bool]:
    """The text of the status, and whether all is well."""
    if not settings.saved:
        return "the sandbox is down; `make sandbox-up` brings it up", False
    lines = []
    answers = version(settings) is not None
    lines.append(f"emulator    {f'answers on {settings.endpoint}' if answers else f'DEAD: {REBUILD}'}")
    reconciler = reconciler_status(settings)
    if not reconciler:
        lines.append("reconciler  DEAD: `make sandbox-up` starts it again")
    else:
        lines.append(
            f"reconciler  {'settled' if reconciler['settled'] else 'at work'}, process {processes.running(settings, 'reconciler')}"
        )
        lines += [f"            {error.splitlines()[-1]}" for error in reconciler["errors"]]
    if answers:
        world = look(settings)
        specs = [spec for service in SERVICES for spec in service.desired(world)]
        lines += ["", *table(rows(world, specs, Podman().list(), target_health(settings, world)))]
        lines += ["", f"page        {settings.page_url}  (CA file: {settings.ca_file})"]
    return "\n".join(lines), answers and bool(reconciler) and not reconciler["errors"]


def rows(world: World, specs: Iterable[ContainerSpec], containers: Iterable[Container], health: dict[str, str]) -> list[Row]:
    """One row per instance and per container of a service; pure."""
    states = {container.name: container.state for container in containers}
    images = {image.id: image for image in world.images}
    found: list[Row] = [
        (
            "instance",
            i.alias,
            i.id,
            i.address,
            _image(images.get(i.image_id), i),
            i.state,
            states.get(container_name(i.id), "none"),
            health.get(i.id, "-"),
        )
        for i in sorted(world.instances, key=_place)
    ]
    for spec in specs:
        image = spec.image.rpartition("/")[2]
        found.append((spec.kind, spec.name.removeprefix("indivillage-"), "-", spec.address, image, "-", states.get(spec.name, "none"), "-"))
    return found


def table(found: Sequence[Row]) -> list[str]:
    """The rows under their headings, in columns."""
    widths = [max(len(row[column]) for row in (HEADINGS, *found)) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (HEADINGS, *found)]


def target_health(settings: Settings, world: World) -> dict[str, str]:
    """State of every registered target by instance id; the worst one of those that are in several groups."""
    health: dict[str, str] = {}
    for region in {vpc.region for vpc in world.vpcs}:
        elb = RegionClients(settings.endpoint, region).client("elbv2")
        for group in elb.describe_target_groups()["TargetGroups"]:
            for target in elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]:
                state, instance_id = target["TargetHealth"]["State"], target["Target"]["Id"]
                health[instance_id] = state if health.get(instance_id, "healthy") == "healthy" else health[instance_id]
    return health


def find_instance(world: World, host: str) -> Instance:
    """The instance of that id, alias or Name. Raises LookupError that lists what there is."""
    found = [instance for instance in world.instances if host in (instance.id, instance.alias, instance.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{instance.id} ({instance.alias})" for instance in sorted(found or world.instances, key=_place)) or "none"
    raise LookupError(f"{'several instances are' if found else 'no instance is'} named {host}; there are: {known}")


def _place(instance: Instance) -> tuple[str, ...]:
    return (instance.region, instance.alias, instance.id)


def _image(image: Image | None, instance: Instance) -> str:
    return image.name if image and image.name else instance.image_id
