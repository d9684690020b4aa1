# SPDX-License-Identifier: GPL-3.0-or-later
"""What botocore's service models tell about names: which things an operation is about, what names a thing, and how an answer is built."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

from .placeholders import placeholder

VERB = re.compile(r"(BatchGet|BatchDescribe|CreateOrUpdate|[A-Z][a-z]+)")
CREATING = {"Allocate", "Copy", "Create", "CreateOrUpdate", "Import", "Publish", "Put", "Register", "Request", "Restore", "Run", "Start"}
DELETING = {"Delete", "Deregister", "Release", "Terminate"}
ROLE_SUFFIXES = ("description", "metadata", "listentry", "entry", "summary", "info", "detail", "details", "configuration")
ATTRIBUTE_SUFFIXES = ("attributes", "attribute", "options", "settings")
NAMING = ("", "id", "arn", "name", "identifier", "url")
# What an operation makes whose name says more than that.
NOUNS = {"CreateDBInstanceReadReplica": "DBInstance"}
# Names of a thing that do not follow from the name of its shape.
OTHER_NAMES = {
    "address": {"allocationid", "publicip"},
    "bucket": {"bucket"},
    "eventsourcemapping": {"uuid"},
    "keypair": {"keyname", "keyfingerprint"},
    "transitgatewaypeeringattachment": {"transitgatewayattachmentid"},
    "transitgatewayvpcattachment": {"transitgatewayattachmentid"},
}
SETTLED = ("available", "active", "running", "in-service", "inservice", "enabled", "issued", "attached", "associated", "in-sync", "insync")
MAXIMAL_DEPTH = 8
# Errors that say that something does not exist.
MISSING = re.compile(r"NotFound|NoSuch|Non[Ee]xistent|DoesNotExist|NotExist")
# Structures within a thing that every such thing has; others are left out, as AWS leaves out what was not asked for.
PARTS_OF_ALL = {
    "endpoint",
    "primaryendpoint",
    "configurationendpoint",
    "state",
    "status",
    "placement",
    "monitoring",
    "provisionedthroughput",
}
# Times that every thing has; others tell of what has not happened.
BORN = re.compile(r"creat|launch|start|lastmodified|uploaddate", re.IGNORECASE)
BIRTH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


@cache
def normal(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


@cache
def singular(noun: str) -> str:
    """The name of one of them: Policies -> Policy, Vpcs -> Vpc, Addresses -> Address."""
    for ending, one in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("ses", "s"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", "")):
        if noun.endswith(ending):
            # Databases, Leases: the e belongs to the word.
            return noun[:-1] if ending == "ses" and noun[-4] in "aei" else noun.removesuffix(ending) + one
    return noun


@cache
def split(operation: str) -> tuple[str, str]:
    """An operation's verb and what it is about, in the singular: DescribeDBInstances -> Describe, DBInstance."""
    verb = VERB.match(operation)
    if not verb:
        return operation, ""
    return verb[0], NOUNS.get(operation) or singular(operation[verb.end() :].removesuffix("WithTags"))


@cache
def bare(name: str) -> str:
    """The thing behind the name of a shape or of an operation's noun, normalised: KeyMetadata -> key, SubnetAttribute -> subnet."""
    thing = normal(name)
    for suffix in (*ROLE_SUFFIXES, *ATTRIBUTE_SUFFIXES):
        if thing.endswith(suffix) and thing != suffix:
            return thing.removesuffix(suffix)
    return thing


@cache
def tails(name: str) -> tuple[str, ...]:
    """The ends of a name by its words, normalised, longest first: DBSubnetGroup -> dbsubnetgroup, subnetgroup, group."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z]?[a-z0-9]+", name[:1].upper() + name[1:])
    words = [word for word in words if normal(word) not in ROLE_SUFFIXES]
    return tuple(normal("".join(words[start:])) for start in range(len(words)))


@cache
def names(member: str, thing: str) -> bool:
    """Whether a member, or a parameter, names the thing itself in particular: GroupId a SecurityGroup, but not its VpcId."""
    name = normal(member)
    if name in OTHER_NAMES.get(bare(thing), ()):
        return True
    return any(name.startswith(tail) and name[len(tail) :] in NAMING for tail in tails(thing))


@cache
def identifies(member: str, thing: str) -> bool:
    """Whether a member of a thing's own structure tells it from others."""
    return names(member, thing) or normal(member) in NAMING[1:]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, str):
                yield item


class Names(frozenset[str]):
    """Names, ids and ARNs of things."""

    @cached_property
    def ends(self) -> frozenset[str]:
        """What the ARNs and URLs among these end with, from each of their parts on."""
        return frozenset(end for text in self if text.startswith(("arn:", "http")) for end in _ends_of(text))


NOBODY = Names()


def identifiers(thing: str, structure: Mapping[str, Any]) -> Names:
    """The names, ids and ARNs by which a structure that describes a thing is known; the document of a policy is called like a name."""
    own = (value for member, value in structure.items() if identifies(member, thing))
    return Names(text for value in own for text in strings(value) if text and text[0] != "{")


def meet(left: Names, right: Names) -> bool:
    """Whether two sets of identifiers name the same thing: they share one, or an ARN or a URL ends with the name or id."""
    return not (left.isdisjoint(right) and left.ends.isdisjoint(right) and right.ends.isdisjoint(left))


@lru_cache(1 << 14)
def _ends_of(text: str) -> tuple[str, ...]:
    return tuple(text[index + 1 :] for index, letter in enumerate(text) if letter in ":/")


@dataclass(frozen=True)
class Node:
    """One structure within an answer."""

    value: dict[str, Any]
    shape: Any
    thing: str
    """The name of the shape; of the whole answer, what the operation is about."""
    path: tuple[str, ...]
    asked: Names = NOBODY
    """Of the whole answer, the identifiers that the request gave."""

    @cached_property
    def identifiers(self) -> Names:
        return identifiers(self.thing, self.value) if self.path else self.asked


def nodes(answer: dict[str, Any], shape: Any, noun: str, asked: Names) -> Iterator[Node]:
    """Every structure of an answer, the whole first; `asked` are the identifiers that the request gave."""
    yield Node(answer, shape, noun, (), asked)
    yield from inner_nodes(answer, shape, ())


@cache
def members(shape: Any) -> frozenset[str]:
    """The members of all structures that an answer of this shape can hold."""
    found: dict[str, Any] = {}
    pending = [shape]
    while pending:
        part = pending.pop()
        while part.type_name in ("list", "map"):
            part = part.member if part.type_name == "list" else part.value
        if part.type_name == "structure" and part.name not in found:
            found[part.name] = part
            pending += part.members.values()
    return frozenset(member for part in found.values() for member in part.members)


@cache
def _deep(shape: Any) -> dict[str, Any]:
    """The members of a structure that can hold structures. (botocore keeps each shape for as long as it keeps the model.)"""
    return {member: part for member, part in shape.members.items() if _leads_to_structures(part)}


def _leads_to_structures(shape: Any) -> bool:
    while shape.type_name in ("list", "map"):
        shape = shape.member if shape.type_name == "list" else shape.value
    return bool(shape.type_name == "structure")


def inner_nodes(value: Any, shape: Any, path: tuple[str, ...]) -> Iterator[Node]:
    """The structures within a value that stands at that path of an answer."""
    if shape is None:
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        for member, member_shape in _deep(shape).items():
            if member in value:
                yield from _structures(value[member], member_shape, (*path, member))
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _structures(item, shape.value, (*path, str(key)))


def _structures(value: Any, shape: Any, path: tuple[str, ...]) -> Iterator[Node]:
    if shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _structures(item, shape.member, path)
    elif isinstance(value, dict):
        if shape.type_name == "structure":
            yield Node(value, shape, shape.name, path)
        yield from inner_nodes(value, shape, path)


def lookup(fields: Mapping[str, Any], member: str) -> Any:
    """The field of that name, in whatever case and number the API writes it here; None when there is none."""
    wanted = normal(member)
    for name, value in fields.items():
        if normal(name) == wanted:
            return value
    return None


@dataclass(frozen=True)
class Synthesis:
    """Builds structures of things that do not exist: what was asked for, settled states, and placeholders."""

    service: str
    region: str
    seed: str
    fields: dict[str, Any]
    """What is known of the thing, by names of the request and of the answer."""

    @cached_property
    def _normal(self) -> dict[str, Any]:
        return {normal(name): value for name, value in reversed(self.fields.items())}  # as `lookup`: the first counts

    def structure(self, shape: Any, thing: str, depth: int = 0) -> dict[str, Any]:
        """The structure with every member that can be told; lists are empty unless the request filled them."""
        result = {}
        # The parts of an answer as a whole are there; a thing's own parts are there only if it has them.
        level = max(depth, int(bare(shape.name) == bare(thing)))
        for member, member_shape in shape.members.items():
            value = self.known(member, member_shape, thing) if depth == 0 or bare(shape.name) == bare(thing) else None
            if value is None and depth < MAXIMAL_DEPTH:
                value = self.value(member_shape, member, thing, level)
            if value is not None:
                result[member] = value
        return result

    def known(self, member: str, shape: Any, thing: str) -> Any:
        """What the request said of a member, where it has the member's type."""
        for name in (member, f"{thing}{member}", *_short(member, thing)):
            value = self._normal.get(normal(name))
            if value is not None and fits(value, shape):
                return fit(value, shape)
        return None

    def value(self, shape: Any, member: str, thing: str, depth: int) -> Any:
        kind = shape.type_name
        if kind == "structure":
            if depth and bare(shape.name) != bare(thing) and normal(member) not in PARTS_OF_ALL:
                return None
            return self.structure(shape, thing if bare(shape.name) == bare(thing) else shape.name, depth + 1)
        if kind in ("list", "map"):
            return self.list(shape, member, thing, depth) if kind == "list" else {}
        if kind == "string":
            return self.text(shape, member)
        if kind == "timestamp" and not BORN.search(member):
            return None
        return {"boolean": False, "timestamp": BIRTH, "blob": b"", "float": 0.0, "double": 0.0}.get(kind, 0)

    def list(self, shape: Any, member: str, thing: str, depth: int) -> list[Any]:
        """A list holds the thing itself, or its id, where it is a list of such things; else nothing."""
        if shape.member.type_name == "structure" and bare(shape.member.name) == bare(thing):
            return [self.structure(shape.member, thing, depth + 1)]
        if shape.member.type_name == "string" and names(singular(member), thing):
            return [self.text(shape.member, singular(member))]
        return []

    def text(self, shape: Any, member: str) -> str | None:
        choices = getattr(shape, "enum", None) or []
        settled = next((choice for state in SETTLED for choice in choices if choice.lower() == state), None)
        if settled or choices:
            return settled or choices[0]
        if normal(member).endswith(("state", "status")):
            return "active" if self.service in ("elbv2", "ecs", "lambda") else "available"
        if normal(member).endswith(("marker", "nexttoken", "token")):
            return None
        return placeholder(self.service, self.region, member, self.seed)


def _short(member: str, thing: str) -> Iterator[str]:
    """Other names for a member that names the thing: RoleArn is Arn, GroupId is SecurityGroupId, QueueUrl is Url."""
    if identifies(member, thing):
        ending = next((end for end in NAMING[1:] if normal(member).endswith(end)), "")
        for tail in tails(thing):
            yield f"{tail}{ending}"
        yield ending or member


def fits(value: Any, shape: Any) -> bool:
    kind = shape.type_name
    if kind in ("structure", "map"):
        return isinstance(value, Mapping) or (kind == "structure" and "Value" in shape.members and not isinstance(value, (list, Mapping)))
    if kind == "list":
        return isinstance(value, (list, tuple)) and all(fits(item, shape.member) or _key(item, shape.member) for item in value)
    if isinstance(value, (Mapping, list, tuple)):
        return False
    return kind != "boolean" or isinstance(value, bool)


def _key(value: Any, shape: Any) -> str | None:
    """The member by which a structure in a list is known, where a request gives its name or id alone."""
    if not isinstance(value, str) or shape.type_name != "structure":
        return None
    endings = ("id", "name", "arn", "identifier")
    return next((member for member in shape.members if normal(member).endswith(endings)), None)


def fit(value: Any, shape: Any) -> Any:
    """A request's value in the form that the answer's shape has."""
    kind = shape.type_name
    if kind == "structure" and not isinstance(value, Mapping):
        return {"Value": value}
    if kind == "structure":
        return {
            member: fit(value[member], part) if fits(value[member], part) else value[member]
            for member, part in shape.members.items()
            if member in value
        }
    if kind == "list":
        return [fit(item, shape.member) if fits(item, shape.member) else {_key(item, shape.member): item} for item in value]
    if kind == "string":
        return value if isinstance(value, str) else str(value)
    return value


def not_found_code(service: str, operation: Any) -> str:
    """The error with which a service says that what an operation asks for does not exist; its own before that of what it belongs to."""
    noun = split(operation.name)[1]
    codes = [str(error.metadata.get("error", {}).get("code", error.name)) for error in operation.error_shapes]
    missing = sorted(filter(MISSING.search, codes), key=lambda code: not code.startswith(noun))
    if missing:
        return missing[0]
    return {"ec2": f"Invalid{noun}ID.NotFound", "s3": f"NoSuch{noun}"}.get(service, "ResourceNotFoundException")


def is_not_found(code: str) -> bool:
    """Whether an error says that something does not exist."""
    return (
        MISSING.search(code) is not None
        or re.search(r"404|Unknown|InvalidResource", code) is not None
        or code
        in (
            "ValidationError",
            "ClientException",  # ECS, of a task definition
        )
    )
