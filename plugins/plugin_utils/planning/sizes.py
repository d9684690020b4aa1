# SPDX-License-Identifier: GPL-3.0-or-later
"""What the writes of a task add to a month's bill, with the sizes that only its reads and earlier writes tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..costs import Unpriced
from ..costs_of_calls import Known, items
from .guard import Guard
from .shapes import Names
from .state import Write

Fields = Mapping[str, Any]
TEMPLATES = ("CreateLaunchTemplate", "CreateLaunchTemplateVersion")


def of_write(write: Write, guard: Guard) -> list[dict[str, Any]]:
    """Plain data: kind, size and count of each thing, or what cannot be priced."""
    return _plain(guard, write.service, write.operation, write.parameters, write)


def of_rollouts(guard: Guard, groups: Mapping[str, Fields]) -> list[dict[str, Any]]:
    """The same for asg_rollout, which calls nothing in check mode but says which version of its template each group would get."""
    costs = []
    for name, told in groups.items():
        group = described(guard, "AutoScalingGroupName", name, "DesiredCapacity")
        wanted = {part: group[part] for part in ("LaunchTemplate", "MixedInstancesPolicy") if part in group}
        wanted = _with_version(wanted, str(told["version"]))
        costs += _plain(guard, "autoscaling", "StartInstanceRefresh", {"AutoScalingGroupName": name, "DesiredConfiguration": wanted})
    return costs


def _with_version(value: Any, version: str) -> Any:
    """With that version in every specification of a launch template."""
    if isinstance(value, dict):
        return {name: version if name == "Version" else _with_version(part, version) for name, part in value.items()}
    return value


def _plain(guard: Guard, service: str, operation: str, parameters: Fields, write: Write | None = None) -> list[dict[str, Any]]:
    known = Known(
        lambda member, name, also: described(guard, member, name, also, write),
        lambda specification: template(guard, specification),
        lambda name: task_definition(guard, name),
    )
    return [
        {"unpriced": item.what} if isinstance(item, Unpriced) else {"kind": item.kind, "size": item.size, "count": item.count}
        for item in items(service, operation, parameters, known)
    ]


def described(guard: Guard, member: str, name: Any, also: str, write: Write | None = None) -> Fields:
    """A thing as the task has first read it, with what the task has written to it since, before the given write.

    What it has read afterwards has the write in it: an alarm that is made would seem to have been there.
    """
    before = next((count for count, (one, _) in zip(guard.reads_before, guard.recorded, strict=True) if one is write), None)
    found = (part for _, answer in guard.reads[:before] for part in _structures(answer) if part.get(member) == name and also in part)
    thing = next(found, {})
    for earlier, _trace in guard.recorded if thing else ():
        if earlier is write:
            break
        if write and earlier.service == write.service and earlier.parameters.get(member) == name:
            thing = {**thing, **earlier.parameters}
    return thing


def template(guard: Guard, specification: Fields) -> Fields:
    """The data of a version of a launch template: as it was read, or as the run would write it."""
    names = Names(str(specification[name]) for name in ("LaunchTemplateId", "LaunchTemplateName") if specification.get(name))
    version = str(specification.get("Version"))
    for _read, answer in guard.reads:
        for part in _structures(answer):
            named = {str(part.get("LaunchTemplateId")), str(part.get("LaunchTemplateName"))} & names
            if named and str(part.get("VersionNumber")) == version and (part.get("LaunchTemplateData") or {}).get("InstanceType"):
                data: Fields = part["LaunchTemplateData"]
                return data
    for write in reversed(guard.state.writes):
        if write.service == "ec2" and write.operation in TEMPLATES and (write.is_named_by(names) or names & _told(write)):
            written: Fields = write.parameters["LaunchTemplateData"]
            return written
    return {}


def task_definition(guard: Guard, name: Any) -> Fields:
    """What the run would register under that name: services are made and changed by another task."""
    for write in reversed(guard.state.writes):
        if write.operation == "RegisterTaskDefinition" and write.is_named_by(Names({str(name)})):
            registered: Fields = write.parameters
            return registered
    return {}


def _told(write: Write) -> set[str]:
    return {str(write.parameters.get(name)) for name in ("LaunchTemplateId", "LaunchTemplateName")}


def _structures(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _structures(part)
