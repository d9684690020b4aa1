#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudwatch_dashboard
version_added: 0.3.0
short_description: Manage a CloudWatch dashboard
description:
  - Creates, changes and deletes one dashboard with its tags.
  - Bodies are compared by what they say. AWS warns of widgets that it cannot draw; such a warning fails the task.
options:
  name:
    description: Name of the dashboard.
    type: str
    required: true
  body:
    description: The dashboard's body, all of it. Needed unless O(state=absent).
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
- name: Show how busy the tiers are
  indivillage.infra.cloudwatch_dashboard:
    name: indivillage-production-main
    body:
      widgets:
        - type: metric
          width: 12
          height: 6
          properties:
            region: us-east-1
            title: CPU
            metrics: [[AWS/EC2, CPUUtilization, AutoScalingGroupName, indivillage-production-web]]
"""

RETURN = r"""
resource:
  description: The dashboard. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the dashboard.
      type: str
      returned: when the dashboard exists
      sample: arn:aws:cloudwatch::123456789012:dashboard/indivillage-production-main
  sample: {name: indivillage-production-main}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


def canonical(body: dict[str, Any]) -> str:
    """The body as text in which only what it says makes a difference; in its lists, order does."""
    return json.dumps(body, sort_keys=True)


class Dashboard(Resource):
    service = "cloudwatch"
    kind = "dashboard"
    options: ClassVar[dict[str, Any]] = {"name": {"required": True}, "body": {"type": "dict"}}
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("body",))]}
    properties = ("body",)

    def declared(self) -> Properties:
        return {"body": canonical(self.params["body"])}

    def find(self) -> Properties | None:
        try:
            found = self.client.get_dashboard(DashboardName=self.name)
        except self.client.exceptions.ClientError as error:
            # The service calls it by one name in its model and by another on the wire.
            if error.response["Error"]["Code"] in ("DashboardNotFoundError", "ResourceNotFound"):
                return None
            raise
        arn = found["DashboardArn"]
        tags = self.client.list_tags_for_resource(ResourceARN=arn).get("Tags", [])
        return {
            "name": self.name,
            "arn": arn,
            "body": canonical(json.loads(found["DashboardBody"])),
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._put(wanted["body"], Tags=ansible_dict_to_boto3_tag_list(tags))

    def update(self, current: Properties, changes: Properties) -> None:
        self._put(changes["body"])

    def delete(self, current: Properties) -> None:
        self.client.delete_dashboards(DashboardNames=[self.name])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceARN=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceARN=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))

    def _put(self, body: str, **more: Any) -> None:
        answer = self.client.put_dashboard(DashboardName=self.name, DashboardBody=body, **more)
        warnings = [f"{one.get('DataPath', '')} {one['Message']}" for one in answer.get("DashboardValidationMessages") or []]
        if warnings:
            raise ResourceError(f"AWS does not understand the body: {'; '.join(warnings)}")


def main() -> None:
    run(Dashboard)


if __name__ == "__main__":
    main()
