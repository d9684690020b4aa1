# SPDX-License-Identifier: GPL-3.0-or-later
"""How requests choose things, and how values of requests and answers compare: filters, documents, lists of keys and values."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .placeholders import holds
from .shapes import Names, bare, identifiers, identifies, lookup, meet, normal, singular, strings

# Say how to answer, not what to answer about.
PAGING = {"maxresults", "nexttoken", "marker", "maxrecords", "maxitems", "pagesize", "limit", "dryrun", "startingtoken", "maxkeys", "scope"}
TOKENS = {"clienttoken", "clientrequesttoken", "idempotencytoken", "callerreference", "creatorrequestid", "idempotency_token"}
# Fields that a filter of EC2 calls differently.
FILTER_FIELDS = {
    "cidr": "CidrBlock",
    "cidr-block": "CidrBlock",
    "instance-state-name": "State.Name",
    "is-default": "IsDefault",
    "isDefault": "IsDefault",
    "vpc-endpoint-state": "State",
    "subnet": "SubnetId",
    "alias": "AliasName",
}
# Reads that tell one side of a thing: they answer for a thing that is only planned, and not with an error.
SIDES = {
    **{"keypolicy": "key", "keyrotationstatus": "key", "secretvalue": "secret", "queueurl": "queue", "topicattribute": "topic"},
    **{"queueattribute": "queue", "continuousbackup": "table", "timetolive": "table", "vpcattribute": "vpc", "subnetattribute": "subnet"},
    **{"instanceattribute": "instance", "imageattribute": "image", "loadbalancerattribute": "loadbalancer"},
    **{"targetgroupattribute": "targetgroup", "listenerattribute": "listener", "functionconcurrency": "function"},
    **{"trailstatus": "trail", "eventselector": "trail", "configurationrecorderstatus": "configurationrecorder"},
}


def without_tokens(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without those that are new in every call, at whatever depth."""
    return {name: _tokenless(value) for name, value in parameters.items() if normal(name) not in TOKENS}


def _tokenless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_tokens(value)
    return [_tokenless(item) for item in value] if isinstance(value, list) else value


def ordered(value: Any) -> Any:
    """A value with the items of all its lists in one order: modules go through sets, whose order is another in each process."""
    if isinstance(value, Mapping):
        return {name: ordered(part) for name, part in value.items()}
    return sorted((ordered(item) for item in value), key=_text) if isinstance(value, list) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def about(created: str, asked: str) -> bool:
    """Whether a read tells of a created thing as a whole, or one side that every such thing has."""
    thing, noun = bare(created), bare(asked)
    return thing in (noun, SIDES.get(normal(asked)))


def without_placeholders(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The request without things that are only planned; None when it asks for nothing else."""
    real: dict[str, Any] = {}
    for name, value in parameters.items():
        if not holds(value):
            real[name] = value
        elif normal(name) == "filters" and isinstance(value, list):
            kept = [{**item, "Values": [text for text in item.get("Values", []) if not holds(text)]} for item in value]
            if not all(item["Values"] for item in kept):
                return None
            real[name] = kept
        elif isinstance(value, list) and any(not holds(item) for item in value):
            real[name] = [item for item in value if not holds(item)]
        else:
            return None
    return real


def wants(parameters: Mapping[str, Any], item: Mapping[str, Any], thing: str) -> bool:
    """Whether a request asks for a thing; parameters that say nothing about it are passed over."""
    return all(_wants(name, value, item, thing) for name, value in parameters.items() if normal(name) not in PAGING and value is not None)


def _wants(name: str, value: Any, item: Mapping[str, Any], thing: str) -> bool:
    if normal(name) == "filters" and isinstance(value, list):
        return all(_passes(one, item) for one in value if isinstance(one, Mapping))
    if isinstance(value, str) and normal(name).endswith("prefix"):
        text = lookup(item, normal(name).removesuffix("prefix")) or lookup(item, "Name")
        return not isinstance(text, str) or text.startswith(value)
    asked = Names(strings(value))
    if not asked:
        return True
    one = singular(name) if isinstance(value, (list, tuple)) else name
    told = lookup(item, one)
    if told is None:
        told = next((other for member, other in item.items() if normal(member).endswith(normal(one)) and isinstance(other, str)), None)
    if isinstance(told, str):
        return meet(Names({told, *identifiers(thing, item)}), asked)
    return meet(identifiers(thing, item), asked) if identifies(one, thing) else True


def _passes(condition: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether a thing passes one filter of EC2's kind."""
    name = str(condition.get("Name") or condition.get("name") or condition.get("Key") or "")
    patterns = [str(value) for value in condition.get("Values") or condition.get("values") or []]
    if name.startswith("tag:"):
        told = [str(tag.get("Value", "")) for tag in item.get("Tags") or [] if tag.get("Key") == name[4:]]
    elif name == "tag-key":
        told = [str(tag.get("Key")) for tag in item.get("Tags") or []]
    else:
        told = list(_told(item, FILTER_FIELDS.get(name, name).split(".")))
    return any(fnmatch.fnmatchcase(text, pattern) for text in told for pattern in patterns)


def _told(value: Any, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _told(item, path)
    elif not path:
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, (str, int)):
            yield str(value)
    elif isinstance(value, Mapping):
        for member, item in value.items():
            if normal(singular(member)) in (normal(path[0]), singular(normal(path[0]))) or normal(member) == normal(path[0]):
                yield from _told(item, path[1:])


# ---- Values ----------------------------------------------------------------------------------------------------------------------


def document(text: str) -> Any:
    """What a JSON document says, however it is written or quoted; None when it is not one."""
    for form in (text, unquote(text)):
        if form.lstrip().startswith(("{", "[")):
            try:
                return json.loads(form)
            except ValueError:
                continue
    return None


def meaning(value: Any) -> Any:
    """The form in which values are compared: documents parsed, lists without order, numbers and their texts alike."""
    if isinstance(value, str):
        parsed = document(value)
        return value.lower() if parsed is None and value.lower() in ("true", "false") else value if parsed is None else meaning(parsed)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, Mapping):
        return {key: meaning(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        items = sorted((meaning(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
        return items[0] if len(items) == 1 and isinstance(items[0], str) else items
    return value


def alike(before: Any, after: Any) -> bool:
    """Whether two values mean the same; AWS leaves out what is empty or off."""
    if _is_empty(before) and _is_empty(after):
        return True
    if isinstance(before, str) and isinstance(after, str) and "," in before:
        return sorted(before.split(",")) == sorted(after.split(",")) or meaning(before) == meaning(after)
    return bool(meaning(before) == meaning(after))


def _is_empty(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | Mapping) and (not value or value in ("false", "False")))


def key_of(items: Any) -> str | None:
    """The member by which the entries of a list of keys and values are told apart."""
    if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
        for name in ("Key", "AttributeName", "TagKey", "ParameterName"):
            if all(name in item for item in items):
                return name
    return None


def merged(before: Any, written: Any) -> Any:
    """What is read after a write: structures and lists of keys keep what the write does not name."""
    if isinstance(before, dict) and isinstance(written, Mapping):
        return {**before, **{name: merged(before.get(name), value) for name, value in written.items()}}
    name = key_of(written)
    if name and isinstance(before, list) and (key_of(before) == name or not before):
        entries = {item[name]: item for item in before}
        for item in written:
            entries[item[name]] = {**entries.get(item[name], {}), **item}
        return list(entries.values())
    if isinstance(before, list) and isinstance(written, list):
        # What was read of an entry is more than what is written of it.
        return [next((old for old in before if _holds(old, new)), new) for new in written]
    return written


def _holds(old: Any, new: Any) -> bool:
    return isinstance(old, Mapping) and isinstance(new, Mapping) and all(alike(old.get(name), value) for name, value in new.items())


def differences(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fields within two values that differ, by their path."""
    return ((field, old, new) for field, old, new in pairs(name, before, after) if not alike(old, new))


def pairs(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fields within two values, by their path, with what either has."""
    before, after = (_opened(side) for side in (before, after))
    key = key_of(after) or key_of(before)
    if key and isinstance(before or [], list) and isinstance(after or [], list):
        before, after = ({str(item[key]): _value(item, key) for item in side or []} for side in (before, after))
    sides = (before, after)
    if all(side is None or isinstance(side, Mapping) for side in sides) and any(sides):
        for member in dict.fromkeys([*(before or {}), *(after or {})]):
            yield from pairs(f"{name}.{member}", (before or {}).get(member), (after or {}).get(member))
    else:
        yield name, before, after


def _opened(value: Any) -> Any:
    """A document as what it says, and a value that stands alone in a structure as itself."""
    if isinstance(value, str):
        parsed = document(value)
        return value if parsed is None else parsed
    return value["Value"] if isinstance(value, Mapping) and set(value) == {"Value"} else value


def _value(item: Mapping[str, Any], key: str) -> Any:
    rest = {name: value for name, value in item.items() if name != key}
    return next(iter(rest.values())) if len(rest) == 1 else rest
