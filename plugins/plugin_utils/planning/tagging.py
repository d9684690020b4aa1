# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags, which every service writes and reads in a form of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .shapes import Names, normal, strings

# TagRole, AddTagsToCertificate, UntagResource: the verb, and of what kind the tagged thing is, where the operation says it.
OPERATION = re.compile(r"(?P<verb>Tag|AddTags|CreateTags|CreateOrUpdateTags|Untag|RemoveTags|DeleteTags)(To|From)?(?P<kind>[A-Z]\w*)?$")
ANY_KIND = {"", "Resource", "Resources"}
MEMBERS = {"tags", "taglist", "tagslist", "tagset", "resourcetags"}


@dataclass(frozen=True)
class Tags:
    """A write that does nothing but set and remove tags."""

    resources: Names
    kind: str
    """Of the tagged things, as the operation calls it; empty when it takes things of any kind."""
    add: dict[str, str]
    remove: set[str]


def tags(service: str, operation: str, parameters: Mapping[str, Any]) -> Tags | None:
    """What a call does to tags; None for a call that is about something else."""
    found = OPERATION.match(operation)
    if (service, operation) == ("route53", "ChangeTagsForResource"):
        zone, removed = Names({str(parameters["ResourceId"])}), set(parameters.get("RemoveTagKeys") or [])
        return Tags(zone, "", read_tags(parameters.get("AddTags")), removed)
    if not found:
        return None
    kind = found["kind"] or ""
    kind = "" if kind in ANY_KIND else kind
    given = next((value for name, value in parameters.items() if normal(name) in (*MEMBERS, "tagkeys")), None)
    resources = Names(text for name, value in parameters.items() if normal(name) != "tagkeys" for text in strings(value))
    if service == "autoscaling" and isinstance(given, list):
        resources = Names(str(tag.get("ResourceId")) for tag in given)
    if found["verb"] in ("Untag", "RemoveTags", "DeleteTags"):
        return Tags(resources, kind, {}, set(strings(_items(given))) | set(read_tags(given)))
    return Tags(resources, kind, read_tags(given), set())


def _items(value: Any) -> Any:
    """What a list holds that stands in a structure, as CloudFront's do."""
    return value["Items"] if isinstance(value, Mapping) and "Items" in value and set(value) <= {"Items", "Quantity"} else value


def read_tags(value: Any) -> dict[str, str]:
    """Tags as a dict, from any of the forms in which services write them."""
    value = _items(value)
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
    if shape.type_name == "structure" and "Items" in shape.members:
        return {"Items": shaped_tags(pairs, shape.members["Items"])}
    if shape.type_name != "list" or shape.member.type_name != "structure":
        return dict(pairs)
    members = list(shape.member.members)
    key = next((name for name in members if normal(name) in ("key", "tagkey")), "Key")
    value = next((name for name in members if normal(name) in ("value", "tagvalue")), "Value")
    return [{key: name, value: text} for name, text in pairs.items()]
