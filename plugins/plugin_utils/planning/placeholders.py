# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what only AWS can give: ids, ARNs and addresses of things that a plan creates.

A placeholder holds `planned-<8 hex>`; the digits come from what is created, so they are the same on every machine and differ between
things. Around them stands what modules look at: `vpc-planned-1a2b3c4d` is an id of a VPC to them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

# Modules tell ids of EC2 from names by their hexadecimal digits; within a module a placeholder has them too.
SHAPED = "facade000"
MARK = re.compile(rf"(planned-|{SHAPED})[0-9a-f]{{8}}")
INWARD = re.compile(r"(?<![\w-])([a-z]+(?:-[a-z]+)*)-planned-([0-9a-f]{8})(?![\w-])")
OUTWARD = re.compile(rf"-{SHAPED}([0-9a-f]{{8}})")
ACCOUNT = "000000000000"
# How ids of EC2 and Systems Manager begin, by the name that the API gives the thing.
PREFIXES = {
    "address": "eipalloc",
    "allocation": "eipalloc",
    "association": "assoc",
    "baseline": "pb",
    "egressonlyinternetgateway": "eigw",
    "flowlog": "fl",
    "image": "ami",
    "instance": "i",
    "internetgateway": "igw",
    "keypair": "key",
    "launchtemplate": "lt",
    "natgateway": "nat",
    "networkacl": "acl",
    "networkinterface": "eni",
    "reservation": "r",
    "routetable": "rtb",
    "securitygroup": "sg",
    "securitygrouprule": "sgr",
    "group": "sg",
    "snapshot": "snap",
    "subnet": "subnet",
    "transitgateway": "tgw",
    "transitgatewayattachment": "tgw-attach",
    "volume": "vol",
    "vpc": "vpc",
    "vpcendpoint": "vpce",
    "vpcpeeringconnection": "pcx",
    "window": "mw",
}
# Ids that the API takes only when they are as long as a UUID.
LONG = {"windowtarget", "windowtask"}


def digest(*parts: Any) -> str:
    """Eight hex digits of the given values; the same for equal values, on every machine."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def placeholder(service: str, region: str, member: str, seed: str) -> str:
    """The placeholder for a member of an AWS structure; the seed tells whose it is."""
    mark = f"planned-{digest(seed)}"
    name = member.lower()
    if name.endswith("arn"):
        return f"arn:aws:{service}:{region}:{ACCOUNT}:{mark}"
    if name.endswith(("url", "uri")):
        return f"https://{mark}.invalid/"
    if service == "ssm" and name.removesuffix("id") in LONG:
        return f"{mark}-{'0' * 19}"
    if service in ("ec2", "ssm") and name.endswith("id"):
        prefix = PREFIXES.get(name.removesuffix("id"))
        return f"{prefix}-{SHAPED}{digest(seed)}" if prefix else mark
    return mark


def holds(value: Any) -> bool:
    """Whether there is a placeholder anywhere in a value."""
    if isinstance(value, str):
        return MARK.search(value) is not None
    if isinstance(value, Mapping):
        return any(holds(item) for item in value.values()) or any(holds(key) for key in value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(holds(item) for item in value)
    return False


def inward(text: str) -> str:
    """A task's parameters as its module gets them: ids of EC2 look like ids of EC2."""
    return INWARD.sub(rf"\1-{SHAPED}\2", text)


def outward(value: Any) -> Any:
    """A module's values as everybody else gets them."""
    if isinstance(value, str):
        return OUTWARD.sub(r"-planned-\1", value)
    if isinstance(value, Mapping):
        return {outward(key): outward(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [outward(item) for item in value]
    return value
