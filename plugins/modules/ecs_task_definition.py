#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_task_definition
version_added: 0.3.0
short_description: Manage the task definition of one container on Fargate
description:
  - Registers a new revision of a family when what is declared differs from its newest one. Earlier revisions stay, for services to go
    back to. O(state=absent) deregisters all of them, so that nothing new starts from them.
  - The container's root file system is read-only and it has no Linux capabilities; O(writable_paths) are empty at each start.
  - Use it instead of M(community.aws.ecs_taskdefinition), which knows no tags.
options:
  name:
    description: Name of the family, and of its container.
    type: str
    required: true
  image:
    description: The image, with its tag.
    type: str
  command:
    description: What runs in the container; the image's own command when it is empty.
    type: list
    elements: str
    default: []
  cpu:
    description: CPU units of the task, 1024 a processor.
    type: int
  memory_mib:
    description: Memory of the task. Fargate knows certain combinations with O(cpu) only.
    type: int
  architecture:
    description: The processor that the image is made for.
    type: str
    choices: [ARM64, X86_64]
    default: ARM64
  user:
    description: User and group in the container, by number.
    type: str
    default: "10001:10001"
  writable_paths:
    description: Directories that the container may write to.
    type: list
    elements: str
    default: [/tmp]
  environment:
    description: Environment variables.
    type: dict
    default: {}
  secrets:
    description: Environment variables whose values ECS takes out of Secrets Manager, by the secret's name.
    type: dict
    default: {}
  health_check_command:
    description: A shell command that fails when the container is not well; there is no check when it is empty.
    type: str
    default: ""
  health_check_interval_seconds:
    description: Time between two checks.
    type: int
    default: 30
  health_check_grace_seconds:
    description: Time after the start in which failed checks do not count.
    type: int
    default: 60
  stop_timeout_seconds:
    description: How long the container may take to end after it was asked to.
    type: int
    default: 120
  log_group:
    description: The CloudWatch log group that has the container's output.
    type: str
  task_role_arn:
    description: The role of what runs in the container.
    type: str
  execution_role_arn:
    description: The role with which ECS starts it, reads images and secrets and writes logs.
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
- name: Say how the worker runs
  indivillage.infra.ecs_task_definition:
    name: indivillage-staging-worker
    image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/indivillage/staging/worker:staging-1a2b3c4
    cpu: 1024
    memory_mib: 2048
    secrets: {DATABASE_CREDENTIALS: /indivillage/staging/database/credentials}
    log_group: /aws/ecs/indivillage-staging-worker
    task_role_arn: arn:aws:iam::123456789012:role/indivillage-staging-worker-task
    execution_role_arn: arn:aws:iam::123456789012:role/indivillage-staging-worker-execution
"""

RETURN = r"""
resource:
  description: The newest revision. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the family.
      type: str
      sample: indivillage-staging-worker
    arn:
      description: ARN of the revision, which services are told.
      type: str
      sample: arn:aws:ecs:us-east-1:123456789012:task-definition/indivillage-staging-worker:3
    secret_arns:
      description: The secrets by the environment variables that hold their values.
      type: dict
      sample: {DATABASE_CREDENTIALS: "arn:aws:secretsmanager:us-east-1:123456789012:secret:/site/database-a1b2c3"}
  sample: {name: indivillage-staging-worker, cpu: 1024, memory_mib: 2048}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_message
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    Properties,
    Resource,
    ResourceError,
    aws_client,
    run,
)
from ansible_collections.indivillage.infra.plugins.module_utils.ecs import pairs, read_tags


class TaskDefinition(Resource):
    service = "ecs"
    kind = "task definition"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "image": {},
        "command": {"type": "list", "elements": "str", "default": []},
        "cpu": {"type": "int"},
        "memory_mib": {"type": "int"},
        "architecture": {"choices": ["ARM64", "X86_64"], "default": "ARM64"},
        "user": {"default": "10001:10001"},
        "writable_paths": {"type": "list", "elements": "str", "default": ["/tmp"]},  # noqa: S108  # a path in the container
        "environment": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": False},
        "health_check_command": {"default": ""},
        "health_check_interval_seconds": {"type": "int", "default": 30},
        "health_check_grace_seconds": {"type": "int", "default": 60},
        "stop_timeout_seconds": {"type": "int", "default": 120},
        "log_group": {},
        "task_role_arn": {},
        "execution_role_arn": {},
    }
    constraints: ClassVar[dict[str, Any]] = {
        "required_if": [("state", "present", ("image", "cpu", "memory_mib", "log_group", "task_role_arn", "execution_role_arn"))]
    }
    # Instead of the options that are declared, what of the revision nobody can declare otherwise: see find.
    properties = (*(option for option in options if option not in {"name", "secrets"}), "secret_arns", "hardened")
    ordered = frozenset({"command"})
    exact = frozenset({"environment", "secret_arns"})

    def declared(self) -> Properties:
        own = {key: self.params[key] for key in self.properties if key in self.params}
        environment = {name: str(value) for name, value in self.params["environment"].items()}
        if not self.params["health_check_command"]:
            own["health_check_interval_seconds"] = own["health_check_grace_seconds"] = None
        return {**own, "environment": environment, "secret_arns": self._secret_arns(), "hardened": True}

    def _secret_arns(self) -> dict[str, str]:
        """ARNs of the secrets that are declared by name: ECS takes no names."""
        client, found = aws_client(self.module, "secretsmanager"), {}
        for variable, name in self.params["secrets"].items():
            try:
                found[variable] = client.describe_secret(SecretId=name)["ARN"]
            except client.exceptions.ResourceNotFoundException as error:
                raise ResourceError(f"There is no secret '{name}' for {variable}. Make it first, or correct the name.") from error
        return found

    def find(self) -> Properties | None:
        try:
            answer = self.client.describe_task_definition(taskDefinition=self.name, include=["TAGS"])
        except is_boto3_error_message("Unable to describe task definition"):
            return None
        definition = answer["taskDefinition"]
        if definition.get("status") == "INACTIVE":
            return None
        container = definition["containerDefinitions"][0]
        check = container.get("healthCheck") or {}
        return {
            "name": self.name,
            "arn": definition["taskDefinitionArn"],
            "image": container["image"],
            "command": container.get("command", []),
            "cpu": int(definition.get("cpu") or 0),
            "memory_mib": int(definition.get("memory") or 0),
            "architecture": definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
            "user": container.get("user", ""),
            "writable_paths": [point["containerPath"] for point in container.get("mountPoints", [])],
            "environment": {item["name"]: item["value"] for item in container.get("environment", [])},
            "secret_arns": {item["name"]: item["valueFrom"] for item in container.get("secrets", [])},
            "health_check_command": (check.get("command") or [""])[-1],
            "health_check_interval_seconds": check.get("interval"),
            "health_check_grace_seconds": check.get("startPeriod"),
            "stop_timeout_seconds": container.get("stopTimeout"),
            "log_group": (container.get("logConfiguration", {}).get("options") or {}).get("awslogs-group"),
            "task_role_arn": definition.get("taskRoleArn", ""),
            "execution_role_arn": definition.get("executionRoleArn", ""),
            "hardened": self._is_hardened(definition),
            "tags": read_tags(answer.get("tags")),
        }

    @staticmethod
    def _is_hardened(definition: dict[str, Any]) -> bool:
        """Whether everything that this module does not ask for is as it always makes it: one container that can harm little."""
        (container, *others) = definition["containerDefinitions"]
        dropped = container.get("linuxParameters", {}).get("capabilities", {}).get("drop")
        closed = container.get("readonlyRootFilesystem") and not container.get("privileged") and dropped == ["ALL"]
        return bool(closed and not others and definition.get("networkMode") == "awsvpc")

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        volumes = {f"writable-{number}": path for number, path in enumerate(wanted["writable_paths"])}
        log = {"awslogs-group": wanted["log_group"], "awslogs-region": self.client.meta.region_name, "awslogs-stream-prefix": self.name}
        command = wanted["health_check_command"]
        check = {
            "command": ["CMD-SHELL", command],
            "interval": wanted.get("health_check_interval_seconds"),
            "startPeriod": wanted.get("health_check_grace_seconds"),
            "timeout": 5,
            "retries": 3,
        }
        container = {
            "name": self.name,
            "image": wanted["image"],
            "essential": True,
            "user": wanted["user"],
            "readonlyRootFilesystem": True,
            "privileged": False,
            "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
            "mountPoints": [{"sourceVolume": name, "containerPath": path, "readOnly": False} for name, path in volumes.items()],
            "environment": pairs(wanted["environment"], "name"),
            "secrets": [{"name": name, "valueFrom": arn} for name, arn in wanted["secret_arns"].items()],
            "logConfiguration": {"logDriver": "awslogs", "options": log},
            "stopTimeout": wanted["stop_timeout_seconds"],
            **({"command": wanted["command"]} if wanted["command"] else {}),
            **({"healthCheck": check} if command else {}),
        }
        self.client.register_task_definition(
            family=self.name,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu=str(wanted["cpu"]),
            memory=str(wanted["memory_mib"]),
            runtimePlatform={"cpuArchitecture": wanted["architecture"], "operatingSystemFamily": "LINUX"},
            taskRoleArn=wanted["task_role_arn"],
            executionRoleArn=wanted["execution_role_arn"],
            volumes=[{"name": name} for name in volumes],
            containerDefinitions=[container],
            **({"tags": pairs(tags)} if tags else {}),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        """Register a revision with all that is declared; tags go over to it, and are changed there."""
        self.create({key: value for key, value in self.declared().items() if value is not None}, current["tags"])
        current["arn"] = (self.find() or current)["arn"]

    def delete(self, current: Properties) -> None:
        for page in self.client.get_paginator("list_task_definitions").paginate(familyPrefix=self.name, status="ACTIVE"):
            for arn in page["taskDefinitionArns"]:
                self.client.deregister_task_definition(taskDefinition=arn)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(resourceArn=current["arn"], tagKeys=remove)
        if add:
            self.client.tag_resource(resourceArn=current["arn"], tags=pairs(add))


def main() -> None:
    run(TaskDefinition)


if __name__ == "__main__":
    main()
