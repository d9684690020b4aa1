#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_service
version_added: 0.3.0
short_description: Manage an ECS service on Fargate
description:
  - Creates, changes and deletes one service in private subnets. A deployment whose tasks do not stay up is stopped and taken back by ECS
    itself; the module waits for the end of a deployment and fails when ECS has taken it back.
  - Use it instead of M(community.aws.ecs_service), which compares the task definition and the number of tasks only.
options:
  name:
    description: Name of the service.
    type: str
    required: true
  cluster:
    description: Name of its cluster. Cannot be changed.
    type: str
    required: true
  task_definition:
    description: ARN of the revision that runs.
    type: str
  desired_count:
    description: How many tasks run.
    type: int
  strategy:
    description: The share of tasks that each capacity provider gets.
    type: dict
    default: {FARGATE: 1}
  subnet_ids:
    description: The subnets of the tasks.
    type: list
    elements: str
  security_group_ids:
    description: The security groups of the tasks.
    type: list
    elements: str
  minimum_healthy_percent:
    description: How many of the tasks stay up while they are replaced.
    type: int
    default: 100
  maximum_percent:
    description: How many tasks there may be while they are replaced.
    type: int
    default: 200
  wait_timeout_seconds:
    description: How long to wait for the end of a deployment that this run has begun. V(0) does not wait.
    type: int
    default: 900
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
- name: Run two workers
  indivillage.infra.ecs_service:
    name: indivillage-staging-worker
    cluster: indivillage-staging
    task_definition: arn:aws:ecs:us-east-1:123456789012:task-definition/indivillage-staging-worker:3
    desired_count: 2
    strategy: {FARGATE_SPOT: 1}
    subnet_ids: [subnet-0123456789abcdef0]
    security_group_ids: [sg-0123456789abcdef0]
"""

RETURN = r"""
resource:
  description: The service. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the service.
      type: str
      sample: indivillage-staging-worker
    arn:
      description: ARN of the service.
      type: str
      returned: when the service exists
      sample: arn:aws:ecs:us-east-1:123456789012:service/indivillage-staging/indivillage-staging-worker
  sample: {name: indivillage-staging-worker, cluster: indivillage-staging, desired_count: 2}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.ecs import as_strategy, pairs, read_strategy, read_tags, shares

POLL_SECONDS = 5


class Service(Resource):
    service = "ecs"
    kind = "ECS service"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "cluster": {"required": True},
        "task_definition": {},
        "desired_count": {"type": "int"},
        "strategy": {"type": "dict", "default": {"FARGATE": 1}},
        "subnet_ids": {"type": "list", "elements": "str"},
        "security_group_ids": {"type": "list", "elements": "str"},
        "minimum_healthy_percent": {"type": "int", "default": 100},
        "maximum_percent": {"type": "int", "default": 200},
        "wait_timeout_seconds": {"type": "int", "default": 900},
    }
    constraints: ClassVar[dict[str, Any]] = {
        "required_if": [("state", "present", ("task_definition", "desired_count", "subnet_ids", "security_group_ids"))]
    }
    # What no option says is declared too: nobody else may switch it on or off.
    ALWAYS: ClassVar[Properties] = {"rolls_back": True, "public_address": False, "execute_command": False, "tags_tasks": True}
    properties = (
        *("task_definition", "desired_count", "strategy", "subnet_ids", "security_group_ids"),
        *("minimum_healthy_percent", "maximum_percent", *ALWAYS),
    )
    exact = frozenset({"strategy"})
    begun = False
    """Whether this run has begun a deployment."""

    def declared(self) -> Properties:
        own = {key: self.params[key] for key in self.properties if key in self.params}
        return {**own, "strategy": shares(self.params["strategy"]), **self.ALWAYS}

    def find(self) -> Properties | None:
        service = self._described()
        if service is None:
            return None
        network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        deployment = service.get("deploymentConfiguration", {})
        breaker = deployment.get("deploymentCircuitBreaker", {})
        return {
            "name": self.name,
            "arn": service["serviceArn"],
            "cluster": self.params["cluster"],
            "task_definition": service.get("taskDefinition", ""),
            "desired_count": service.get("desiredCount", 0),
            "strategy": read_strategy(service.get("capacityProviderStrategy")),
            "subnet_ids": network.get("subnets", []),
            "security_group_ids": network.get("securityGroups", []),
            "minimum_healthy_percent": deployment.get("minimumHealthyPercent"),
            "maximum_percent": deployment.get("maximumPercent"),
            "rolls_back": bool(breaker.get("enable") and breaker.get("rollback")),
            "public_address": network.get("assignPublicIp") == "ENABLED",
            "execute_command": service.get("enableExecuteCommand", False),
            "tags_tasks": service.get("propagateTags") == "SERVICE",
            "tags": read_tags(service.get("tags")),
        }

    def _described(self) -> dict[str, Any] | None:
        try:
            found = self.client.describe_services(cluster=self.params["cluster"], services=[self.name], include=["TAGS"])["services"]
        except self.client.exceptions.ClusterNotFoundException:
            return None
        return next((service for service in found if service.get("status") != "INACTIVE"), None)

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_service(
            cluster=self.params["cluster"],
            serviceName=self.name,
            enableECSManagedTags=True,
            **self._request(wanted),
            **({"tags": pairs(tags)} if tags else {}),
        )
        self.begun = True

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_service(cluster=self.params["cluster"], service=self.name, **self._request({**current, **changes}))
        self.begun = True

    @staticmethod
    def _request(wanted: Properties) -> dict[str, Any]:
        return {
            "taskDefinition": wanted["task_definition"],
            "desiredCount": wanted["desired_count"],
            "capacityProviderStrategy": as_strategy(wanted["strategy"]),
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": wanted["subnet_ids"],
                    "securityGroups": wanted["security_group_ids"],
                    "assignPublicIp": "ENABLED" if wanted["public_address"] else "DISABLED",
                }
            },
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": wanted["rolls_back"], "rollback": wanted["rolls_back"]},
                "minimumHealthyPercent": wanted["minimum_healthy_percent"],
                "maximumPercent": wanted["maximum_percent"],
            },
            "enableExecuteCommand": wanted["execute_command"],
            "propagateTags": "SERVICE" if wanted["tags_tasks"] else "NONE",
        }

    def delete(self, current: Properties) -> None:
        self.client.delete_service(cluster=self.params["cluster"], service=self.name, force=True)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(resourceArn=current["arn"], tagKeys=remove)
        if add:
            self.client.tag_resource(resourceArn=current["arn"], tags=pairs(add))

    def settle(self, current: Properties) -> Properties:
        """Wait for the deployment that this run has begun; one that was under way before may be what is to be mended."""
        timeout = self.params["wait_timeout_seconds"]
        if not self.begun or not timeout:
            return current
        wait_until(self._is_rolled_out, f"{self} to run what is declared", timeout, POLL_SECONDS)
        return self.find() or current

    def _is_rolled_out(self) -> bool:
        deployments = (self._described() or {}).get("deployments", [])
        for deployment in deployments:
            if deployment.get("rolloutState") == "FAILED":
                reason = deployment.get("rolloutStateReason", "its tasks did not stay up")
                raise ResourceError(f"ECS has stopped the deployment of {deployment['taskDefinition']} and goes back: {reason}")
        return [deployment.get("rolloutState") for deployment in deployments] == ["COMPLETED"]


def main() -> None:
    run(Service)


if __name__ == "__main__":
    main()
