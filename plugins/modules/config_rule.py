#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_rule
version_added: 0.3.0
short_description: Manage an AWS Config rule
description:
  - Creates, changes and deletes one rule that AWS has written. Deleting it deletes its evaluations.
  - Use it instead of M(community.aws.config_rule), which has no check mode and fails on rules without evaluation modes.
  - AWS may add parameters with its own defaults; only those that are given are compared.
options:
  name:
    description: Name of the rule.
    type: str
    required: true
  identifier:
    description: Which rule of AWS it is, such as V(ENCRYPTED_VOLUMES). Needed unless O(state=absent).
    type: str
  description:
    description: What it is for.
    type: str
    default: ""
  parameters:
    description: Its parameters. AWS takes texts only.
    type: dict
    default: {}
  frequency:
    description: How often a rule is evaluated that does not follow changes.
    type: str
    choices: [One_Hour, Three_Hours, Six_Hours, Twelve_Hours, TwentyFour_Hours]
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
- name: Find access keys that nobody has rotated
  indivillage.infra.config_rule:
    name: indivillage-production-access-keys-rotated
    identifier: ACCESS_KEYS_ROTATED
    parameters:
      maxAccessKeyAge: "90"
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The rule. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn: {description: ARN of the rule., type: str, returned: when the rule exists}
  sample: {name: indivillage-production-access-keys-rotated, identifier: ACCESS_KEYS_ROTATED, parameters: {maxAccessKeyAge: "90"}}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

FREQUENCIES = ["One_Hour", "Three_Hours", "Six_Hours", "Twelve_Hours", "TwentyFour_Hours"]


class Rule(Resource):
    service = "config"
    kind = "rule"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "identifier": {},
        "description": {"default": ""},
        "parameters": {"type": "dict", "default": {}},
        "frequency": {"choices": FREQUENCIES},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("identifier",))]}
    properties = ("identifier", "description", "parameters", "frequency")
    immutable = frozenset({"identifier"})
    replaceable = True  # what it holds are judgements that AWS makes again

    def declared(self) -> Properties:
        return {**super().declared(), "parameters": {key: str(value) for key, value in self.params["parameters"].items()}}

    def find(self) -> Properties | None:
        try:
            found = self.client.describe_config_rules(ConfigRuleNames=[self.name])["ConfigRules"]
        except self.client.exceptions.NoSuchConfigRuleException:
            return None
        for rule in found:
            tags = self.client.list_tags_for_resource(ResourceArn=rule["ConfigRuleArn"]).get("Tags", [])
            return {
                "name": self.name,
                "arn": rule["ConfigRuleArn"],
                "identifier": rule["Source"]["SourceIdentifier"],
                "description": rule.get("Description", ""),
                "parameters": json.loads(rule.get("InputParameters") or "{}"),
                "frequency": rule.get("MaximumExecutionFrequency"),
                "tags": boto3_tag_list_to_ansible_dict(tags),
            }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._put(wanted, Tags=ansible_dict_to_boto3_tag_list(tags))

    def update(self, current: Properties, changes: Properties) -> None:
        self._put(current | changes)

    def _put(self, wanted: Properties, **more: Any) -> None:
        optional = {"Description": wanted["description"], "MaximumExecutionFrequency": wanted.get("frequency")}
        rule = {
            "ConfigRuleName": self.name,
            "Source": {"Owner": "AWS", "SourceIdentifier": wanted["identifier"]},
            "InputParameters": json.dumps(wanted["parameters"], sort_keys=True),
            **{field: value for field, value in optional.items() if value},
        }
        try:
            self.client.put_config_rule(ConfigRule=rule, **more)
        except self.client.exceptions.NoAvailableConfigurationRecorderException as error:
            raise ResourceError("the region has no recorder yet: make that first (indivillage.infra.config_recorder).") from error

    def delete(self, current: Properties) -> None:
        self.client.delete_config_rule(ConfigRuleName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Rule)


if __name__ == "__main__":
    main()
