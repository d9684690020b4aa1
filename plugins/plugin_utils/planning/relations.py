# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shapes do not tell: tags, which every service writes in its own way, and operations whose words differ from what they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import requests
from .placeholders import placeholder
from .shapes import Node, lookup, meet, normal, strings

if TYPE_CHECKING:
    from .state import Read, Trace, Write

TAG_MEMBERS = {"tags", "taglist", "tagset", "resourcetags"}
TAGGING = {"Tag", "AddTags", "CreateTags", "CreateOrUpdateTags"}

# ---- Tags ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tags:
    """A write that does nothing but set and remove tags."""

    resources: set[str]
    add: dict[str, str]
    remove: set[str]


def tags(service: str, operation: str, parameters: Mapping[str, Any]) -> Tags | None:
    """What a call does to tags; None for a call that is about something else."""
    adds = operation.startswith(("Tag", "AddTags", "CreateTags", "CreateOrUpdateTags"))
    removes = operation.startswith(("Untag", "RemoveTags", "DeleteTags"))
    if not adds and not removes:
        return None
    given = next((value for name, value in parameters.items() if normal(name) in (*TAG_MEMBERS, "tagkeys")), None)
    resources = {text for name, value in parameters.items() if normal(name) != "tagkeys" for text in strings(value)}
    if service == "autoscaling" and isinstance(given, list):
        resources = {str(tag.get("ResourceId")) for tag in given}
    if adds:
        return Tags(resources, read_tags(given), set())
    return Tags(resources, {}, set(strings(given)) | set(read_tags(given)))


def read_tags(value: Any) -> dict[str, str]:
    """Tags as a dict, from any of the forms in which services write them."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    read = {}
    for tag in value or []:
        if isinstance(tag, Mapping):
            key = tag.get("Key", tag.get("TagKey", tag.get("key")))
            read[str(key)] = str(tag.get("Value", tag.get("TagValue", tag.get("value"))) or "")
    return read


def shaped_tags(pairs: Mapping[str, str], shape: Any) -> Any:
    """Tags in the form that a shape asks for."""
    if shape.type_name != "list" or shape.member.type_name != "structure":
        return dict(pairs)
    members = list(shape.member.members)
    key = next((name for name in members if normal(name) in ("key", "tagkey")), "Key")
    value = next((name for name in members if normal(name) in ("value", "tagvalue")), "Value")
    return [{key: name, value: text} for name, text in pairs.items()]


def known(service: str, noun: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a created thing under the names by which they are read."""
    read = dict(fields)
    for specification in read.pop("TagSpecifications", None) or []:
        read.setdefault("Tags", specification.get("Tags", []))
    given = lookup(read, "Tags")
    if given:
        pairs = [{"Key": key, "Value": value, "TagKey": key, "TagValue": value} for key, value in read_tags(given).items()]
        read["Tags"] = pairs if isinstance(given, list) else given
        read["TagList"] = read["TagSet"] = pairs
    return read


# ---- Writes whose parameters are called differently from the fields ---------------------------------------------------------------

RENAMED = {
    ("iam", "UpdateAssumeRolePolicy"): {"PolicyDocument": "AssumeRolePolicyDocument"},
    ("ec2", "ModifySubnetAttribute"): {},
}


def fields(write: Write) -> Iterator[tuple[str, Any]]:
    """The parameters of a write by the names of the fields that they change."""
    renamed = RENAMED.get((write.service, write.operation), {})
    for name, value in requests.without_tokens(write.parameters).items():
        yield renamed.get(name, name), value


# ---- Writes to the lists within a thing ------------------------------------------------------------------------------------------

Rule = Callable[["Write", "Read", list[Node], "Trace"], None]
RULES: dict[tuple[str, str], Rule] = {}


def rule(service: str, *operations: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for operation in operations:
            RULES[service, operation] = function
        return function

    return register


def apply(write: Write, read: Read, found: list[Node], trace: Trace) -> bool:
    """Lay a write over an answer by its own rule; False when it has none."""
    own = RULES.get((write.service, write.operation))
    if own:
        own(write, read, found, trace)
    return own is not None


def named(found: list[Node], member: str, write: Write, parameter: str = "") -> Iterator[Node]:
    """The structures that have a member with the value of a write's parameter."""
    wanted = write.parameters.get(parameter or member)
    for node in found:
        if wanted is not None and node.value.get(member) == wanted:
            yield node


__all__ = ["RULES", "Rule", "apply", "fields", "known", "meet", "named", "placeholder", "read_tags", "rule", "shaped_tags", "tags"]
