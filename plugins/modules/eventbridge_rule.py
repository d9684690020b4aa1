#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: eventbridge_rule
version_added: 0.3.0
short_description: Manage an EventBridge rule with its targets
description:
  - Creates, changes and deletes one rule of the default bus with its targets and tags.
  - Use it instead of M(amazon.aws.cloudwatchevent_rule), which has no check mode and no tags.
options:
  name:
    description: Name of the rule.
    type: str
    required: true
  description:
    description: What it is for.
    type: str
    default: ""
  event_pattern:
    description: Which events it takes, all of it.
    type: dict
  schedule:
    description: When it goes off by itself, as V(rate(1 day\)) or V(cron(0 5 ? * MON *\)).
    type: str
  enabled:
    description: Whether it is at work.
    type: bool
    default: true
  targets:
    description: What gets the events, all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: By what the target is known within the rule.
        type: str
        required: true
      arn:
        description: ARN of the target, which has to be in the rule's region.
        type: str
        required: true
      role_arn:
        description: ARN of the role with which EventBridge calls the target, where that has no policy of its own.
        type: str
      input_paths:
        description: Parts of the event by the names that O(targets[].input_template) uses.
        type: dict
      input_template:
        description: The text that the target gets in place of the event.
        type: str
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
- name: Hear of a database that has failed over
  indivillage.infra.eventbridge_rule:
    name: indivillage-production-database-failover
    event_pattern: {source: [aws.rds], detail: {EventCategories: [failover]}}
    targets:
      - {id: critical, arn: "arn:aws:sns:us-east-1:123456789012:indivillage-production-critical"}
"""

RETURN = r"""
resource:
  description: The rule. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the rule.
      type: str
      returned: when the rule exists
      sample: arn:aws:events:us-east-1:123456789012:rule/indivillage-production-database-failover
  sample: {name: indivillage-production-database-failover, enabled: true}
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


class Rule(Resource):
    service = "events"
    kind = "EventBridge rule"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {"default": ""},
        "event_pattern": {"type": "dict"},
        "schedule": {},
        "enabled": {"type": "bool", "default": True},
        "targets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "id": {"required": True},
                "arn": {"required": True},
                "role_arn": {},
                "input_paths": {"type": "dict"},
                "input_template": {},
            },
            "required_by": {"input_paths": ("input_template",)},
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"mutually_exclusive": [("event_pattern", "schedule")]}
    properties = ("description", "event_pattern", "schedule", "enabled", "targets")
    exact = frozenset({"event_pattern"})

    def declared(self) -> Properties:
        wanted = super().declared()
        if not wanted["event_pattern"] and not wanted["schedule"]:
            raise ResourceError("it needs one of event_pattern and schedule")
        return {**wanted, "event_pattern": wanted["event_pattern"] or {}, "schedule": wanted["schedule"] or ""}

    def find(self) -> Properties | None:
        try:
            rule = self.client.describe_rule(Name=self.name)
            tags = self.client.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
            pages = self.client.get_paginator("list_targets_by_rule").paginate(Rule=self.name)
            targets = [self._read(target) for page in pages for target in page["Targets"]]
        except self.client.exceptions.ResourceNotFoundException:
            return None
        return {
            "name": self.name,
            "arn": rule["Arn"],
            "description": rule.get("Description") or "",
            "event_pattern": json.loads(rule.get("EventPattern") or "{}"),
            "schedule": rule.get("ScheduleExpression") or "",
            "enabled": rule.get("State") != "DISABLED",
            "targets": targets,
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._put(wanted, Tags=ansible_dict_to_boto3_tag_list(tags))
        self._aim(wanted["targets"], [])

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.keys() - {"targets"}:
            self._put({**current, **changes})
        if "targets" in changes:
            self._aim(changes["targets"], current["targets"])

    def delete(self, current: Properties) -> None:
        self._aim([], current["targets"])
        self.client.delete_rule(Name=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceARN=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceARN=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))

    def _put(self, wanted: Properties, **more: Any) -> None:
        pattern, schedule = wanted["event_pattern"], wanted["schedule"]
        more |= {"EventPattern": json.dumps(pattern)} if pattern else {"ScheduleExpression": schedule}
        state = "ENABLED" if wanted["enabled"] else "DISABLED"
        self.client.put_rule(Name=self.name, Description=wanted["description"], State=state, **more)

    def _aim(self, wanted: list[Properties], current: list[Properties]) -> None:
        """Have exactly the wanted targets."""
        gone = {target["id"] for target in current} - {target["id"] for target in wanted}
        answers = []
        if wanted:
            answers.append(self.client.put_targets(Rule=self.name, Targets=[self._write(target) for target in wanted]))
        if gone:
            answers.append(self.client.remove_targets(Rule=self.name, Ids=sorted(gone)))
        for failed in [entry for answer in answers for entry in answer.get("FailedEntries") or []]:
            raise ResourceError(f"AWS refuses the target {failed.get('TargetId')}: {failed.get('ErrorMessage')}")

    @staticmethod
    def _write(target: Mapping[str, Any]) -> dict[str, Any]:
        written: dict[str, Any] = {"Id": target["id"], "Arn": target["arn"]}
        if target.get("role_arn"):
            written["RoleArn"] = target["role_arn"]
        if target.get("input_template"):
            written["InputTransformer"] = {"InputPathsMap": target.get("input_paths") or {}, "InputTemplate": target["input_template"]}
        return written

    @staticmethod
    def _read(target: Mapping[str, Any]) -> dict[str, Any]:
        transformer = target.get("InputTransformer") or {}
        return {
            "id": target["Id"],
            "arn": target["Arn"],
            "role_arn": target.get("RoleArn"),
            "input_paths": transformer.get("InputPathsMap") or None,
            "input_template": transformer.get("InputTemplate"),
        }


def main() -> None:
    run(Rule)


if __name__ == "__main__":
    main()
