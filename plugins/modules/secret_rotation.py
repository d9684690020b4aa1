#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secret_rotation
version_added: 0.2.0
short_description: Take a secret that is a JSON object from one value to the next, in steps
description:
  - How far a rotation is, the secret itself tells by the stages of its versions, so that a run which was killed is completed by the next.
  - The next value is in stage C(AWSPENDING) alone until O(step=promote) gives it C(AWSCURRENT) as well. From then on whoever reads the
    secret gets it, and what was before is in C(AWSPREVIOUS). O(step=finish) takes C(AWSPENDING) away; no rotation is under way then.
  - A step that is done already, or that is not due, changes nothing.
options:
  name:
    description: Name of the secret, which exists and is a JSON object.
    type: str
    required: true
  step:
    description:
      - V(look) reads alone. V(begin) makes the next value, unless there is one. V(promote) makes it the current one. V(finish) ends the
        rotation.
      - V(demote) is the way back from V(promote), of use while the former value still opens the door, and V(abandon) from V(begin).
    type: str
    choices: [look, begin, promote, finish, demote, abandon]
    required: true
  fields:
    description: Fields of the next value that differ from those of the current one.
    type: dict
    default: {}
  generate:
    description: Names of fields that get a new random value of letters and digits.
    type: list
    elements: str
    default: []
  length:
    description: Length of a generated value.
    type: int
    default: 32
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells whether the step would change anything; the values are those that there are.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Make the next token of the cache
  indivillage.infra.secret_rotation:
    name: /indivillage/production/cache/credentials
    step: begin
    generate: [auth_token]
  no_log: true
  register: rotation

- name: Let whoever reads the secret have it
  indivillage.infra.secret_rotation:
    name: /indivillage/production/cache/credentials
    step: promote
  no_log: true
"""

RETURN = r"""
progress:
  description:
    - V(none) when no rotation is under way, V(pending) while only C(AWSPENDING) has the next value, V(promoted) when it is the current one
      too.
  returned: always
  type: str
  sample: pending
current:
  description: The fields of the current value. A task that registers them needs C(no_log).
  returned: always
  type: dict
  sample: {auth_token: aVeryLongRandomText}
pending:
  description: The fields of the next value; empty when there is none.
  returned: always
  type: dict
  sample: {auth_token: anotherVeryLongRandomText}
previous:
  description: The fields of the value before the current one; empty when there was none.
  returned: always
  type: dict
  sample: {}
"""

import json
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.random_text import random_text

PENDING = "AWSPENDING"
CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"


@dataclass
class Rotation:
    """A secret's rotation, as its stages tell it."""

    client: Any
    name: str

    def stages(self) -> dict[str, str]:
        """Stage -> id of the version that has it."""
        versions = self.client.describe_secret(SecretId=self.name).get("VersionIdsToStages", {})
        return {stage: version for version, stages in versions.items() for stage in stages}

    def values(self, stages: dict[str, str]) -> dict[str, dict[str, Any]]:
        """The fields of each value, by the word for it."""
        return {word: self._value(stage, stages) for word, stage in (("current", CURRENT), ("pending", PENDING), ("previous", PREVIOUS))}

    def _value(self, stage: str, stages: dict[str, str]) -> dict[str, Any]:
        if stage not in stages:
            return {}
        try:
            value = json.loads(self.client.get_secret_value(SecretId=self.name, VersionStage=stage)["SecretString"])
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ResourceError(f"its value in {stage} is not a JSON object.")
        return value

    def move(self, stage: str, source: str, target: str | None = None) -> None:
        """Take a stage from a version, and give it to another one."""
        goal = {"MoveToVersionId": target} if target else {}
        self.client.update_secret_version_stage(SecretId=self.name, VersionStage=stage, RemoveFromVersionId=source, **goal)


def progress(stages: dict[str, str]) -> str:
    """How far a rotation is."""
    if PENDING not in stages:
        return "none"
    return "promoted" if stages[PENDING] == stages[CURRENT] else "pending"


def take(rotation: Rotation, step: str, stages: dict[str, str], following: dict[str, Any]) -> None:
    """Take a step that is due."""
    match step:
        case "begin":
            rotation.client.put_secret_value(SecretId=rotation.name, SecretString=json.dumps(following), VersionStages=[PENDING])
        case "promote":
            rotation.move(CURRENT, stages[CURRENT], stages[PENDING])
        case "demote":
            rotation.move(CURRENT, stages[CURRENT], stages[PREVIOUS])
        case "finish" | "abandon":
            rotation.move(PENDING, stages[PENDING])


DUE = {"look": "", "begin": "none", "promote": "pending", "finish": "promoted", "demote": "promoted", "abandon": "pending"}
"""Step -> the progress at which it is due."""


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"required": True},
            "step": {"required": True, "choices": list(DUE)},
            "fields": {"type": "dict", "default": {}, "no_log": False},
            "generate": {"type": "list", "elements": "str", "default": []},
            "length": {"type": "int", "default": 32},
        },
        supports_check_mode=True,
    )
    params, step = module.params, module.params["step"]
    rotation = Rotation(aws_client(module, "secretsmanager"), params["name"])
    with reporting(module, f"{step} the rotation of secret '{rotation.name}'"):
        try:
            stages = rotation.stages()
        except is_boto3_error_code("ResourceNotFoundException") as error:
            raise ResourceError("there is no such secret in this region. Apply site.yml first.") from error
        due, values = progress(stages) == DUE[step], rotation.values(stages)
        if due and (planning.active or not module.check_mode):
            made = {name: _generated(rotation.name, name, params["length"]) for name in params["generate"]}
            take(rotation, step, stages, values["current"] | params["fields"] | made)
            if not module.check_mode:
                stages = rotation.stages()
                values = rotation.values(stages)
    module.exit_json(changed=due, progress=progress(stages), **values)


def _generated(secret: str, field: str, length: int) -> str:
    return planning.placeholder(secret, field) if planning.active else random_text(length)


if __name__ == "__main__":
    main()
