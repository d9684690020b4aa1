# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of what runs in containers that AWS would tell late, or never: sizes, names that lead nowhere, images that would move.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

# CPU units -> the memory in MiB that Fargate knows with them.
FARGATE: Mapping[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
REPOSITORY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
RELEASE = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
MOVING = ("latest", "stable")
# How long CloudWatch can keep a record.
RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
SERVICES, COUNTS = "aws_containers_services", "aws_containers_desired_counts"


def container_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the containers of a stack; values are its variables with the roles' defaults."""
    services = [service for service in _list(values.get(SERVICES)) if isinstance(service, Mapping) and isinstance(service.get("name"), str)]
    yield from _image_problems(values)
    yield from _count_problems(values, [service["name"] for service in services])
    yield from retention_problems(values, "aws_containers_log_retention_days")
    for name, times in Counter(service["name"] for service in services).items():
        if times > 1:
            yield Problem(SERVICES, f"has {name!r} {times} times.", "Give each service a name of its own.")
    for service in services:
        yield from _size_problems(service)
        yield from _name_problems(service, values)


def retention_problems(values: Mapping[str, Any], variable: str) -> Iterator[Problem]:
    """Yield what is wrong with a number of days that CloudWatch is to keep records."""
    days = values.get(variable)
    if isinstance(days, int) and days not in RETENTION_DAYS:
        nearest = min(RETENTION_DAYS, key=lambda known: abs(known - days))
        yield Problem(variable, f"is {days}, which CloudWatch does not know.", f"The nearest that it knows is {nearest}.")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _image_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    for name in _list(values.get("aws_containers_repositories")):
        if not REPOSITORY.fullmatch(str(name)):
            fix = "Use lower-case letters and digits, with a dot, hyphen or underscore between them."
            yield Problem("aws_containers_repositories", f"has {name!r}, which ECR takes for no name.", fix)
    kept = values.get("aws_containers_keep_images")
    if isinstance(kept, int) and kept < 1:
        yield Problem(
            "aws_containers_keep_images", f"is {kept}: a service could not start again.", "Keep at least one; five let you go back."
        )
    release = values.get("aws_containers_release")
    if isinstance(release, str) and release:
        if release in MOVING or release.endswith("-latest"):
            yield Problem("aws_containers_release", f"is {release!r}; tags never move here.", "Name one image, as in staging-1a2b3c4.")
        elif not RELEASE.fullmatch(release):
            yield Problem(
                "aws_containers_release", f"is {release!r}, which is no tag of an image.", "Name one image, as in staging-1a2b3c4."
            )
    spot = values.get("aws_containers_spot_percentage")
    if isinstance(spot, int) and not 0 <= spot <= 100:
        yield Problem("aws_containers_spot_percentage", f"is {spot}.", "It is a share of the tasks: 0 to 100.")


def _count_problems(values: Mapping[str, Any], services: list[str]) -> Iterator[Problem]:
    counts = _mapping(values.get(COUNTS))
    for name, count in counts.items():
        if name not in services:
            yield Problem(COUNTS, f"has {name!r}, which is no service.", f"Services are: {', '.join(services)}.")
        elif not isinstance(count, int) or count < 0:
            yield Problem(COUNTS, f"lets {count!r} tasks of {name} run.", "Give it a number, 0 or more.")
    for name in services:
        if name not in counts:
            yield Problem(COUNTS, f"does not say how many tasks of {name} run.", f"Add {name}.")


def _size_problems(service: Mapping[str, Any]) -> Iterator[Problem]:
    cpu, memory = service.get("cpu"), service.get("memory_mib")
    if not isinstance(cpu, int) or not isinstance(memory, int):
        return
    if cpu not in FARGATE:
        yield Problem(SERVICES, f"gives {service['name']} {cpu} CPU units.", f"Fargate knows {', '.join(map(str, FARGATE))}.")
    elif memory not in FARGATE[cpu]:
        known = FARGATE[cpu]
        nearest = min(known, key=lambda size: abs(size - memory))
        yield Problem(
            SERVICES,
            f"gives {service['name']} {memory} MiB with {cpu} CPU units, which Fargate does not know.",
            f"It knows {known[0]} to {known[-1]} MiB with them; the nearest is {nearest}.",
        )


def _name_problems(service: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Problem]:
    name, repositories, groups = service["name"], values.get("aws_containers_repositories"), values.get("security_groups")
    if isinstance(repositories, list) and service.get("repository") not in repositories:
        text = f"takes the image of {name} from {service.get('repository')!r}, which is no repository."
        yield Problem(SERVICES, text, f"Use one of {', '.join(map(str, repositories))}.")
    if isinstance(groups, list) and name.replace("-", "_") not in groups:
        yield Problem(SERVICES, f"has {name!r}, which has no security group.", f"Add {name.replace('-', '_')} to security_groups.")
    environment, secrets = _mapping(service.get("environment")), _mapping(service.get("secrets"))
    for variable in environment.keys() & secrets.keys():
        yield Problem(SERVICES, f"sets {variable} of {name} as environment and as secret.", "Keep one of them.")
    for variable, secret in secrets.items():
        if not isinstance(secret, str) or secret.startswith(("/", "arn:")):
            fix = "Name it below aws_containers_secret_prefix, as in database/credentials."
            yield Problem(SERVICES, f"fills {variable} of {name} with {secret!r}.", fix)
