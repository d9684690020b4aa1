#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: address_block
version_added: 0.2.0
short_description: Keep the list of addresses that an environment blocks, each with its end
description:
  - Adds and removes networks, forgets those whose time is over, and returns what is to be blocked from now on.
    M(indivillage.infra.network_denials) and M(indivillage.infra.web_denials) carry it out.
  - A network that is blocked already keeps its end, unless O(hours) says another one.
options:
  incident:
    description: The open incident because of which it is done. Needed for O(block) and O(unblock).
    type: str
  block:
    description: Networks or addresses, IPv4 or IPv6.
    type: list
    elements: str
    default: []
  unblock:
    description: The same, to be let in again.
    type: list
    elements: str
    default: []
  hours:
    description: For how long.
    type: float
    default: 24
  own_networks:
    description: Networks of which none may be blocked, such as those of the estate and of its administrators.
    type: list
    elements: str
    default: []
  widest:
    description: The shortest prefixes that may be blocked.
    type: dict
    default: {"4": 16, "6": 32}
extends_documentation_fragment:
  - indivillage.infra.incidents
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells what would be written.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Block two addresses for a day
  indivillage.infra.address_block:
    environment_name: production
    table: indivillage-production-incidents
    incident: 2026-03-01-web-probe
    block: [203.0.113.7, 2001:db8::/64]
    hours: 24
"""

RETURN = r"""
blocked:
  description: What is to be blocked from now on.
  returned: always
  type: list
  elements: dict
  sample:
    - network: 203.0.113.7/32
      incident: 2026-03-01-web-probe
      since: "2026-03-01T02:00:00.000+00:00"
      until: "2026-03-02T02:00:00.000+00:00"
networks:
  description: The same as a list of networks.
  returned: always
  type: list
  elements: str
added: &networks
  description: Networks that were not blocked before, or to another end.
  returned: always
  type: list
  elements: str
removed: *networks
expired: *networks
"""

from ipaddress import ip_network
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.incidents import IncidentLog, later, now


def network(text: str) -> str:
    """A network in its one form; ResourceError for what is none."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ResourceError(f"{text} is no address and no network: {error}.") from error


def refuse_own(wanted: list[str], own: list[str], widest: dict[str, int]) -> None:
    """ResourceError for a network whose blocking would do more harm than good."""
    for text in wanted:
        given = ip_network(text)
        shortest = int(widest[str(given.version)])
        if given.prefixlen < shortest:
            raise ResourceError(
                f"{text} is wider than /{shortest} (aws_incidents_widest_block), which would shut out too many. Name parts of it."
            )
        for other in own:
            if given.version == ip_network(other).version and given.overlaps(ip_network(other)):
                raise ResourceError(f"{text} is, or has a part, in {other}, which is the estate's or its administrators' own.")


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{key: {"required": True} for key in ("environment_name", "table")},
            "incident": {},
            **{key: {"type": "list", "elements": "str", "default": []} for key in ("block", "unblock", "own_networks")},
            "hours": {"type": "float", "default": 24},
            "widest": {"type": "dict", "default": {"4": 16, "6": 32}},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    log = IncidentLog(aws_client(module, "dynamodb"), aws_client(module, "sts"), params["table"], params["environment_name"])
    moment = now()
    with reporting(module, f"keep the blocked addresses of {params['environment_name']}"):
        wanted, unwanted = ([network(text) for text in params[key]] for key in ("block", "unblock"))
        refuse_own(wanted, params["own_networks"], params["widest"])
        if wanted or unwanted:
            if not params["incident"]:
                raise ResourceError("incident is missing: name the one because of which it is done.")
            log.of_open(params["incident"])
        blocks = {block["network"]: block for block in log.blocks()}
        expired = [name for name, block in blocks.items() if block["until"] <= moment and name not in wanted]
        removed = [name for name in unwanted if name in blocks]
        until = later(moment, params["hours"] * 60)
        added = {
            name: {"network": name, "incident": params["incident"], "since": moment, "hours": params["hours"], "until": until}
            for name in wanted
            if name not in blocks or blocks[name]["hours"] != params["hours"] or blocks[name]["until"] <= moment
        }
        if not module.check_mode:
            for block in added.values():
                log.block(block)
            for name in {*expired, *removed}:
                log.unblock(name)
    blocked = [block for name, block in sorted({**blocks, **added}.items()) if name not in {*expired, *removed}]
    changed = bool(added or removed or expired)
    module.exit_json(
        changed=changed,
        blocked=blocked,
        networks=[block["network"] for block in blocked],
        added=sorted(added),
        removed=sorted(removed),
        expired=sorted(expired),
        diff={"before": {"blocked": sorted(blocks)}, "after": {"blocked": [block["network"] for block in blocked]}} if changed else {},
    )


if __name__ == "__main__":
    main()
