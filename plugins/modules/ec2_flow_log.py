#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_flow_log
version_added: 0.1.0
short_description: Manage the flow logs of a VPC, subnet or network interface
description:
  - Creates, replaces, tags and deletes one flow log.
  - A flow log is identified by the resource it watches and the destination it writes to.
  - AWS cannot change a flow log. A changed property deletes the flow log and creates it anew; what was delivered stays where it is.
options:
  resource_id:
    description: Id of the VPC, subnet or network interface.
    type: str
    required: true
  log_group_name:
    description:
      - CloudWatch log group that receives the records.
      - Exactly one of O(log_group_name) and O(bucket_arn) is required.
    type: str
  role_arn:
    description: IAM role with which the flow log writes to O(log_group_name).
    type: str
  bucket_arn:
    description: ARN of the S3 bucket that receives the records, optionally with a folder.
    type: str
  traffic_type:
    description: Which traffic is recorded.
    type: str
    choices: [ALL, ACCEPT, REJECT]
    default: ALL
  max_aggregation_interval_seconds:
    description: How long a flow is aggregated into one record.
    type: int
    choices: [60, 600]
  log_format:
    description: Fields of a record, in order. AWS's default format when left out.
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
- name: Record all traffic of the VPC
  indivillage.infra.ec2_flow_log:
    resource_id: vpc-0123456789abcdef0
    log_group_name: /aws/vpc-flow-logs/indivillage-production
    role_arn: arn:aws:iam::123456789012:role/indivillage-production-flow-logs
    max_aggregation_interval_seconds: 60
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The flow log. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    flow_log_id:
      description: Id of the flow log.
      type: str
      returned: when the flow log exists
      sample: fl-0123456789abcdef0
    delivery_status:
      description: Whether AWS can write to the destination, V(SUCCESS) or V(FAILED).
      type: str
      returned: when the flow log exists
      sample: SUCCESS
  sample: {flow_log_id: fl-0123456789abcdef0, resource_id: vpc-0123456789abcdef0, traffic_type: ALL}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.ec2_resource import Ec2Resource

RESOURCE_TYPES = {"vpc": "VPC", "subnet": "Subnet", "eni": "NetworkInterface"}
API_NAMES = {
    "log_group_name": "LogGroupName",
    "bucket_arn": "LogDestination",
    "role_arn": "DeliverLogsPermissionArn",
    "traffic_type": "TrafficType",
    "max_aggregation_interval_seconds": "MaxAggregationInterval",
    "log_format": "LogFormat",
}


class FlowLog(Ec2Resource):
    id_property = "flow_log_id"
    kind = "flow log"
    options: ClassVar[dict[str, Any]] = {
        "resource_id": {"required": True},
        "log_group_name": {},
        "role_arn": {},
        "bucket_arn": {},
        "traffic_type": {"choices": ["ALL", "ACCEPT", "REJECT"], "default": "ALL"},
        "max_aggregation_interval_seconds": {"type": "int", "choices": [60, 600]},
        "log_format": {},
    }
    constraints: ClassVar[dict[str, Any]] = {
        "required_one_of": [("log_group_name", "bucket_arn")],
        "mutually_exclusive": [("log_group_name", "bucket_arn"), ("bucket_arn", "role_arn")],
    }
    properties = tuple(API_NAMES)
    immutable = frozenset(API_NAMES)
    replaceable = True

    @property
    def name(self) -> str:
        return f"{self.params['resource_id']} -> {self.params['log_group_name'] or self.params['bucket_arn']}"

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("describe_flow_logs").paginate(
            Filters=[{"Name": "resource-id", "Values": [self.params["resource_id"]]}]
        )
        for page in pages:
            for log in page["FlowLogs"]:
                if self._is_ours(log):
                    return {
                        "flow_log_id": log["FlowLogId"],
                        "resource_id": log["ResourceId"],
                        "delivery_status": log.get("DeliverLogsStatus"),
                        **{option: log.get(name) for option, name in API_NAMES.items() if self._has(option)},
                        "tags": boto3_tag_list_to_ansible_dict(log.get("Tags", [])),
                    }
        return None

    def _has(self, option: str) -> bool:
        # AWS may report a destination ARN for a log group too, hence each destination is known by its own option alone.
        return self.params[option] is not None or option not in ("log_group_name", "bucket_arn")

    def _is_ours(self, log: dict[str, Any]) -> bool:
        return all(log.get(API_NAMES[key]) == self.params[key] for key in ("log_group_name", "bucket_arn") if self._has(key))

    def declared(self) -> Properties:
        if self._resource_type() not in RESOURCE_TYPES:
            raise ResourceError(f"resource_id must be the id of a VPC, subnet or network interface, not {self.params['resource_id']!r}.")
        if self.params["log_group_name"] and not self.params["role_arn"]:
            raise ResourceError("a flow log to log_group_name needs role_arn, the role with which it writes.")
        return super().declared()

    def _resource_type(self) -> str:
        return str(self.params["resource_id"]).split("-", maxsplit=1)[0]

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        answer = self.client.create_flow_logs(
            ResourceIds=[self.params["resource_id"]],
            ResourceType=RESOURCE_TYPES[self._resource_type()],
            LogDestinationType="cloud-watch-logs" if self.params["log_group_name"] else "s3",
            **{API_NAMES[option]: value for option, value in wanted.items()},
            **({"TagSpecifications": [{"ResourceType": "vpc-flow-log", "Tags": ansible_dict_to_boto3_tag_list(tags)}]} if tags else {}),
        )
        # This call reports its failure in the answer, not as an error.
        for failure in answer.get("Unsuccessful", []):
            raise ResourceError(failure["Error"]["Message"])

    def delete(self, current: Properties) -> None:
        answer = self.client.delete_flow_logs(FlowLogIds=[current["flow_log_id"]])
        for failure in answer.get("Unsuccessful", []):
            raise ResourceError(failure["Error"]["Message"])


def main() -> None:
    run(FlowLog)


if __name__ == "__main__":
    main()
