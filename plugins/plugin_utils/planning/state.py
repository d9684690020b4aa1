# SPDX-License-Identifier: GPL-3.0-or-later
"""The account as it would be: writes that were recorded instead of sent, laid over what AWS answers.

Every rule works on botocore's shapes, so it holds for any service: a thing that was created appears in the lists that hold things of its
kind, a field that was written is read back from the structure that has this field and this identifier, a thing that was deleted is gone.
`relations` holds what cannot be told from the shapes.
"""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import births, relations, requests, tagging
from .placeholders import digest
from .shapes import (
    CREATING,
    DELETING,
    Names,
    Node,
    Synthesis,
    bare,
    fit,
    fits,
    identifiers,
    identifies,
    inner_nodes,
    lookup,
    meet,
    names,
    nodes,
    normal,
    singular,
    split,
    strings,
    tails,
)

# One account for all regions, whatever region a client was built for.
GLOBAL = {"iam", "route53", "cloudfront", "shield", "s3", "sts", "organizations", "budgets", "ce"}


def home(service: str, region: str) -> str:
    """The region in which a service keeps what a client of the given region writes."""
    return "" if service in GLOBAL else region


def unwrapped(noun: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A request's parameters; one that is the thing itself, as ConfigRule of PutConfigRule is, counts as what it holds."""
    whole: dict[str, Any] = {}
    for name, value in parameters.items():
        whole |= value if isinstance(value, Mapping) and normal(name) == normal(noun) else {name: value}
    return whole


@dataclass(frozen=True)
class Write:
    """One call that was not sent: plain data, so that it passes between processes. Nobody changes it."""

    service: str
    region: str
    operation: str
    parameters: dict[str, Any]
    response: dict[str, Any]
    seed: str

    @cached_property
    def verb(self) -> str:
        return split(self.operation)[0]

    @cached_property
    def noun(self) -> str:
        return split(self.operation)[1]

    @cached_property
    def creates(self) -> bool:
        return self.verb in CREATING and not self.tags and not relations.makes_nothing(self.service, self.operation)

    @cached_property
    def deletes(self) -> bool:
        return self.verb in DELETING and not self.tags

    @cached_property
    def tags(self) -> tagging.Tags | None:
        return tagging.tags(self.service, self.operation, self.parameters)

    @cached_property
    def given(self) -> dict[str, Any]:
        """The parameters, with what they hold where one of them is the thing itself."""
        return unwrapped(self.noun, self.parameters)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """What is known of the thing that a call creates: what was asked for, and what was answered."""
        known = {**self.given, **{name: value for name, value in self.response.items() if not isinstance(value, (dict, list))}}
        for value in self.response.values():
            one = value[0] if isinstance(value, list) and value else value
            if isinstance(one, dict) and any(identifies(member, self.noun) for member in one):
                known |= {name: item for name, item in one.items() if item}
        return known

    @cached_property
    def identifiers(self) -> Names:
        return identifiers(self.noun, self.fields)

    @cached_property
    def targets(self) -> Names:
        """What the request names."""
        return Names(text for value in self.given.values() for text in strings(value))

    @cached_property
    def mark(self) -> str:
        """What the placeholders have in common that were made for the created thing."""
        return digest(self.seed)

    @cached_property
    def digest(self) -> int:
        text = json.dumps(
            [self.service, self.region, self.operation, self.parameters, self.response, self.seed], sort_keys=True, default=str
        )
        return int(hashlib.sha256(text.encode()).hexdigest(), 16)

    def ready(self) -> Write:
        """The same, with what reads ask it for again and again worked out."""
        _ = self.creates, self.deletes, self.identifiers.ends, self.targets.ends, self.mark, self.digest
        return self

    def is_named_by(self, texts: Names) -> bool:
        """Whether one of the texts names the created thing, by its name or by a placeholder that was made for it."""
        return meet(self.identifiers, texts) or self.has_marked(texts)

    def has_marked(self, texts: Names) -> bool:
        """Whether one of the texts is a placeholder that was made for the created thing."""
        return any(self.mark in text for text in texts)

    def is_owner(self, parameters: Mapping[str, Any]) -> bool:
        """Whether parameters of another request are the created thing's names, and say so."""
        told = Names(text for name, value in parameters.items() if names(singular(name), self.noun) for text in strings(value))
        return meet(self.identifiers, told)


@dataclass(frozen=True)
class Read:
    """One question to AWS: the request and what its answer looks like."""

    service: str
    region: str
    operation: Any
    parameters: dict[str, Any]

    @cached_property
    def noun(self) -> str:
        return split(self.operation.name)[1]

    @property
    def shape(self) -> Any:
        return self.operation.output_shape

    @property
    def is_about_tags(self) -> bool:
        return "tag" in normal(self.noun) and self.service != "ec2"

    @cached_property
    def asked(self) -> Names:
        """The identifiers that the request gives."""
        return Names(text for value in self.parameters.values() for text in strings(value))


@dataclass(frozen=True)
class Change:
    field: str
    before: Any
    after: Any


@dataclass
class Trace:
    """What laying one write over what was read has shown."""

    noted: list[Change] = field(default_factory=list)
    equal: set[str] = field(default_factory=set)
    """The fields that were seen to have the written value already."""
    compared: set[str] = field(default_factory=set)
    """The parameters whose field was seen."""
    found: bool = False
    """Whether the very thing that the write is about was there."""
    inserted: list[dict[str, Any]] = field(default_factory=list)
    """The structures of created things."""

    @property
    def changes(self) -> list[Change]:
        """The fields that a write changes. An answer that leaves a field out says nothing where another answer tells it."""
        told = {change.field for change in self.noted if change.before is not None} | self.equal
        return [change for change in self.noted if change.before is not None or change.field not in told]

    def note(self, name: str, before: Any, after: Any) -> None:
        change = Change(name, before, after)
        if requests.alike(before, after):
            self.equal.add(name)
        elif change not in self.noted:
            self.noted.append(change)


@dataclass
class State:
    """Every write that was recorded, oldest first."""

    writes: list[Write] = field(default_factory=list)
    touched: set[tuple[str, str]] = field(default_factory=set)
    """The services and regions whose writes were looked at."""
    _by_place: dict[tuple[str, str], list[Write]] = field(default_factory=dict)

    def add(self, writes: Iterable[Write]) -> None:
        """Remember writes that were recorded."""
        for write in writes:
            self.writes.append(write)
            self._by_place.setdefault((write.service, write.region), []).append(write)

    def forget_from(self, number: int) -> None:
        """Take all but the oldest writes back, and what was looked at."""
        for write in reversed(self.writes[number:]):
            self._by_place[write.service, write.region].pop()
        del self.writes[number:]
        self.touched.clear()

    def concerning(self, service: str, region: str) -> list[Write]:
        place = service, home(service, region)
        self.touched.add(place)
        return self._by_place.get(place, [])

    def seed(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> str:
        """What tells the thing that a call creates from all others, the same in every run."""
        key = digest(service, home(service, region), operation, requests.ordered(requests.without_tokens(parameters)))
        return f"{key}.{sum(write.seed.startswith(key) for write in self.concerning(service, region))}"

    def digest(self, places: Collection[tuple[str, str]], first: int | None = None) -> int:
        """A digest of the (first) writes in these services and regions, in whatever order tasks side by side have made them."""
        return sum(write.digest for write in self.writes[:first] if (write.service, write.region) in places)

    def lay_over(self, read: Read, answer: dict[str, Any]) -> Trace:
        """Change an answer into what it would be after the recorded writes; what they changed."""
        trace, view = Trace(), View(read, answer)
        for write in self.concerning(read.service, read.region):
            lay_over(write, view, trace)
        # Only now have the created things all that was written to them, such as the tags by which a request may choose.
        if trace.inserted:
            _choose(answer, read.shape, read, {id(item) for item in trace.inserted})
        return trace

    def planned(self, read: Read) -> Write | None:
        """The recorded creation of the very thing that a request names; None when there is none, or it was deleted again."""
        found = None
        for write in self.concerning(read.service, read.region):
            if write.creates and (requests.about(write.noun, read.noun) or read.is_about_tags) and write.is_named_by(read.asked):
                found = write
            elif write.deletes and found and bare(write.noun) == bare(found.noun) and meet(write.targets, found.identifiers):
                found = None
        return found

    def knows(self, read: Read) -> bool:
        """Whether a request names anything that is only planned, if only as the owner of what it asks for."""
        return any(
            write.creates and (write.has_marked(read.asked) or write.is_owner(read.parameters))
            for write in self.concerning(read.service, read.region)
        )

    def written(self, read: Read) -> bool:
        """Whether a recorded write set exactly what a request asks for, such as the policy of a bucket that has none."""
        return any(
            not write.deletes
            and bare(write.noun) == bare(read.noun)
            and (_is_about_the_same(write, read) or not read.parameters)  # there is only one in the account
            for write in self.concerning(read.service, read.region)
        )

    def deleted(self, read: Read) -> bool:
        """Whether the very thing that a request names was deleted by a recorded write; a list names what its things belong to."""
        gone = False
        if read.operation.name.startswith("List"):
            return gone
        for write in self.concerning(read.service, read.region):
            only = not write.parameters and not read.parameters  # there is only one in the account
            if bare(write.noun) == bare(read.noun) and (_is_about_the_same(write, read) or only):
                gone = write.deletes
            gone = gone or relations.ENDINGS.get((write.service, write.operation)) == read.operation.name
        return gone


def _is_about_the_same(write: Write, read: Read) -> bool:
    """Whether a write names what a read asks for: of two names, such as a role's and that of its policy, both."""
    return meet(write.targets, read.asked) and _agree(write, read)


def _agree(write: Write, read: Read) -> bool:
    """Whether a write and a read name the same wherever both name something: each key of an account has a policy C(default)."""
    both = ((Names(strings(write.given.get(name))), Names(strings(value))) for name, value in read.parameters.items())
    return all(meet(told, asked) for told, asked in both if told and asked)


def synthesis(write: Write) -> Synthesis:
    return Synthesis(write.service, write.region, write.seed, births.known(write.service, write.noun, write.fields))


class View:
    """An answer over which writes are laid, and the structures in it."""

    def __init__(self, read: Read, answer: dict[str, Any]) -> None:
        self.read = read
        self.answer = answer
        self.looked_at = False
        """Whether somebody has had structures of it since it was known to be as it is."""
        self._nodes: list[Node] | None = None
        self._texts: set[str] = set()
        self._ends: set[str] = set()

    def __iter__(self) -> Iterator[Node]:
        self.looked_at = True
        return iter(self.nodes)

    @property
    def whole(self) -> Node:
        """The answer itself."""
        self.looked_at = True
        return Node(self.answer, self.read.shape, self.read.noun, (), self.read.asked)

    @property
    def nodes(self) -> list[Node]:
        if self._nodes is None:
            self._nodes = list(nodes(self.answer, self.read.shape, self.read.noun, self.read.asked))
        return self._nodes

    def changed(self) -> None:
        """Look at the answer anew: most writes leave most answers alone, so that is worth being told."""
        self._nodes, self._texts, self._ends, self.looked_at = None, set(), set(), False

    def grown(self, item: dict[str, Any], shape: Any) -> None:
        """Look at a structure that the answer has got, and at what it holds."""
        self._nodes = None
        if self._texts:
            self._remember([Node(item, shape, shape.name, ("",)), *inner_nodes(item, shape, ("",))])

    def may_be_about(self, texts: Names) -> bool:
        """Whether any structure may be one of these things: none of most writes, which need not look at each of them."""
        if not self._texts:
            self._remember(self.nodes)
        return not (texts.isdisjoint(self._texts) and texts.ends.isdisjoint(self._texts) and texts.isdisjoint(self._ends))

    def _remember(self, found: list[Node]) -> None:
        for node in found:
            self._texts |= node.identifiers
            self._ends |= node.identifiers.ends

    @cached_property
    def holds_lists(self) -> bool:
        return any(part.type_name == "list" for part in self.read.shape.members.values())


def lay_over(write: Write, view: View, trace: Trace) -> None:
    """Lay one write over one answer; the trace tells what that changed."""
    read = view.read
    if read.shape is None:
        return
    if write.tags:
        for node in view.nodes if view.may_be_about(write.tags.resources) else ():
            if _tag(node, write, trace):
                view.changed()
        return
    if relations.apply(write, view, trace):
        if view.looked_at:
            view.changed()
        return
    if write.deletes:
        _remove(view.answer, read.shape, write)
        view.changed()
        return
    # There is only one in the account.
    alone = bare(write.noun) == bare(read.noun) and not read.asked and not view.holds_lists
    for node in view.nodes if alone or view.may_be_about(write.targets) else ():
        if alone or (_concerns(write, node) and (node.path or _agree(write, read))):
            trace.found = trace.found or bare(node.thing) == bare(write.noun)
            _merge(node, write, trace)
            view.changed()
    if write.creates:
        _insert(view.answer, read.shape, write, view, trace)


def _concerns(write: Write, node: Node) -> bool:
    """Whether a write is about the very thing that a structure describes."""
    if not meet(write.targets, node.identifiers):
        return False
    kind, thing = bare(write.noun), bare(node.thing)
    related = kind == thing or (not node.path and kind.startswith(thing)) or (kind.startswith(thing) and not write.creates)
    for name, value in write.given.items():
        told = Names(strings(value))
        if not told or not meet(told, node.identifiers):
            continue
        if related and (identifies(name, node.thing) or not node.path):
            return True
        if names(name, node.thing) and not (write.creates and write.verb != "Put"):
            return True
    return False


def _merge(node: Node, write: Write, trace: Trace) -> None:
    for parameter, name, value in relations.fields(write, node.value):
        if set(strings(value)) & node.identifiers:
            trace.compared.add(parameter)
            continue
        member = _member(node, name)
        if member and not (write.noun.endswith("Attribute") and member not in node.value):
            trace.compared.add(parameter)
            _set(node, member, value, write.verb, trace)
        elif isinstance(value, Mapping) and not node.path and bare(write.noun) == bare(node.thing):
            for inner, item in value.items():
                member = _member(node, inner)
                if member:
                    trace.compared.add(parameter)
                    _set(node, member, item, write.verb, trace)


def _member(node: Node, name: str) -> str | None:
    if name in node.shape.members:
        return name
    return next((member for member in node.shape.members if normal(member) == normal(name)), None)


def _set(node: Node, member: str, value: Any, verb: str, trace: Trace) -> None:
    shape = node.shape.members[member]
    before = node.value.get(member)
    if isinstance(value, Mapping) and set(value) == {"Value"} and shape.type_name != "structure":
        value = value["Value"]
    document = requests.document(value) if isinstance(before, (dict, list)) and isinstance(value, str) else None
    if document is not None:
        value = document
    elif fits(value, shape):
        value = fit(value, shape)
    else:
        return
    after = value if verb == "Put" else requests.merged(before, value)
    for name, old, new in requests.pairs(member, before, after):
        trace.note(name, old, new)
    node.value[member] = copy.deepcopy(after)


def _tag(node: Node, write: Write, trace: Trace) -> bool:
    """Set and remove tags; whether the structure is one of those that the write is about."""
    tags = write.tags
    if tags is None or not _is_tagged(node, tags.resources) or not _is_of_kind(node, tags.kind):
        return False
    for member, shape in node.shape.members.items():
        if normal(member) in tagging.MEMBERS:
            before = tagging.read_tags(node.value.get(member))
            after = {**{key: value for key, value in before.items() if key not in tags.remove}, **tags.add}
            node.value[member] = tagging.shaped_tags(after, shape)
            trace.compared |= set(write.parameters)
            for key in sorted({*before, *after}):
                trace.note(f"Tags.{key}", before.get(key), after.get(key))
    return True


def _is_tagged(node: Node, resources: Names) -> bool:
    """Whether a structure describes one of these; where both tell ARNs, those count, for things of two kinds may have one name."""
    arns = {text for text in node.identifiers if text.startswith("arn:")}
    if arns and all(text.startswith("arn:") for text in resources):
        return bool(arns & resources)
    return meet(resources, node.identifiers)


def _is_of_kind(node: Node, kind: str) -> bool:
    """Whether a structure describes a thing of this kind, or answers a question about one: things of two kinds may have one name."""
    return not kind or normal(kind) in tails(node.thing) or (not node.path and normal(kind) in normal(node.thing))


def _remove(value: dict[str, Any], shape: Any, write: Write) -> None:
    """Take a deleted thing out of every list of such things, and its name out of every list of their names."""
    for member, part in shape.members.items():
        if part.type_name == "list" and isinstance(value.get(member), list):
            kept = []
            for item in value[member]:
                if isinstance(item, dict) and part.member.type_name == "structure":
                    if bare(part.member.name) == bare(write.noun) and meet(identifiers(part.member.name, item), write.targets):
                        continue
                    _remove(item, part.member, write)
                elif isinstance(item, str) and names(singular(member), write.noun) and item in write.targets:
                    continue
                kept.append(item)
            value[member] = kept
        elif part.type_name == "structure" and isinstance(value.get(member), dict):
            _remove(value[member], part, write)


def _insert(answer: dict[str, Any], shape: Any, write: Write, view: View, trace: Trace) -> None:
    """Put a created thing where an answer holds things of its kind."""
    for member, part in shape.members.items():
        if part.type_name == "list":
            _insert_in_list((answer, member), part, write, view, trace)
        elif part.type_name == "structure" and bare(part.name) == bare(write.noun) and member not in answer:
            if meet(write.identifiers, view.read.asked):
                answer[member] = synthesis(write).structure(part, write.noun)
                view.grown(answer[member], part)
        elif part.type_name == "structure" and member in answer and part.name.endswith("List"):
            _insert(answer[member], part, write, view, trace)


def _insert_in_list(holder: tuple[dict[str, Any], str], shape: Any, write: Write, view: View, trace: Trace) -> None:
    (answer, member), element, read = holder, shape.member, view.read
    if element.type_name == "structure" and bare(element.name) == bare(write.noun):
        item = synthesis(write).structure(element, write.noun)
        items, known = answer.setdefault(member, []), identifiers(element.name, item)
        if not (view.may_be_about(known) and any(meet(identifiers(element.name, other), known) for other in items)):
            items.append(item)
            view.grown(item, element)
            trace.inserted.append(item)
    elif element.type_name == "structure" and element.name == "Reservation":
        inner = next((name for name, part in element.members.items() if _holds(part, write)), None)
        if inner:
            wrapper: dict[str, Any] = {}
            _insert_in_list((wrapper, inner), element.members[inner], write, view, trace)
            if wrapper.get(inner):
                answer.setdefault(member, []).append(wrapper)
    elif element.type_name == "string" and names(singular(member), write.noun) and bare(read.noun) in (bare(write.noun), bare(member)):
        fields = synthesis(write).fields
        text = lookup(fields, singular(member))
        if isinstance(text, str) and text not in answer.setdefault(member, []) and requests.wants(read.parameters, fields, write.noun):
            answer[member].append(text)


def _choose(value: dict[str, Any], shape: Any, read: Read, inserted: set[int]) -> None:
    """Take the created things that the request does not ask for out again; `inserted` tells them by their place in memory."""
    for member, part in shape.members.items():
        if part.type_name == "structure" and isinstance(value.get(member), dict):
            _choose(value[member], part, read, inserted)
        elif part.type_name == "list" and part.member.type_name == "structure" and isinstance(value.get(member), list):
            kept = []
            for item in value[member]:
                held = any(isinstance(inner, list) and any(id(one) in inserted for one in inner) for inner in item.values())
                _choose(item, part.member, read, inserted)
                if id(item) in inserted:
                    held = not requests.wants(read.parameters, item, part.member.name)
                elif held:
                    held = not any(isinstance(inner, list) and inner for inner in item.values())
                if not held:
                    kept.append(item)
            value[member] = kept


def _holds(part: Any, write: Write) -> bool:
    return part.type_name == "list" and part.member.type_name == "structure" and bare(part.member.name) == bare(write.noun)


def plain(value: Any) -> Any:
    """A copy of a request or an answer that passes between processes: streams and odd types become text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool, datetime.datetime)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return f"({len(value)} bytes, {digest(bytes(value).hex())})"
    return str(value) if not hasattr(value, "read") else "(a stream)"
