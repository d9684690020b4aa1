#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_conformance_pack
version_added: 0.3.0
short_description: Manage an AWS Config conformance pack
description:
  - Creates, changes and deletes one pack of rules that are judged together, and waits until AWS has made its rules.
  - AWS tells nobody what a pack was made of. A digest of that is kept in the tag C(Template), by which a later run sees a change of the
    declaration; what somebody else has put in the pack's place is not seen. A pack that AWS failed to make is made again.
options:
  name:
    description: Name of the pack.
    type: str
    required: true
  rules:
    description: The rules of AWS in the pack, by the names that they get. Needed unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the rule within the pack.
        type: str
        required: true
      identifier:
        description: Which rule of AWS it is, such as V(RDS_STORAGE_ENCRYPTED).
        type: str
        required: true
      parameters:
        description: Its parameters. AWS takes texts only.
        type: dict
        default: {}
  wait_timeout_seconds:
    description: How long AWS may take to make the rules.
    type: int
    default: 600
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
- name: Judge how data is protected
  indivillage.infra.config_conformance_pack:
    name: indivillage-production-data-protection
    rules:
      - {name: database-encrypted, identifier: RDS_STORAGE_ENCRYPTED}
      - {name: bucket-encrypted, identifier: S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED}
"""

RETURN = r"""
resource:
  description: The pack. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn: {description: ARN of the pack., type: str, returned: when the pack exists}
    status: {description: What AWS says of it., type: str, returned: when the pack exists, sample: CREATE_COMPLETE}
    template: {description: Digest of its rules., type: str, returned: when the pack exists}
  sample: {name: indivillage-production-data-protection, status: CREATE_COMPLETE}
"""

import hashlib
import json
import re
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run, wait_until

DIGEST_TAG = "Template"
AT_WORK = "_IN_PROGRESS"
FAILED = "_FAILED"


class Pack(Resource):
    service = "config"
    kind = "conformance pack"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"required": True},
                "identifier": {"required": True},
                "parameters": {"type": "dict", "default": {}},
            },
        },
        "wait_timeout_seconds": {"type": "int", "default": 600},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("rules",))]}
    properties = ("template", "made")
    deferred = frozenset({"made"})
    asked_for = False  # a pack that failed before this run is no failure of it

    def declared(self) -> Properties:
        return {"template": hashlib.sha256(template(self.params["rules"]).encode()).hexdigest(), "made": True}

    def find(self) -> Properties | None:
        try:
            found = self.client.describe_conformance_packs(ConformancePackNames=[self.name])["ConformancePackDetails"]
            told = self.client.describe_conformance_pack_status(ConformancePackNames=[self.name])["ConformancePackStatusDetails"]
        except self.client.exceptions.NoSuchConformancePackException:
            return None
        for pack in found:
            arn = pack["ConformancePackArn"]
            tags = boto3_tag_list_to_ansible_dict(self.client.list_tags_for_resource(ResourceArn=arn).get("Tags", []))
            status = next((one["ConformancePackState"] for one in told), "CREATE_COMPLETE")
            return {
                "name": self.name,
                "arn": arn,
                "status": status,
                "reason": next((one.get("ConformancePackStatusReason", "") for one in told), ""),
                "template": tags.pop(DIGEST_TAG, ""),
                "made": not status.endswith(FAILED),
                "tags": tags,
            }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._put(Tags=ansible_dict_to_boto3_tag_list({**tags, DIGEST_TAG: wanted["template"]}))

    def update(self, current: Properties, changes: Properties) -> None:
        self._put()
        if "template" in changes:
            self.tag(current, {DIGEST_TAG: changes["template"]}, [])

    def _put(self, **more: Any) -> None:
        self.asked_for = True
        self.client.put_conformance_pack(ConformancePackName=self.name, TemplateBody=template(self.params["rules"]), **more)

    def settle(self, current: Properties) -> Properties:
        seen = dict(current)

        def settled() -> bool:
            if seen["status"].endswith(AT_WORK):
                seen.update(self.find() or {})
            return not seen["status"].endswith(AT_WORK)

        wait_until(settled, f"AWS to have done with {self}, which is {current['status']},", self.params["wait_timeout_seconds"], 5)
        if self.asked_for and not seen["made"]:
            raise ResourceError(f"AWS could not make its rules: {seen['reason'] or seen['status']}")
        return seen

    def delete(self, current: Properties) -> None:
        self.client.delete_conformance_pack(ConformancePackName=self.name)
        wait_until(lambda: self.find() is None, f"{self} to be gone", self.params["wait_timeout_seconds"], 1)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def template(rules: list[dict[str, Any]]) -> str:
    """What AWS makes the rules of; the same text for the same rules in any order."""
    resources = {
        "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", rule["name"])): {
            "Type": "AWS::Config::ConfigRule",
            "Properties": {
                "ConfigRuleName": rule["name"],
                "Source": {"Owner": "AWS", "SourceIdentifier": rule["identifier"]},
                **({"InputParameters": {key: str(value) for key, value in rule["parameters"].items()}} if rule["parameters"] else {}),
            },
        }
        for rule in rules
    }
    return json.dumps({"Resources": resources}, sort_keys=True)


def main() -> None:
    run(Pack)


if __name__ == "__main__":
    main()
