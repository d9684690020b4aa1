# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One engine for AWS resource modules: a module says how to find, create, update and delete; the rest is here, once.

The engine compares only what the task declared, at every depth, because AWS fills in defaults that are not drift.
Both sides pass the same normaliser before they are compared. Nothing is written in check mode, a diff names each
changed field, and after a write the resource is read back: a change that AWS accepted but does not report fails.

Under the worker's write guard check mode makes its calls all the same, for they are recorded instead of sent and seen by
the tasks that follow; only what would be waited for is left out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import compare_aws_tags
from ansible_collections.indivillage.infra.plugins.module_utils import planning

try:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule reports the missing library

READ_BACK_SECONDS = 60  # AWS reads are eventually consistent; a minute is far more than they have been seen to take
POLL_SECONDS = 0.5

Properties = dict[str, Any]

STATE: Properties = {"state": {"choices": ["present", "absent"], "default": "present"}}
TAGS: Properties = {"tags": {"type": "dict", "aliases": ["resource_tags"]}, "purge_tags": {"type": "bool", "default": True}}


class ResourceError(Exception):
    """A failure that the user can act on; the text says what is wrong, where, and what to do."""


class Resource:
    """One AWS resource, as its module declares it.

    A subclass names its options and properties and implements find, create, update and delete. Properties are named as
    the module's options are, so that a difference reads in the user's own words.
    """

    service: ClassVar[str]
    """The boto3 client's name."""
    kind: ClassVar[str]
    """What messages call the resource, for example C(log group)."""
    options: ClassVar[dict[str, Any]]
    """The argument specification, without state and tags."""
    constraints: ClassVar[dict[str, Any]] = {}
    """Further keyword arguments of AnsibleModule: required_if, mutually_exclusive ..."""
    properties: ClassVar[tuple[str, ...]] = ()
    """The options that are compared with what AWS reports."""
    ordered: ClassVar[frozenset[str]] = frozenset()
    """Properties that are lists whose order has a meaning; all other lists are compared as sets."""
    exact: ClassVar[frozenset[str]] = frozenset()
    """Properties that are dicts of which the task declares every key; keys that only AWS reports are a difference."""
    immutable: ClassVar[frozenset[str]] = frozenset()
    """Properties that AWS cannot change on an existing resource."""
    deferred: ClassVar[frozenset[str]] = frozenset()
    """Properties that AWS goes on reporting with their old value while it is still at work on an accepted change."""
    replaceable: ClassVar[bool] = False
    """Whether a changed immutable property may delete and create anew, because the resource holds nothing of value."""
    taggable: ClassVar[bool] = True
    """Whether it can carry tags; C(find) of one that cannot leaves them out."""
    tagged_first: ClassVar[bool] = False
    """Whether tags are put right before anything else, since who may change the resource may do so by its tags alone."""
    lasting: ClassVar[bool] = False
    """Whether it is always there: settings of an account, which are changed and neither created nor deleted."""

    def __init__(self, module: AnsibleAWSModule, client: Any) -> None:
        self.module = module
        self.client = client
        self.params: Properties = module.params

    @property
    def name(self) -> str:
        """The natural key, for messages."""
        return str(self.params["name"])

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"

    def declared(self) -> Properties:
        """The compared properties as the task declares them, None where it leaves one alone; ResourceError for nonsense."""
        return {key: self.params[key] for key in self.properties}

    def find(self) -> Properties | None:
        """The resource as AWS reports it, by property name, with its C(tags) as a dict; None when it does not exist.

        A property that is left out is one that AWS does not report at the moment, or that nobody asked for; it is not compared.
        """
        raise NotImplementedError

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        """Create it with the declared properties and tags."""
        raise NotImplementedError

    def update(self, current: Properties, changes: Properties) -> None:
        """Change the given properties of the existing resource; C(changes) holds only what differs."""
        raise NotImplementedError

    def permit_deletion(self, current: Properties) -> None:
        """Raise ResourceError when the existing resource must not be deleted; asked in check mode too, for it shall tell the truth."""

    def delete(self, current: Properties) -> None:
        """Delete the existing resource."""
        raise NotImplementedError

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        """Set and remove tags of the existing resource."""
        raise NotImplementedError

    def shown(self, properties: Properties) -> Properties:
        """What of the properties may appear in the result; a resource that holds secrets hides them here."""
        return properties

    def settle(self, current: Properties) -> Properties:
        """Wait, where the module offers it, until the existing resource is ready; the resource as it is then."""
        return current


def normalise(value: Any, *, ordered: bool = False) -> Any:
    """The form in which values are compared: no None in dicts, numbers alike, unordered lists sorted."""
    if isinstance(value, Mapping):
        return {key: normalise(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [normalise(item) for item in value]
        return items if ordered else sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return float(value) if isinstance(value, int) else value


def matches(wanted: Any, current: Any) -> bool:
    """Whether the normalised current value holds all of the wanted one; keys that were not declared do not count."""
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(matches(value, current.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(current, list):
        return len(wanted) == len(current) and all(map(matches, wanted, current))
    return bool(wanted == current)


def differences(resource: type[Resource], wanted: Properties, current: Properties) -> Properties:
    """The declared properties whose value differs from the one that AWS reports."""

    def same(key: str) -> bool:
        left, right = (normalise(side[key], ordered=key in resource.ordered) for side in (wanted, current))
        return bool(left == right) if key in resource.exact else matches(left, right)

    return {key: value for key, value in wanted.items() if key in current and not same(key)}


def wait_until(probe: Callable[[], bool], what: str, timeout_seconds: float, interval_seconds: float = POLL_SECONDS) -> None:
    """Return when the probe is true; raise ResourceError naming what was waited for when the time is up."""
    deadline = time.monotonic() + timeout_seconds
    while not probe():
        if time.monotonic() >= deadline:
            raise ResourceError(f"Waited {timeout_seconds:g} seconds for {what}, which did not happen.")
        time.sleep(interval_seconds)


@contextmanager
def reporting(module: AnsibleAWSModule, action: str) -> Iterator[None]:
    """End the module with one clear message when AWS refuses; the action completes the sentence "Could not ..."."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not {action}")
    except ResourceError as error:
        module.fail_json(msg=f"Could not {action}: {error}")


def aws_client(module: AnsibleAWSModule, service: str, **options: Any) -> Any:
    """A client that retries throttled and failed calls with jitter, as every call of the engine needs it; options as of boto3."""
    return module.client(service, config=Config(retries={"mode": "standard", "max_attempts": 10}), **options)


def run(resource_class: type[Resource]) -> None:
    """The whole module: read the arguments, bring the resource to the declared state, report, exit."""
    argument_spec = {
        **({} if resource_class.lasting else STATE),
        **(TAGS if resource_class.taggable else {}),
        **resource_class.options,
    }
    module = AnsibleAWSModule(argument_spec=argument_spec, supports_check_mode=True, **resource_class.constraints)
    resource = resource_class(module, aws_client(module, resource_class.service))
    with reporting(module, f"read {resource}"):
        current = resource.find()
    result = ensure_absent(resource, current) if module.params.get("state") == "absent" else ensure_present(resource, current)
    module.exit_json(**result)


def ensure_absent(resource: Resource, current: Properties | None) -> Properties:
    """Delete the resource if it exists; the module's result."""
    if current is None:
        return {"changed": False, "resource": {}, "diff": {"before": {}, "after": {}}}
    with reporting(resource.module, f"delete {resource}"):
        resource.permit_deletion(current)
        if _may_write(resource):
            resource.delete(current)
            if not resource.module.check_mode:
                wait_until(lambda: resource.find() is None, f"{resource} to disappear", READ_BACK_SECONDS)
    return {"changed": True, "resource": {}, "diff": {"before": resource.shown(current), "after": {}}}


def _may_write(resource: Resource) -> bool:
    return planning.active or not resource.module.check_mode


def ensure_present(resource: Resource, current: Properties | None) -> Properties:
    """Create or update the resource; the module's result."""
    with reporting(resource.module, f"manage {resource}"):
        wanted = {key: value for key, value in resource.declared().items() if value is not None}
    given = resource.params.get("tags")
    tags: dict[str, str] | None = given and {key: str(value) for key, value in given.items()}
    if current is None:
        return _create(resource, wanted, tags or {})
    if not resource.module.check_mode:
        with reporting(resource.module, f"see {resource} ready"):
            current = resource.settle(current)
    return _update(resource, current, wanted, tags)


def _create(resource: Resource, wanted: Properties, tags: dict[str, str]) -> Properties:
    after = {**wanted, **({"tags": tags} if resource.taggable else {})}
    result = {"changed": True, "resource": resource.shown(after), "diff": {"before": {}, "after": resource.shown(after)}}
    if not _may_write(resource):
        return result
    with reporting(resource.module, f"create {resource}"):
        resource.create(wanted, tags)
        created = _written(resource, after)
    return {**result, "resource": resource.shown(created)}


def _update(resource: Resource, current: Properties, wanted: Properties, tags: dict[str, str] | None) -> Properties:
    changes = differences(type(resource), wanted, current)
    fixed = sorted(resource.immutable & changes.keys())
    add, remove = compare_aws_tags(current["tags"], tags, resource.params["purge_tags"]) if tags is not None else ({}, [])
    retagged = {key: value for key, value in (current.get("tags", {}) | add).items() if key not in remove}
    after = {**changes, **({"tags": retagged} if add or remove else {})}
    before = {key: current.get(key) for key in after}
    result = {"changed": bool(after), "diff": {"before": resource.shown(before), "after": resource.shown(after)}}

    if fixed and not resource.replaceable:
        listing = ", ".join(f"{key} is {current.get(key)!r} and is declared as {changes[key]!r}" for key in fixed)
        resource.module.fail_json(
            msg=f"AWS cannot change this on the existing {resource}: {listing}. Declare what exists, or delete it with state=absent first.",
            **result,
        )
    if not after or not _may_write(resource):
        return {**result, "resource": resource.shown({**current, **after})}

    with reporting(resource.module, f"change {', '.join(sorted(after))} of {resource}"):
        if fixed:
            resource.delete(current)
            resource.create({**{key: current[key] for key in resource.properties if current.get(key) is not None}, **wanted}, retagged)
        else:
            retag = bool(add or remove)
            if retag and resource.tagged_first:
                resource.tag(current, add, remove)
            if changes:
                resource.update(current, changes)
            if retag and not resource.tagged_first:
                resource.tag(current, add, remove)
        updated = _written(resource, after)
    return {**result, "resource": resource.shown(updated)}


def _written(resource: Resource, after: Properties) -> Properties:
    """The resource after a write, as soon as it is what the module waits for; of a plan, as far as it can be told."""
    if not resource.module.check_mode:
        return resource.settle(_read_back(resource, after))
    return {**(resource.find() or {}), **after}


def _read_back(resource: Resource, written: Properties) -> Properties:
    """The resource after a write, once AWS reports what was written."""
    expected = {key: value for key, value in written.items() if key not in resource.deferred}
    seen: Properties = {}

    def reported() -> bool:
        seen.clear()
        seen.update(resource.find() or {})
        return bool(seen) and not differences(type(resource), expected, seen)

    try:
        wait_until(reported, "AWS to report it", READ_BACK_SECONDS)
    except ResourceError as error:
        if not seen:  # it never came, or find says itself what is wrong with it
            raise
        pending = resource.shown({key: seen.get(key) for key in differences(type(resource), expected, seen)})
        raise ResourceError(f"AWS accepted the change, yet after {READ_BACK_SECONDS} seconds still reports {pending}.") from error
    return seen
