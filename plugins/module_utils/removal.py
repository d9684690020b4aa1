# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove one resource: delete it, wait until it is gone, and name what keeps it when something does."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError
from ansible_collections.indivillage.infra.plugins.module_utils.removal_blockers import Clients, blockers, kept_for
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import KINDS, Call
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import STEPS, Removal, wait_for

with suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError, WaiterError

# Error codes by which the services say the same two things in their own words.
GONE = re.compile(r"NotFound|NoSuch|Non[Ee]xistent|DoesNotExist|NotExist")
IN_USE = re.compile(
    r"InUse|ClusterContains|Dependency|DeleteConflict|^ConflictException$|AssociatedItem|BucketNotEmpty|Invalid\w+State|IncorrectState"
    r"|ScalingActivityInProgress"
)


def remove(clients: Clients, removal: Removal) -> bool:
    """Delete the resource and return when it is gone; False when it was gone before.

    Something may use it for a while that is being deleted itself, a load balancer's network interfaces for minutes: so refusals are
    waited out. ResourceError names what uses it when the time is up.
    """
    step = STEPS.get(removal.kind) or _by_calls
    client, deadline = clients(KINDS[removal.kind].service), time.monotonic() + removal.wait_timeout_seconds
    missing = False
    while True:
        try:
            step(client, removal)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if GONE.search(code):
                # The first time it may be a part of the resource that is missing, a rule that another group's removal has revoked.
                if missing:
                    return False
                missing = True
                continue
            if not IN_USE.search(code):
                raise
            if time.monotonic() >= deadline:
                raise ResourceError(_refusal(clients, removal, error)) from error
        except WaiterError as error:
            raise ResourceError(
                f"{describe(removal)} is being deleted, and still was after {removal.wait_timeout_seconds:g} seconds"
            ) from error
        else:
            return True
        time.sleep(removal.poll_seconds)


def why_kept(clients: Clients, removal: Removal) -> str | None:
    """Why the resource has to stay although it was chosen; None when it may go."""
    reason = kept_for(clients, removal)
    return reason and f"{describe(removal)} stays: {reason}"


def describe(removal: Removal) -> str:
    """The resource in words, as C(security group sg-0a1b2c3d)."""
    return f"{KINDS[removal.kind].title} {removal.id}"


def _refusal(clients: Clients, removal: Removal, error: Any) -> str:
    found = blockers(clients, removal)
    if found:
        return f"{describe(removal)} is used by {', '.join(found)}. Remove that first, or take it out of use."
    return f"AWS says that {describe(removal)} is in use, and nothing is to be seen that uses it: {error}"


def _by_calls(client: Any, removal: Removal) -> None:
    kind = KINDS[removal.kind]
    if kind.delete:
        operation, arguments = _filled(kind.delete, removal)
        for refused in getattr(client, operation)(**arguments).get("Unsuccessful", []):
            if not GONE.search(refused["Error"]["Code"]):
                raise ResourceError(refused["Error"]["Message"])
    if kind.gone:
        waiter, arguments = _filled(kind.gone, removal)
        wait_for(client, waiter, removal, **arguments)


def _filled(call: Call, removal: Removal) -> Call:
    """The call with the resource's own values in place of C(arn) and C(id)."""
    values = {"arn": removal.arn, "id": removal.id}
    operation, arguments = call
    return operation, {
        key: [values[item] for item in value] if isinstance(value, list) else values[value] for key, value in arguments.items()
    }
