# SPDX-License-Identifier: GPL-3.0-or-later
"""Image repositories, clusters, task definitions and services through their whole life, and what somebody changes about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ecr_repository, ecs_cluster, ecs_service, ecs_task_definition

from sandbox.emulator.additions import container_services

Run = Callable[..., dict[str, Any]]
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
ROLE = "arn:aws:iam::123456789012:role/{}"
TASK = {
    "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/site/worker:1",
    "cpu": 1024,
    "memory_mib": 2048,
    "log_group": "/aws/ecs/worker",
    "task_role_arn": ROLE.format("task"),
    "execution_role_arn": ROLE.format("execution"),
}


@pytest.fixture(autouse=True, scope="module")
def services_run() -> None:
    container_services.install()


@pytest.fixture
def service(run: Run, vpc_id: str) -> dict[str, Any]:
    """What a service is declared with."""
    ec2 = boto3.client("ec2")
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc_id, GroupName="worker", Description="Worker")["GroupId"]
    run(ecs_cluster, name="site")
    arn = run(ecs_task_definition, name="worker", **TASK)["resource"]["arn"]
    return {"cluster": "site", "task_definition": arn, "desired_count": 2, "subnet_ids": [subnet], "security_group_ids": [group]}


def described(name: str = "worker") -> dict[str, Any]:
    (found,) = boto3.client("ecs").describe_services(cluster="site", services=[name])["services"]
    return dict(found)


# --- repositories ---


def test_life_cycle_of_a_repository(life_cycle: Callable[..., None]) -> None:
    first = {"keep_images": 5, "kms_key_arn": KEY, "tags": {"Project": "site", "Old": "1"}}
    second = {"keep_images": 0, "scan_on_push": False, "immutable_tags": False, "tags": {"Project": "site"}}
    life_cycle(ecr_repository, {"name": "site/worker"}, first, second)


def test_a_repository_keeps_the_newest_images(run: Run) -> None:
    run(ecr_repository, name="site/worker", keep_images=5)

    ecr = boto3.client("ecr")
    (rule,) = json.loads(ecr.get_lifecycle_policy(repositoryName="site/worker")["lifecyclePolicyText"])["rules"]
    (repository,) = ecr.describe_repositories()["repositories"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}


def test_a_lifecycle_that_somebody_else_wrote_is_replaced(run: Run) -> None:
    run(ecr_repository, name="site/worker", keep_images=5)
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5}
    policy = {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}
    boto3.client("ecr").put_lifecycle_policy(repositoryName="site/worker", lifecyclePolicyText=json.dumps(policy))

    result = run(ecr_repository, name="site/worker", keep_images=5)

    assert result["diff"]["before"]["keep_images"]["rules"][0]["selection"] == selection
    assert not run(ecr_repository, name="site/worker", keep_images=5)["changed"]


def test_the_key_of_a_repository_cannot_be_changed(run: Run) -> None:
    run(ecr_repository, name="site/worker", kms_key_arn=KEY)
    assert "AWS cannot change this" in run(ecr_repository, name="site/worker", kms_key_arn=KEY.replace("12345678-", "87654321-"))["msg"]


# --- clusters ---


def test_life_cycle_of_a_cluster(life_cycle: Callable[..., None]) -> None:
    first = {"tags": {"Project": "site", "Old": "1"}}
    second = {
        "container_insights": "enhanced",
        "capacity_providers": ["FARGATE", "FARGATE_SPOT"],
        "default_strategy": {"FARGATE": 0, "FARGATE_SPOT": 1},
        "tags": {"Project": "site"},
    }
    life_cycle(ecs_cluster, {"name": "site"}, first, second)


def test_a_cluster_that_was_deleted_is_made_again(run: Run) -> None:
    run(ecs_cluster, name="site")
    boto3.client("ecs").delete_cluster(cluster="site")

    assert run(ecs_cluster, name="site")["changed"]
    assert not run(ecs_cluster, name="site")["changed"]


# --- task definitions ---


def test_life_cycle_of_a_task_definition(life_cycle: Callable[..., None]) -> None:
    boto3.client("secretsmanager").create_secret(Name="/site/database", SecretString="{}")
    first = {
        **TASK,
        "environment": {"WORKERS": 2},
        "secrets": {"DATABASE": "/site/database"},
        "health_check_command": "true",
        "tags": {"Project": "site", "Old": "1"},
    }
    second = {**TASK, "cpu": 512, "command": ["python", "-m", "worker"], "architecture": "X86_64", "tags": {"Project": "site"}}
    life_cycle(ecs_task_definition, {"name": "worker"}, first, second)


def test_a_change_is_a_new_revision_that_keeps_its_tags(run: Run) -> None:
    run(ecs_task_definition, name="worker", **TASK, tags={"Project": "site"})

    result = run(ecs_task_definition, name="worker", **{**TASK, "image": "worker:2"}, tags={"Project": "site", "Owner": "x"})

    assert result["resource"]["arn"].endswith(":task-definition/worker:2")
    ecs = boto3.client("ecs")
    tags = {tag["key"]: tag["value"] for tag in ecs.list_tags_for_resource(resourceArn=result["resource"]["arn"])["tags"]}
    assert tags == {"Project": "site", "Owner": "x"}
    assert len(ecs.list_task_definitions(familyPrefix="worker")["taskDefinitionArns"]) == 2


def test_a_container_can_harm_little(run: Run) -> None:
    boto3.client("secretsmanager").create_secret(Name="/site/database", SecretString="{}")
    run(ecs_task_definition, name="worker", **TASK, secrets={"DATABASE": "/site/database"}, writable_paths=["/tmp", "/run"])

    (container,) = boto3.client("ecs").describe_task_definition(taskDefinition="worker")["taskDefinition"]["containerDefinitions"]
    assert container["readonlyRootFilesystem"]
    assert container["user"] == "10001:10001"
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert [point["containerPath"] for point in container["mountPoints"]] == ["/tmp", "/run"]
    assert container["secrets"][0]["valueFrom"].startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:/site/database-")
    assert container["environment"] == []


@pytest.mark.parametrize(
    "change",
    [{"readonlyRootFilesystem": False}, {"privileged": True}, {"user": "root"}, {"environment": [{"name": "MORE", "value": "1"}]}],
    ids=lambda change: next(iter(change)),
)
def test_a_revision_of_somebody_else_is_replaced(run: Run, change: dict[str, Any]) -> None:
    run(ecs_task_definition, name="worker", **TASK)
    ecs = boto3.client("ecs")
    stands = ecs.describe_task_definition(taskDefinition="worker")["taskDefinition"]
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
    container = stands["containerDefinitions"][0] | change
    ecs.register_task_definition(**{name: stands[name] for name in names}, containerDefinitions=[container])

    assert run(ecs_task_definition, name="worker", **TASK)["changed"]
    assert not run(ecs_task_definition, name="worker", **TASK)["changed"]


def test_a_revision_that_was_deregistered_does_not_count(run: Run) -> None:
    arn = run(ecs_task_definition, name="worker", **TASK)["resource"]["arn"]
    boto3.client("ecs").deregister_task_definition(taskDefinition=arn)

    assert run(ecs_task_definition, name="worker", **TASK)["resource"]["arn"].endswith("worker:2")


def test_a_secret_that_is_not_there_is_named(run: Run) -> None:
    result = run(ecs_task_definition, name="worker", **TASK, secrets={"DATABASE": "/site/database"})
    assert "There is no secret '/site/database' for DATABASE" in result["msg"]


# --- services ---


def test_life_cycle_of_a_service(life_cycle: Callable[..., None], run: Run, service: dict[str, Any]) -> None:
    newer = run(ecs_task_definition, name="worker", **{**TASK, "image": "worker:2"})["resource"]["arn"]
    first = {**service, "tags": {"Project": "site", "Old": "1"}}
    second = {**service, "task_definition": newer, "desired_count": 0, "strategy": {"FARGATE_SPOT": 1}, "tags": {"Project": "site"}}
    life_cycle(ecs_service, {"name": "worker", "cluster": "site"}, first, second)


def test_a_service_is_private_and_goes_back_by_itself(run: Run, service: dict[str, Any]) -> None:
    run(ecs_service, name="worker", **service)

    found = described()
    assert found["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert found["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert (found["runningCount"], found["propagateTags"]) == (2, "SERVICE")


def test_what_was_changed_about_a_service_is_put_right(run: Run, service: dict[str, Any]) -> None:
    run(ecs_service, name="worker", **service)
    boto3.client("ecs").update_service(cluster="site", service="worker", desiredCount=7, enableExecuteCommand=True)

    result = run(ecs_service, name="worker", **service)

    assert result["diff"] == {
        "before": {"desired_count": 7, "execute_command": True},
        "after": {"desired_count": 2, "execute_command": False},
    }
    assert described()["desiredCount"] == 2


def test_a_deployment_that_ecs_takes_back_fails(run: Run, service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(service: Any) -> None:
        service.deployments[0] |= {"rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start."}

    monkeypatch.setattr(container_services, "_run", fail)
    result = run(ecs_service, name="worker", **service)
    assert result["failed"]
    assert "goes back: tasks failed to start." in result["msg"]


def test_a_service_of_a_cluster_that_is_not_there_can_be_planned(run: Run) -> None:
    wanted = {"task_definition": "x", "desired_count": 1, "subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
    assert run(ecs_service, check=True, name="worker", cluster="elsewhere", **wanted)["changed"]
