# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to image repositories and to what runs in containers."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from tests.drill.support.mutations.model import PREFIX, Account, mutation

REPOSITORIES = "Make the repositories of the images"
CLUSTER = "Make the cluster"
LOGS = "Make the log groups of the services"
DEFINITIONS = "Say how the containers run"
SERVICES = "Run the containers"
WORKER = f"{PREFIX}-worker"
PROJECT = [{"key": "Project", "value": "another"}]
CONTAINER = f"containerDefinitions.{WORKER}."
ROLE = f"arn:aws:iam::123456789012:role/{PREFIX}"
ELSEWHERE = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": "/elsewhere", "awslogs-region": "us-east-1", "awslogs-stream-prefix": WORKER},
}


def _repository(name: str) -> dict[str, str]:
    return {"repositoryName": f"indivillage/sandbox/{name}"}


def _register(account: Account, container: dict[str, Any] | None = None, **changes: Any) -> None:
    """Somebody registers a revision that differs from the last one, in itself or in its container."""
    ecs = account.client("ecs")
    stands = ecs.describe_task_definition(taskDefinition=WORKER, include=["TAGS"])
    definition = stands["taskDefinition"]
    names = (
        "family",
        "networkMode",
        "cpu",
        "memory",
        "requiresCompatibilities",
        "runtimePlatform",
        "taskRoleArn",
        "executionRoleArn",
        "volumes",
    )
    changed = [definition["containerDefinitions"][0] | (container or {})]
    ecs.register_task_definition(**{name: definition[name] for name in names} | changes, containerDefinitions=changed, tags=stands["tags"])


def _update_service(account: Account, **changes: Any) -> None:
    account.client("ecs").update_service(cluster=PREFIX, service=WORKER, **changes)


def _place_service(account: Account, **changes: Any) -> None:
    (service,) = account.client("ecs").describe_services(cluster=PREFIX, services=[WORKER])["services"]
    network = service["networkConfiguration"]["awsvpcConfiguration"] | changes
    _update_service(account, networkConfiguration={"awsvpcConfiguration": network})


# --- repositories ---


@mutation("image repository", "tags may move", REPOSITORIES, "frontend", operation="PutImageTagMutability", field="imageTagMutability")
def repository_tags_may_move(account: Account) -> None:
    account.client("ecr").put_image_tag_mutability(**_repository("frontend"), imageTagMutability="MUTABLE")


@mutation("image repository", "not scanned any more", REPOSITORIES, "backend", operation="PutImageScanningConfiguration")
def repository_not_scanned(account: Account) -> None:
    account.client("ecr").put_image_scanning_configuration(**_repository("backend"), imageScanningConfiguration={"scanOnPush": False})


@mutation("image repository", "keeps other images", REPOSITORIES, "worker", operation="PutLifecyclePolicy", argument="keep_images")
def repository_keeps_other_images(account: Account) -> None:
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
    policy = {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}
    account.client("ecr").put_lifecycle_policy(**_repository("worker"), lifecyclePolicyText=json.dumps(policy))


@mutation("image repository", "tag removed", REPOSITORIES, "frontend", operation="TagResource", argument="tags", field="Tags.Project")
def repository_tag_removed(account: Account) -> None:
    (found,) = account.client("ecr").describe_repositories(repositoryNames=[_repository("frontend")["repositoryName"]])["repositories"]
    account.client("ecr").untag_resource(resourceArn=found["repositoryArn"], tagKeys=["Project"])


# --- cluster and log group ---


@mutation("ECS cluster", "insights switched off", CLUSTER, operation="UpdateCluster", argument="container_insights", field="settings")
def cluster_without_insights(account: Account) -> None:
    account.client("ecs").update_cluster(cluster=PREFIX, settings=[{"name": "containerInsights", "value": "disabled"}])


@mutation("ECS cluster", "capacity exchanged", CLUSTER, operation="PutClusterCapacityProviders", field="capacityProviders",
          argument=("capacity_providers", "default_strategy"))  # fmt: skip
def cluster_capacity_exchanged(account: Account) -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    account.client("ecs").put_cluster_capacity_providers(
        cluster=PREFIX, capacityProviders=["FARGATE_SPOT"], defaultCapacityProviderStrategy=strategy
    )


@mutation("ECS cluster", "tag changed", CLUSTER, operation="TagResource", argument="tags", field="Tags.Project")
def cluster_tag_changed(account: Account) -> None:
    account.client("ecs").tag_resource(resourceArn=f"arn:aws:ecs:us-east-1:123456789012:cluster/{PREFIX}", tags=PROJECT)


@mutation("log group", "records of containers forgotten", LOGS, "worker", operation="PutRetentionPolicy", argument="retention_days")
def container_log_forgotten(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=f"/aws/ecs/{WORKER}", retentionInDays=1)


@mutation("log group", "records of containers lose their key", LOGS, "worker", operation="AssociateKmsKey", argument="kms_key_arn")
def container_log_key_removed(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=f"/aws/ecs/{WORKER}")


@mutation("log group", "records of containers lose a tag", LOGS, "worker", operation="TagResource", argument="tags")
def container_log_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/ecs/{WORKER}"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


# --- task definition: each revision is one that services are told ---

_TOLD = {(SERVICES, "worker"): "UpdateService"}


@mutation("task definition", "root file system opened", DEFINITIONS, "worker", operation="RegisterTaskDefinition", also=_TOLD,
          field=f"{CONTAINER}readonlyRootFilesystem")  # fmt: skip
def container_may_write(account: Account) -> None:
    _register(account, {"readonlyRootFilesystem": False})


@mutation("task definition", "image exchanged", DEFINITIONS, "worker", operation="RegisterTaskDefinition", argument="image", also=_TOLD,
          field=f"{CONTAINER}image", alone=True)  # fmt: skip
def container_image_exchanged(account: Account) -> None:
    _register(account, {"image": "elsewhere.example/miner:1"})


_DEFINITION_CHANGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # argument of the task, its field in the API, what is changed in words, the change
    ("cpu", "cpu", "a smaller processor", {"cpu": "512"}),
    ("memory_mib", "memory", "more memory", {"memory": "4096"}),
    ("task_role_arn", "taskRoleArn", "another role", {"taskRoleArn": f"{ROLE}-web"}),
    ("execution_role_arn", "executionRoleArn", "started by another role", {"executionRoleArn": f"{ROLE}-web"}),
    ("command", f"{CONTAINER}command", "another command", {"container": {"command": ["sleep", "infinity"]}}),
    ("environment", f"{CONTAINER}environment", "another environment", {"container": {"environment": []}}),
    ("secrets", f"{CONTAINER}secrets", "no secrets", {"container": {"secrets": []}}),
    (
        "health_check_command",
        f"{CONTAINER}healthCheck.command",
        "always healthy",
        {"container": {"healthCheck": {"command": ["CMD-SHELL", "true"]}}},
    ),
    (
        "log_group",
        f"{CONTAINER}logConfiguration.options.awslogs-group",
        "written down elsewhere",
        {"container": {"logConfiguration": ELSEWHERE}},
    ),
)
for _argument, _field, _what, _changes in _DEFINITION_CHANGES:
    mutation(
        "task definition",
        _what,
        DEFINITIONS,
        "worker",
        operation="RegisterTaskDefinition",
        argument=_argument,
        field=_field,
        also=_TOLD,
        name=f"task_definition_{_argument}_changed",
    )(partial(_register, **_changes))


@mutation("task definition", "tag removed", DEFINITIONS, "worker", operation="TagResource", argument="tags", alone=True)
def task_definition_tag_removed(account: Account) -> None:
    ecs = account.client("ecs")
    arn = ecs.describe_task_definition(taskDefinition=WORKER)["taskDefinition"]["taskDefinitionArn"]
    ecs.untag_resource(resourceArn=arn, tagKeys=["Project"])


# --- service ---


@mutation("ECS service", "tasks added", SERVICES, "worker", operation="UpdateService", argument="desired_count", field="desiredCount")
def service_scaled(account: Account) -> None:
    _update_service(account, desiredCount=3)


@mutation("ECS service", "runs something else", SERVICES, "worker", operation="UpdateService", argument="task_definition",
          field="taskDefinition")  # fmt: skip
def service_runs_something_else(account: Account) -> None:
    definition = account.client("ecs").register_task_definition(
        family="stranger",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "stranger", "image": "elsewhere.example/miner:1"}],
    )["taskDefinition"]
    _update_service(account, taskDefinition=definition["taskDefinitionArn"])


@mutation("ECS service", "on capacity that AWS may take back", SERVICES, "worker", operation="UpdateService", argument="strategy",
          field="capacityProviderStrategy")  # fmt: skip
def service_on_spot_capacity(account: Account) -> None:
    _update_service(account, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}])


@mutation("ECS service", "commands may be run in its tasks", SERVICES, "worker", operation="UpdateService", field="enableExecuteCommand")
def service_lets_commands_in(account: Account) -> None:
    _update_service(account, enableExecuteCommand=True)


@mutation("ECS service", "goes back no more", SERVICES, "worker", operation="UpdateService",
          field="deploymentConfiguration.deploymentCircuitBreaker.rollback")  # fmt: skip
def service_goes_back_no_more(account: Account) -> None:
    breaker = {"enable": True, "rollback": False}
    _update_service(
        account, deploymentConfiguration={"deploymentCircuitBreaker": breaker, "minimumHealthyPercent": 100, "maximumPercent": 200}
    )


@mutation("ECS service", "security group exchanged", SERVICES, "worker", operation="UpdateService", argument="security_group_ids",
          field="networkConfiguration.awsvpcConfiguration.securityGroups")  # fmt: skip
def service_group_exchanged(account: Account) -> None:
    _place_service(account, securityGroups=[account.group_id("bastion")])


@mutation("ECS service", "zone dropped", SERVICES, "worker", operation="UpdateService", argument="subnet_ids",
          field="networkConfiguration.awsvpcConfiguration.subnets")  # fmt: skip
def service_zone_dropped(account: Account) -> None:
    _place_service(account, subnets=[account.subnet_id(f"app-{zone}") for zone in "ab"])


@mutation("ECS service", "tag removed", SERVICES, "worker", operation="TagResource", argument="tags", field="Tags.Project")
def service_tag_removed(account: Account) -> None:
    arn = f"arn:aws:ecs:us-east-1:123456789012:service/{PREFIX}/{WORKER}"
    account.client("ecs").untag_resource(resourceArn=arn, tagKeys=["Project"])
