# SPDX-License-Identifier: GPL-3.0-or-later
"""The role aws_containers: what it makes, what it does about a release, and that nothing is left of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.drill.roles.workloads.conftest import Workload
from tests.integration.provisioning_tiers.foundation import PREFIX

pytestmark = pytest.mark.emulator
WORKER = f"{PREFIX}-worker"
RELEASE = "sandbox-1a2b3c4"


@pytest.fixture(scope="module")
def containers(build: Callable[..., Workload]) -> Workload:
    return build("aws_containers")


def test_a_plan_of_nothing_is_what_is_then_done(containers: Workload) -> None:
    assert containers.applied == {
        *(("Make the repositories of the images", name) for name in ("frontend", "backend", "worker")),
        ("Make the cluster", ""),
        ("Make the log groups of the services", "worker"),
        ("Say how the containers run", "worker"),
        ("Run the containers", "worker"),
    }
    assert containers.planned == containers.applied


def test_a_second_run_changes_nothing_and_a_plan_says_so(containers: Workload) -> None:
    assert containers.again == set()
    assert containers.planned_again == set()


def test_repositories_scan_keep_and_encrypt(containers: Workload) -> None:
    ecr = containers.client("ecr")
    found = ecr.describe_repositories()["repositories"]

    assert {one["repositoryName"] for one in found} == {f"indivillage/sandbox/{name}" for name in ("frontend", "backend", "worker")}
    for one in found:
        policy = json.loads(ecr.get_lifecycle_policy(repositoryName=one["repositoryName"])["lifecyclePolicyText"])
        assert policy["rules"][0]["selection"]["countNumber"] == 5
        assert (one["imageTagMutability"], one["imageScanningConfiguration"]["scanOnPush"]) == ("IMMUTABLE", True)
        assert one["encryptionConfiguration"]["encryptionType"] == "KMS"


def test_the_worker_has_what_it_needs_and_no_more(containers: Workload) -> None:
    ecs, foundation = containers.client("ecs"), containers.site.foundation
    definition = ecs.describe_task_definition(taskDefinition=WORKER)["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    (service,) = ecs.describe_services(cluster=PREFIX, services=[WORKER])["services"]
    network = service["networkConfiguration"]["awsvpcConfiguration"]

    assert definition["taskRoleArn"].endswith(f"role/{WORKER}-task")
    assert definition["executionRoleArn"].endswith(f"role/{WORKER}-execution")
    assert {secret["name"] for secret in container["secrets"]} == {"DATABASE_CREDENTIALS", "CACHE_CREDENTIALS"}
    assert all(secret["valueFrom"].startswith("arn:aws:secretsmanager:") for secret in container["secrets"])
    assert container["readonlyRootFilesystem"]
    assert container["healthCheck"]["command"][0] == "CMD-SHELL"
    assert set(network["subnets"]) == {foundation.subnets[f"app-{zone}"] for zone in "abc"}
    assert network["securityGroups"] == [foundation.groups["worker"]]
    assert service["desiredCount"] == 0, "nothing was released yet"


def test_the_output_is_encrypted_and_forgotten(containers: Workload) -> None:
    (group,) = containers.client("logs").describe_log_groups(logGroupNamePrefix="/aws/ecs/")["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (f"/aws/ecs/{WORKER}", 30)
    assert group["kmsKeyId"]


def test_a_release_is_a_revision_that_the_service_runs(containers: Workload) -> None:
    expected = {("Say how the containers run", "worker"), ("Run the containers", "worker")}

    assert containers.run("--check", aws_containers_release=RELEASE) == expected
    assert containers.run(aws_containers_release=RELEASE) == expected

    (service,) = containers.client("ecs").describe_services(cluster=PREFIX, services=[WORKER])["services"]
    definition = containers.client("ecs").describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert definition["containerDefinitions"][0]["image"].endswith(f".amazonaws.com/indivillage/sandbox/worker:{RELEASE}")
    assert (definition["revision"], service["desiredCount"], service["runningCount"]) == (2, 1, 1)


def test_nothing_is_left_of_it(containers: Workload) -> None:
    kinds = ("ecs:service", "ecs:task-definition", "ecs:cluster", "ecr:repository", "logs:log-group")
    assert containers.remove(*kinds) == []
