#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rds_parameter_group
version_added: 0.1.0
short_description: Manage an RDS DB parameter group with its parameters
description:
  - Creates, changes and deletes one DB parameter group.
  - O(parameters) is the whole of what the group changes. A parameter that is no longer listed goes back to the engine's default.
  - Unlike M(amazon.aws.rds_instance_param_group) it needs no list of engine defaults to decide what differs,
    and shows each changed parameter in its diff.
options:
  name:
    description: Name of the parameter group, in lower case.
    type: str
    required: true
  family:
    description: Engine and major version, for example V(postgres17). Required for O(state=present); cannot be changed later.
    type: str
  description:
    description: What the group is for. Cannot be changed later. The name when left out at creation.
    type: str
  parameters:
    description:
      - Parameters by name, in the units of RDS, for example C(shared_buffers) in blocks of 8 kB. Booleans become V(1) and V(0).
      - A parameter that needs a restart is applied at the next one.
    type: dict
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Refuse connections without TLS
  indivillage.infra.rds_parameter_group:
    name: indivillage-production-db-param-group
    family: postgres17
    parameters:
      rds.force_ssl: 1
      max_connections: 500
"""

RETURN = r"""
resource:
  description: The parameter group. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the group.
      type: str
      returned: when the group exists
    parameters:
      description: The parameters that differ from the engine's default.
      type: dict
      returned: when the group exists
      sample: {max_connections: "500", rds.force_ssl: "1"}
  sample: {name: indivillage-production-db-param-group, family: postgres17, parameters: {rds.force_ssl: "1"}}
"""

from collections.abc import Iterator
from itertools import batched
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

PARAMETERS_PER_CALL = 20  # the limit of ModifyDBParameterGroup and ResetDBParameterGroup


class ParameterGroup(Resource):
    service = "rds"
    kind = "DB parameter group"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "family": {},
        "description": {},
        "parameters": {"type": "dict"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ["family"])]}
    properties = ("family", "description", "parameters")
    exact = frozenset({"parameters"})
    immutable = frozenset({"family", "description"})

    def declared(self) -> Properties:
        parameters = self.params["parameters"]
        return super().declared() | {"parameters": parameters and {name: as_text(value) for name, value in parameters.items()}}

    def find(self) -> Properties | None:
        try:
            groups = self.client.describe_db_parameter_groups(DBParameterGroupName=self.name)["DBParameterGroups"]
        except is_boto3_error_code(["DBParameterGroupNotFound", "DBParameterGroupNotFoundFault"]):
            return None
        if not groups:
            return None
        arn = groups[0]["DBParameterGroupArn"]
        return {
            "name": self.name,
            "arn": arn,
            "family": groups[0]["DBParameterGroupFamily"],
            "description": groups[0]["Description"],
            "parameters": {item["ParameterName"]: item["ParameterValue"] for item in self._parameters(Source="user")},
            "tags": boto3_tag_list_to_ansible_dict(self.client.list_tags_for_resource(ResourceName=arn)["TagList"]),
        }

    def _parameters(self, **only: str) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=self.name, **only):
            yield from page["Parameters"]

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_db_parameter_group(
            DBParameterGroupName=self.name,
            DBParameterGroupFamily=wanted["family"],
            Description=wanted.get("description") or self.name,
            Tags=ansible_dict_to_boto3_tag_list(tags),
        )
        self._apply(wanted.get("parameters", {}), [])

    def update(self, current: Properties, changes: Properties) -> None:
        wanted = changes["parameters"]
        changed = {name: value for name, value in wanted.items() if current["parameters"].get(name) != value}
        self._apply(changed, sorted(current["parameters"].keys() - wanted.keys()))

    def _apply(self, values: dict[str, str], resets: list[str]) -> None:
        if not values and not resets:
            return
        dynamic = {item["ParameterName"] for item in self._parameters() if item.get("ApplyType") == "dynamic"}

        def how(name: str) -> dict[str, str]:
            return {"ParameterName": name, "ApplyMethod": "immediate" if name in dynamic else "pending-reboot"}

        for batch in batched(sorted(values), PARAMETERS_PER_CALL):
            self.client.modify_db_parameter_group(
                DBParameterGroupName=self.name, Parameters=[how(name) | {"ParameterValue": values[name]} for name in batch]
            )
        for batch in batched(resets, PARAMETERS_PER_CALL):
            self.client.reset_db_parameter_group(DBParameterGroupName=self.name, Parameters=[how(name) for name in batch])

    def delete(self, current: Properties) -> None:
        self.client.delete_db_parameter_group(DBParameterGroupName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.remove_tags_from_resource(ResourceName=current["arn"], TagKeys=remove)
        if add:
            self.client.add_tags_to_resource(ResourceName=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def as_text(value: Any) -> str:
    """A parameter's value as RDS reports it."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def main() -> None:
    run(ParameterGroup)


if __name__ == "__main__":
    main()
