# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in an account, in a form in which two accounts are equal when they were built alike.

Ids are replaced by the names of what they belong to, what AWS chooses by chance or by the clock is left out, and order is none.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from difflib import SequenceMatcher, ndiff
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from tests.drill.support.readers import READERS, Detail, Reader

REGIONS = ("us-east-1", "us-west-2")
Client = Callable[[str, str], Any]  # service, region -> boto3 client
Resource = dict[str, Any]

# AWS shows them for a while after their end, with a state that says so; a tag that was ever seen on a bill stays listed for good.
SHOWN_AFTER_THEIR_END = ("instance", "NAT gateway", "VPC endpoint", "KMS key", "ECS cluster", "cost allocation tag")

# Left out wherever they stand: times, counters, and what says who asked.
_VOLATILE = re.compile(
    r"(?i).*(time|date|timestamp|lastmodified|created|launched|requestid|requester|fingerprint|clienttoken|versionid.*|etag)$"
)
_VOLATILE_NAMES = frozenset({
    "ResponseMetadata", "VersionIdsToStages", "SecretVersionsToStages", "Owner", "HostId", "MacAddress", "storedBytes", "Version", "Serial",
    "ApproximateNumberOfMessages", "ItemCount", "TableSizeBytes", "SequenceNumber", "NextToken", "ReservationId", "AmiLaunchIndex",
    "PrivateDnsName", "PublicDnsName", "PrivateDnsNameOptions", "DnsEntries", "AvailableIpAddressCount",
})  # fmt: skip
_RANDOM = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b((?:[a-z]+-)+)[0-9a-f]{8,17}\b"), r"\1<id>"),
    (re.compile(r"\b(AROA|AIPA|AIDA|ANPA)[A-Z0-9]{8,}\b"), r"\1<id>"),
    (re.compile(r"\b(hostedzone|distribution)/[A-Z0-9]{13,}\b"), r"\1/<id>"),
    (re.compile(r"^[A-Za-z0-9]{32}$"), "<secret>"),
    (re.compile(r"^\$2b\$\d\d\$\S{53}$"), "<bcrypt>"),
    (re.compile(r"(:secret:\S+)-[A-Za-z0-9]{6}\b"), r"\1-<id>"),
    (re.compile(r"(-cache)\.[a-z0-9]{6}\."), r"\1.<id>."),
    (re.compile(r"^http://127\.0\.0\.1:\d+"), "<endpoint>"),
    (re.compile(r"\b[0-9a-f]{16,64}\b"), "<hex>"),
    (re.compile(r"^\d+\.\d+\.\d+\.\d+$"), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"), "<time>"),
)
_SECRET_FIELDS = ("password", "auth_token", "private_key", "token")


class Snapshot:
    """The resources of an account by type: {"<region> <type>": [resource]}."""

    def __init__(self, resources: dict[str, list[Resource]]) -> None:
        self.resources = resources

    @property
    def counts(self) -> dict[str, int]:
        return {kind: len(found) for kind, found in sorted(self.resources.items()) if found}

    def differences(self, other: Snapshot) -> list[str]:
        """What differs, as lines of text from this one (-) to the other (+); nothing if they are equal."""
        lines = []
        for kind in sorted(self.resources.keys() | other.resources.keys()):
            mine, others = (Counter(map(_text, found.get(kind, []))) for found in (self.resources, other.resources))
            missing, surplus = list((mine - others).elements()), list((others - mine).elements())
            if missing or surplus:
                lines.append(f"== {kind}: {mine.total()} and {others.total()}")
            for text in missing:  # beside what is most like it, of which only the differing lines are of interest
                like = max(surplus, key=partial(_likeness, text), default="")
                surplus = [text for text in surplus if text is not like] if like else surplus
                lines += [line for line in ndiff(text.splitlines(), like.splitlines()) if line[0] in "+-" or '"Name' in line]
            lines += [f"+ {line}" for text in surplus for line in text.splitlines()]
        return lines


def remains(now: Snapshot, empty: Snapshot) -> dict[str, int]:
    """How many resources of which type there are more than in the empty account, without those that are shown after their end."""
    more = {kind: count - empty.counts.get(kind, 0) for kind, count in now.counts.items()}
    return {kind: count for kind, count in more.items() if count > 0 and not kind.endswith(SHOWN_AFTER_THEIR_END)}


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).quick_ratio()


def _text(resource: Resource) -> str:
    return json.dumps(resource, indent=1, sort_keys=True)


def take(client: Client, regions: Iterable[str] = REGIONS) -> Snapshot:
    """Read everything."""
    raw: dict[str, list[tuple[Reader, Resource]]] = {}
    for number, region in enumerate(regions):
        for reader in READERS:
            if number and not reader.everywhere:
                continue
            where = f"{region if reader.everywhere else 'global'} {reader.type}"
            raw[where] = [(reader, resource) for resource in _read(reader, client(reader.service, region))]
    names = _names(raw)
    by_length = sorted(names, key=len, reverse=True)
    known = re.compile("|".join(map(re.escape, by_length)) or r"(?!)")
    return Snapshot(
        {
            where: _sorted(_normalise(resource, known, names, ignored=reader.ignored) for reader, resource in found)
            for where, found in raw.items()
        }
    )


def _read(reader: Reader, client: Any) -> list[Resource]:
    resources: list[Resource] = []
    method = getattr(client, reader.operation)
    pages = (
        client.get_paginator(reader.operation).paginate(**reader.arguments)
        if client.can_paginate(reader.operation)
        else [method(**reader.arguments)]
    )
    for page in pages:
        found: list[Any] = [page]
        for part in reader.key.split("."):
            found = [element for parent in found for element in parent.get(part) or []]
        resources += [element if isinstance(element, dict) else {"Value": element} for element in found if not _is_gone(element)]
    resources = [one for one in resources if not any(str(one.get(name)).startswith(reader.of_aws) for name in reader.name)]
    for resource in resources:
        for detail in reader.details:
            resource[f"{detail.operation}:{detail.key}"] = _detail(client, detail, resource)
    return resources


def _is_gone(element: Any) -> bool:
    """Whether AWS only still remembers it, as it does for some time."""
    state = element.get("State") if isinstance(element, dict) else None
    return (state.get("Name") if isinstance(state, dict) else state) in ("deleted", "deleting", "terminated", "shutting-down")


def _detail(client: Any, detail: Detail, resource: Resource) -> Any:
    arguments: dict[str, Any] = {}
    for name, source in detail.arguments.items():
        if not isinstance(source, str):
            arguments[name] = source
            continue
        constant, plain = source.startswith("="), source.removeprefix("=").removeprefix("[]")
        value = plain if constant else resource[plain]
        arguments[name] = [value] if "[]" in source else value
    try:
        answer = getattr(client, detail.operation)(**arguments)
    except ClientError as error:
        return {"absent": error.response["Error"]["Code"]}
    return answer.get(detail.key) if detail.key else answer


def _names(raw: dict[str, list[tuple[Reader, Resource]]]) -> dict[str, str]:
    """Random id -> what it is called: by the resource's own name, and a number where several share one."""
    names: dict[str, str] = {}
    for where, found in raw.items():
        for reader, resource in found:
            label = "/".join(str(_value(resource, name) or "") for name in reader.name) or _tag(resource)
            for name, replacement in names.items():
                label = label.replace(name, replacement)
            for identity in reader.identity:
                if isinstance(value := resource.get(identity), str):
                    names[value] = f"<{where} {label} {identity}>"
    return names


def _value(resource: Resource, path: str) -> Any:
    for part in path.split("."):
        resource = next((value for key, value in resource.items() if key == part or key.endswith(f":{part}")), {})
    return resource


def _tag(resource: Resource) -> str:
    tags = resource.get("Tags") or []
    return next((str(tag["Value"]) for tag in tags if tag.get("Key") == "Name"), "unnamed")


def _normalise(value: Any, known: re.Pattern[str], names: dict[str, str], name: str = "", ignored: Collection[str] = ()) -> Any:
    if isinstance(value, dict):
        if value.get("Key") == "aws:ec2launchtemplate:version":  # counts the changes that there have been
            value = {**value, "Value": "<version>"}
        return {
            known.sub(lambda found: names[found.group()], key): _normalise(part, known, names, key, ignored)
            for key, part in value.items()
            if not _VOLATILE.match(key) and key not in _VOLATILE_NAMES and key not in ignored
        }
    if isinstance(value, list | tuple):
        return _sorted(_normalise(part, known, names, name, ignored) for part in value)
    if isinstance(value, datetime):
        return "<time>"
    if isinstance(value, str):
        return _normalise_text(value, known, names, name)
    return value


def _normalise_text(text: str, known: re.Pattern[str], names: dict[str, str], name: str) -> Any:
    if name == "VPCZoneIdentifier":
        return _normalise(text.split(","), known, names)
    if name in _SECRET_FIELDS or text.startswith("-----BEGIN"):
        return f"<{len(text) // 10 * 10} characters>"
    if text.startswith(("{", "[")):
        try:
            return _normalise(json.loads(text), known, names)
        except ValueError:
            pass
    text = known.sub(lambda found: names[found.group()], text)
    for pattern, replacement in _RANDOM:
        text = pattern.sub(replacement, text)
    return text


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True, default=str))
