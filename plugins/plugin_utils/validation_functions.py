# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of functions that AWS would tell late, or that would lose or repeat messages.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_containers import retention_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

FUNCTIONS, NOTIFICATIONS = "aws_functions_functions", "aws_functions_notifications"
RUNTIMES = ("python3.12", "python3.13", "python3.14")  # those that AWS supports and this role's code runs on
# What AWS accepts, by key of a function: least, most, unit.
LIMITS = {
    "timeout_seconds": (1, 900, "seconds"),
    "memory_mib": (128, 10240, "MiB"),
    "batch_size": (1, 10, "messages"),  # without a window, which nobody can declare here
    "concurrency": (2, 1000, "calls"),  # a queue causes at least two at a time
}
VARIABLE = re.compile(r"[A-Za-z]\w+", re.ASCII)
RESERVED = ("AWS_", "LAMBDA_", "_")
ENVIRONMENT_BYTES = 4096


def function_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the functions of a stack; values are its variables with the roles' defaults."""
    functions = [one for one in _mappings(values.get(FUNCTIONS)) if isinstance(one.get("name"), str)]
    queues = {one["name"]: one for one in _mappings(values.get("aws_messaging_queues")) if isinstance(one.get("name"), str)}
    yield from retention_problems(values, "aws_functions_log_retention_days")
    runtime = values.get("aws_functions_runtime")
    if isinstance(runtime, str) and runtime not in RUNTIMES:
        yield Problem("aws_functions_runtime", f"is {runtime!r}, which runs none of the functions.", f"Use one of {', '.join(RUNTIMES)}.")
    for name, times in Counter(one["name"] for one in functions).items():
        if times > 1:
            yield Problem(FUNCTIONS, f"has {name!r} {times} times.", "Give each function a name of its own.")
    for function in functions:
        yield from _limit_problems(function)
        yield from _environment_problems(function)
        if queues:
            yield from _queue_problems(function, queues)
    groups, group = values.get("security_groups"), values.get("aws_functions_security_group")
    if isinstance(groups, list) and isinstance(group, str) and group not in groups and any(one.get("in_vpc") is True for one in functions):
        yield Problem("aws_functions_security_group", f"is {group!r}, which is no security group.", f"Add {group} to security_groups.")
    yield from _notification_problems(values, queues)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _limit_problems(function: Mapping[str, Any]) -> Iterator[Problem]:
    for key, (least, most, unit) in LIMITS.items():
        value = function.get(key)
        if isinstance(value, int) and not least <= value <= most:
            text = f"gives {function['name']} {value} {unit} as {key}."
            yield Problem(FUNCTIONS, text, f"AWS takes {least} to {most}.")


def _environment_problems(function: Mapping[str, Any]) -> Iterator[Problem]:
    environment = function.get("environment")
    if not isinstance(environment, Mapping):
        return
    for variable in environment:
        if str(variable).startswith(RESERVED) or not VARIABLE.fullmatch(str(variable)):
            fix = f"Use letters, digits and underscores, and nothing that begins with {' or '.join(RESERVED)}."
            yield Problem(FUNCTIONS, f"gives {function['name']} the variable {variable!r}, which Lambda refuses.", fix)
    size = sum(len(f"{name}{value}".encode()) for name, value in environment.items())
    if size > ENVIRONMENT_BYTES:
        text = f"gives {function['name']} {size} bytes of environment variables."
        yield Problem(FUNCTIONS, text, f"Lambda takes {ENVIRONMENT_BYTES}; keep long values in a parameter.")


def _queue_problems(function: Mapping[str, Any], queues: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    name, queue = function["name"], str(function.get("queue"))
    if queue not in queues:
        yield Problem(FUNCTIONS, f"lets {name} work off {queue!r}, which is no queue.", f"Queues are: {', '.join(queues)}.")
        return
    timeout, hidden = function.get("timeout_seconds"), queues[queue].get("visibility_timeout_seconds")
    if isinstance(timeout, int) and isinstance(hidden, int) and timeout > hidden:
        yield Problem(
            FUNCTIONS,
            f"lets a call of {name} take {timeout} seconds, but {queue} gives a message to another call after {hidden}.",
            f"Shorten it, or set the queue's visibility_timeout_seconds to {timeout * 6}, six times as long.",
        )


def _notification_problems(values: Mapping[str, Any], queues: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    buckets = [str(one.get("name")) for one in _mappings(values.get("aws_storage_buckets"))]
    seen: set[str] = set()
    for notification in _mappings(values.get(NOTIFICATIONS)):
        bucket, queue = str(notification.get("bucket")), str(notification.get("queue"))
        if buckets and bucket not in buckets:
            yield Problem(NOTIFICATIONS, f"tells of new objects in {bucket!r}, which is no bucket.", f"Buckets are: {', '.join(buckets)}.")
        if queues and queue not in queues:
            yield Problem(NOTIFICATIONS, f"tells {queue!r}, which is no queue.", f"Queues are: {', '.join(queues)}.")
        elif queues and bucket not in (queues[queue].get("told_by_buckets") or []):
            fix = f"Add {bucket} to told_by_buckets of {queue} in aws_messaging_queues."
            yield Problem(NOTIFICATIONS, f"tells {queue} of {bucket}, but the queue does not let that bucket write.", fix)
        if bucket in seen:
            yield Problem(
                NOTIFICATIONS, f"has {bucket!r} twice; S3 refuses two that overlap.", "Tell one queue, and let its function hand on."
            )
        seen.add(bucket)
