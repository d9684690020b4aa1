# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to image repositories and to what runs in containers."""

from __future__ import annotations

import json
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


def _repository(name: str) -> dict[str, str]:
    return {"repositoryName": f"indivillage/sandbox/{name}"}


def _register(account: Account, **container: Any) -> None:
    """Somebody registers a revision that differs in what its container may do."""
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
    changed = [definition["containerDefinitions"][0] | container]
    ecs.register_task_definition(**{name: definition[name] for name in names}, containerDefinitions=changed, tags=stands["tags"])


def _update_service(account: Account, **changes: Any) -> None:
    account.client("ecs").update_service(cluster=PREFIX, service=WORKER, **changes)


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


# --- task definition: each revision is one that services are told ---

_TOLD = {(SERVICES, "worker"): "UpdateService"}


@mutation("task definition", "root file system opened", DEFINITIONS, "worker", operation="RegisterTaskDefinition", also=_TOLD,
          field=f"{CONTAINER}readonlyRootFilesystem")  # fmt: skip
def container_may_write(account: Account) -> None:
    _register(account, readonlyRootFilesystem=False)


@mutation("task definition", "image exchanged", DEFINITIONS, "worker", operation="RegisterTaskDefinition", argument="image", also=_TOLD,
          field=f"{CONTAINER}image", alone=True)  # fmt: skip
def container_image_exchanged(account: Account) -> None:
    _register(account, image="elsewhere.example/miner:1")


@mutation("task definition", "tag removed", DEFINITIONS, "worker", operation="TagResource", argument="tags", alone=True)
def task_definition_tag_removed(account: Account) -> None:
    ecs = account.client("ecs")
    arn = ecs.describe_task_definition(taskDefinition=WORKER)["taskDefinition"]["taskDefinitionArn"]
    ecs.untag_resource(resourceArn=arn, tagKeys=["Project"])


# --- service ---


@mutation("ECS service", "tasks added", SERVICES, "worker", operation="UpdateService", argument="desired_count", field="desiredCount")
def service_scaled(account: Account) -> None:
    _update_service(account, desiredCount=3)


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
    subnets = [account.subnet_id(f"app-{zone}") for zone in "abc"]
    network = {"subnets": subnets, "securityGroups": [account.group_id("bastion")], "assignPublicIp": "DISABLED"}
    _update_service(account, networkConfiguration={"awsvpcConfiguration": network})


@mutation("ECS service", "tag removed", SERVICES, "worker", operation="TagResource", argument="tags", field="Tags.Project")
def service_tag_removed(account: Account) -> None:
    arn = f"arn:aws:ecs:us-east-1:123456789012:service/{PREFIX}/{WORKER}"
    account.client("ecs").untag_resource(resourceArn=arn, tagKeys=["Project"])
