#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cost_anomaly_monitor
version_added: 0.3.0
short_description: Manage a monitor of AWS Cost Anomaly Detection
description:
  - Creates, renames and deletes one monitor with its tags.
  - "An account has one monitor for each dimension, and AWS makes that of services by itself when it feels like it: such a monitor is taken
    over and gets O(name)."
options:
  name:
    description: Name of the monitor.
    type: str
    required: true
  dimension:
    description: Along what costs are looked at. Exclusive with O(specification).
    type: str
    choices: [SERVICE]
  specification:
    description: Which costs are looked at, as an expression of Cost Explorer. Only management accounts may have such monitors.
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
- name: Look for services that cost more than they did
  indivillage.infra.cost_anomaly_monitor:
    name: indivillage-staging-services
    dimension: SERVICE
"""

RETURN = r"""
resource:
  description: The monitor. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the monitor.
      type: str
      returned: when the monitor exists
      sample: arn:aws:ce::123456789012:anomalymonitor/12345678-1234-1234-1234-123456789012
  sample: {monitor_name: indivillage-staging-services, dimension: SERVICE}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run


class Monitor(Resource):
    service = "ce"
    kind = "cost anomaly monitor"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "dimension": {"choices": ["SERVICE"]},
        "specification": {"type": "dict"},
    }
    constraints: ClassVar[dict[str, Any]] = {
        "mutually_exclusive": [("dimension", "specification")],
        "required_if": [("state", "present", ("dimension", "specification"), True)],
    }
    properties = ("monitor_name", "dimension", "specification")
    exact = frozenset({"specification"})
    immutable = frozenset({"dimension", "specification"})
    replaceable = True

    def declared(self) -> Properties:
        return {"monitor_name": self.name, **{key: self.params[key] for key in ("dimension", "specification")}}

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("get_anomaly_monitors").paginate()
        monitors = [monitor for page in pages for monitor in page["AnomalyMonitors"]]
        named = [monitor for monitor in monitors if monitor["MonitorName"] == self.name]
        alike = [one for one in monitors if self.params["dimension"] and one.get("MonitorDimension") == self.params["dimension"]]
        if not named and not alike:
            return None
        monitor = (named or alike)[0]
        tags = self.client.list_tags_for_resource(ResourceArn=monitor["MonitorArn"]).get("ResourceTags") or []
        return {
            "name": self.name,
            "arn": monitor["MonitorArn"],
            "monitor_name": monitor["MonitorName"],
            "dimension": monitor.get("MonitorDimension"),
            "specification": monitor.get("MonitorSpecification"),
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        if wanted.get("dimension"):
            kind = {"MonitorType": "DIMENSIONAL", "MonitorDimension": wanted["dimension"]}
        else:
            kind = {"MonitorType": "CUSTOM", "MonitorSpecification": wanted["specification"]}
        self.client.create_anomaly_monitor(
            AnomalyMonitor={"MonitorName": self.name, **kind}, ResourceTags=ansible_dict_to_boto3_tag_list(tags)
        )

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_anomaly_monitor(MonitorArn=current["arn"], MonitorName=self.name)

    def delete(self, current: Properties) -> None:
        self.client.delete_anomaly_monitor(MonitorArn=current["arn"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], ResourceTagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], ResourceTags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Monitor)


if __name__ == "__main__":
    main()
