# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS services that keep all that they were told, and run it at once; the newest revision of a family is one that can be used.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskDefinition.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTagsForResource.html
moto 5.2.5 drops how a new service is deployed and on what capacity, starts nothing, so that no deployment ever ends, takes a launch type
for granted where a strategy was given, and describes a family by its latest revision even when that was deregistered.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.responses import EC2ContainerServiceResponse

from sandbox.emulator.additions.patching import wrap

# Parameter of CreateService -> the attribute that a description of the service is made of.
_KEPT = {
    "capacityProviderStrategy": "capacity_provider_strategy",
    "deploymentConfiguration": "deployment_configuration",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "enableExecuteCommand": "enable_execute_command",
}


@functools.cache
def install() -> None:
    @wrap(EC2ContainerServiceResponse, "create_service")
    def create_service(original: Any, self: Any) -> Any:
        answer = original(self)
        service = answer.result["service"]
        for parameter, attribute in _KEPT.items():
            setattr(service, attribute, self._get_param(parameter))
        if service.capacity_provider_strategy:
            service.launch_type = None
        _run(service)
        return answer

    @wrap(EC2ContainerServiceBackend, "update_service")
    def update_service(original: Any, self: Any, service_properties: dict[str, Any]) -> Any:
        service = original(self, service_properties)
        _run(service)
        return service

    @wrap(EC2ContainerServiceBackend, "describe_task_definition")
    def describe_task_definition(original: Any, self: Any, task_definition_str: str) -> Any:
        name = task_definition_str.rpartition("/")[2]
        if ":" in name:
            return original(self, task_definition_str)
        active = [number for number, one in self.task_definitions.get(name, {}).items() if one.status == "ACTIVE"]
        if not active:
            raise TaskDefinitionNotFoundException
        return original(self, f"{name}:{max(active)}")


def _run(service: Any) -> None:
    """What was asked for runs, and the deployment is over."""
    service.running_count, service.pending_count = service.desired_count, 0
    for deployment in service.deployments:
        deployment |= {
            "desiredCount": service.desired_count,
            "launchType": service.launch_type,
            "pendingCount": 0,
            "rolloutState": "COMPLETED",
            "rolloutStateReason": f"ECS deployment {deployment['id']} completed.",
            "runningCount": service.desired_count,
            "taskDefinition": service.task_definition,
        }
