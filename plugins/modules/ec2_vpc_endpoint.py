#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_vpc_endpoint
version_added: 0.1.0
short_description: Manage an endpoint through which a VPC reaches an AWS service
description:
  - Creates, changes, tags and deletes one gateway or interface endpoint.
  - An endpoint is identified by its VPC, its service and its type.
  - Unlike M(amazon.aws.ec2_vpc_endpoint) it goes on looking at route tables, subnets and security groups once the endpoint exists,
    and does not take an endpoint that is being deleted for one that is there.
options:
  vpc_id:
    description: Id of the VPC.
    type: str
    required: true
  service:
    description: Full name of the service.
    type: str
    required: true
  endpoint_type:
    description: A gateway adds routes to route tables, an interface has an address in each of its subnets.
    type: str
    choices: [Gateway, Interface]
    default: Gateway
  route_table_ids:
    description: Ids of all route tables that lead to a gateway endpoint.
    type: list
    elements: str
  subnet_ids:
    description: Ids of all subnets in which an interface endpoint has an address.
    type: list
    elements: str
  security_group_ids:
    description: Ids of all security groups of an interface endpoint.
    type: list
    elements: str
  policy:
    description:
      - Which calls the endpoint lets through, as the structure of an IAM policy. AWS lets all through that have none of their own.
      - A service of an interface endpoint that knows no policies refuses one.
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
- name: Reach S3 without the internet
  indivillage.infra.ec2_vpc_endpoint:
    vpc_id: vpc-0123456789abcdef0
    service: com.amazonaws.us-east-1.s3
    route_table_ids: [rtb-0123456789abcdef0, rtb-0123456789abcdef1]
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: "*"
          Action: "*"
          Resource: "*"
          Condition: {StringEquals: {aws:PrincipalAccount: "123456789012"}}
    tags:
      Project: indivillage

- name: Reach Systems Manager without the internet
  indivillage.infra.ec2_vpc_endpoint:
    vpc_id: vpc-0123456789abcdef0
    service: com.amazonaws.us-east-1.ssm
    endpoint_type: Interface
    subnet_ids: [subnet-0123456789abcdef0]
    security_group_ids: [sg-0123456789abcdef0]
"""

RETURN = r"""
resource:
  description: The endpoint. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    vpc_endpoint_id:
      description: Id of the endpoint.
      type: str
      returned: when the endpoint exists
      sample: vpce-0123456789abcdef0
    state:
      description: What AWS says of it, V(pending) or V(available).
      type: str
      returned: when the endpoint exists
      sample: available
  sample: {vpc_endpoint_id: vpce-0123456789abcdef0, state: available, route_table_ids: [rtb-0123456789abcdef0]}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.ec2_resource import Ec2Resource

# Option -> its parameter of CreateVpcEndpoint; ModifyVpcEndpoint has the same with Add and Remove before it.
API_NAMES = {"route_table_ids": "RouteTableIds", "subnet_ids": "SubnetIds", "security_group_ids": "SecurityGroupIds"}
OF_GATEWAYS = frozenset({"route_table_ids"})
# An endpoint in another state is gone, or never came to be; AWS reports it for some minutes more.
PRESENT = ["pending", "available", "pendingAcceptance"]


class VpcEndpoint(Ec2Resource):
    id_property = "vpc_endpoint_id"
    kind = "VPC endpoint"
    options: ClassVar[dict[str, Any]] = {
        "vpc_id": {"required": True},
        "service": {"required": True},
        "endpoint_type": {"choices": ["Gateway", "Interface"], "default": "Gateway"},
        "route_table_ids": {"type": "list", "elements": "str"},
        "subnet_ids": {"type": "list", "elements": "str"},
        "security_group_ids": {"type": "list", "elements": "str"},
        "policy": {"type": "dict"},
    }
    properties = (*API_NAMES, "policy")
    exact = frozenset({"policy"})

    @property
    def name(self) -> str:
        return f"{self.params['service']} of {self.params['vpc_id']}"

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("describe_vpc_endpoints").paginate(
            Filters=[
                {"Name": "vpc-id", "Values": [self.params["vpc_id"]]},
                {"Name": "service-name", "Values": [self.params["service"]]},
                {"Name": "vpc-endpoint-type", "Values": [self.params["endpoint_type"]]},
                {"Name": "vpc-endpoint-state", "Values": PRESENT},
            ]
        )
        for page in pages:
            for endpoint in page["VpcEndpoints"]:
                return {
                    "vpc_endpoint_id": endpoint["VpcEndpointId"],
                    "state": endpoint["State"],
                    "route_table_ids": endpoint.get("RouteTableIds", []),
                    "subnet_ids": endpoint.get("SubnetIds", []),
                    "security_group_ids": [group["GroupId"] for group in endpoint.get("Groups", [])],
                    "policy": json.loads(endpoint.get("PolicyDocument") or "{}"),
                    "tags": boto3_tag_list_to_ansible_dict(endpoint.get("Tags", [])),
                }
        return None

    def declared(self) -> Properties:
        gateway = self.params["endpoint_type"] == "Gateway"
        wrong = [option for option in API_NAMES if self.params[option] is not None and (option in OF_GATEWAYS) != gateway]
        if wrong:
            raise ResourceError(f"an endpoint of the type {self.params['endpoint_type']} has no {' and no '.join(wrong)}.")
        return super().declared()

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        specifications = [{"ResourceType": "vpc-endpoint", "Tags": ansible_dict_to_boto3_tag_list(tags)}] if tags else []
        self.client.create_vpc_endpoint(
            VpcId=self.params["vpc_id"],
            ServiceName=self.params["service"],
            VpcEndpointType=self.params["endpoint_type"],
            TagSpecifications=specifications,
            **{API_NAMES[option]: value for option, value in wanted.items() if option != "policy"},
            **_policy(wanted),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        parameters: dict[str, Any] = _policy(changes)
        for option in changes.keys() & API_NAMES.keys():
            wanted, there = set(changes[option]), set(current[option])
            sides = {"Add": wanted - there, "Remove": there - wanted}
            parameters |= {f"{side}{API_NAMES[option]}": sorted(ids) for side, ids in sides.items() if ids}
        self.client.modify_vpc_endpoint(VpcEndpointId=current["vpc_endpoint_id"], **parameters)

    def delete(self, current: Properties) -> None:
        # This call reports its failure in the answer, not as an error.
        for failure in self.client.delete_vpc_endpoints(VpcEndpointIds=[current["vpc_endpoint_id"]]).get("Unsuccessful", []):
            raise ResourceError(failure["Error"]["Message"])


def _policy(properties: Properties) -> dict[str, str]:
    """The policy among properties, as the API takes it."""
    return {"PolicyDocument": json.dumps(properties["policy"])} if "policy" in properties else {}


def main() -> None:
    run(VpcEndpoint)


if __name__ == "__main__":
    main()
