#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: active_region
version_added: 0.1.0
short_description: Tell, or decide, in which of two regions an environment is written
description:
  - Each region has a parameter C(<number> <region>) that names the region which is written, and how often that has changed. The highest
    number counts, so a region that was out while another took over is outvoted when it is back. Where no region has one, it is the first.
  - A decision is written in the region that becomes active before any other, and must be; in a region that is out it is written by the next
    decision, or when the same one is asked for again.
options:
  name:
    description: Name of the Systems Manager parameter.
    type: str
    required: true
  regions:
    description: The regions of the environment; the first one is active as long as nobody has decided.
    type: list
    elements: str
    required: true
  active:
    description: The region that is to be active; when left out the module only tells.
    type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Ask which region is active
  indivillage.infra.active_region:
    name: /indivillage/production/active-region
    regions: [us-east-1, us-west-2]
  register: region

- name: Go on in the other one
  indivillage.infra.active_region:
    name: /indivillage/production/active-region
    regions: [us-east-1, us-west-2]
    active: us-west-2
"""

RETURN = r"""
active:
  description: The region that is active, in check mode as it would become.
  returned: always
  type: str
  sample: us-west-2
number:
  description: How often that was decided.
  returned: always
  type: int
  sample: 1
silent:
  description: Regions whose API does not answer.
  returned: always
  type: list
  elements: str
  sample: [us-east-1]
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, reporting

try:
    from botocore.config import Config
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
except ImportError:
    pass  # AnsibleAWSModule reports the missing library

# A region that is out must not be waited for as long as one that throttles.
PATIENCE = {"retries": {"mode": "standard", "max_attempts": 2}, "connect_timeout": 5, "read_timeout": 10}
SERVER_ERROR = 500
Decision = tuple[int, str]


def parse(value: str, regions: list[str]) -> Decision:
    """The decision that a parameter holds; ResourceError for what is none."""
    number, _, region = value.partition(" ")
    if not number.isdigit() or region not in regions:
        raise ResourceError(f"the parameter holds '{value}', which is not a number and one of {', '.join(regions)}.")
    return int(number), region


def read(client: Any, name: str, regions: list[str]) -> Decision | None:
    """What one region knows, None when it knows nothing."""
    found = client.get_parameters(Names=[name])["Parameters"]
    return parse(found[0]["Value"], regions) if found else None


def answer(clients: dict[str, Any], name: str) -> tuple[dict[str, Decision | None], list[str]]:
    """What each region knows that answers, and the regions that do not."""
    known: dict[str, Decision | None] = {}
    silent = []
    for region, client in clients.items():
        try:
            known[region] = read(client, name, list(clients))
        except (ConnectionError, HTTPClientError):
            silent.append(region)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < SERVER_ERROR:
                raise
            silent.append(region)
    return known, silent


def decide(known: dict[str, Decision | None], regions: list[str], wanted: str | None) -> tuple[Decision, list[str]]:
    """The decision that counts, and the regions in which it has to be written, the active one first."""
    latest = max((decision for decision in known.values() if decision), default=(0, regions[0]))
    if wanted is None:
        return latest, []
    if wanted != latest[1]:
        latest = (latest[0] + 1, wanted)
    outdated = [region for region, decision in known.items() if (decision or (0, regions[0])) != latest]
    return latest, sorted(outdated, key=lambda region: region != wanted)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"required": True},
            "regions": {"type": "list", "elements": "str", "required": True},
            "active": {},
        },
        supports_check_mode=True,
    )
    name, regions, wanted = (module.params[key] for key in ("name", "regions", "active"))
    if wanted is not None and wanted not in regions:
        module.fail_json(msg=f"active is '{wanted}', which is not one of the regions {', '.join(regions)}.")
    clients = {region: module.client("ssm", region=region, config=Config(**PATIENCE)) for region in regions}
    with reporting(module, f"read which region is active ({name})"):
        known, silent = answer(clients, name)
        if wanted in silent:
            raise ResourceError(f"{wanted} is to become active and its API does not answer.")
    (number, active), outdated = decide(known, regions, wanted)
    with reporting(module, f"write that {active} is active"):
        for region in outdated if planning.active or not module.check_mode else []:
            clients[region].put_parameter(Name=name, Value=f"{number} {active}", Type="String", Overwrite=True)
    module.exit_json(changed=bool(outdated), active=active, number=number, silent=silent)


if __name__ == "__main__":
    main()
