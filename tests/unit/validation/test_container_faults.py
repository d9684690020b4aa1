# SPDX-License-Identifier: GPL-3.0-or-later
"""What the validation says about containers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_containers import FARGATE, container_problems
from hypothesis import given
from hypothesis import strategies as st

WORKER = {"name": "worker", "repository": "worker", "cpu": 1024, "memory_mib": 2048, "secrets": {"DATABASE": "database/credentials"}}
GOOD: dict[str, Any] = {
    "aws_containers_services": [WORKER],
    "aws_containers_desired_counts": {"worker": 1},
    "aws_containers_repositories": ["frontend", "worker"],
    "aws_containers_keep_images": 5,
    "aws_containers_release": "staging-1a2b3c4",
    "aws_containers_spot_percentage": 100,
    "aws_containers_log_retention_days": 14,
    "security_groups": ["app", "worker"],
}


def told(**changes: Any) -> list[str]:
    return [str(problem) for problem in container_problems(GOOD | changes)]


def worker(**changes: Any) -> dict[str, Any]:
    return {"aws_containers_services": [WORKER | changes]}


def test_a_good_declaration_has_no_problem() -> None:
    assert told() == []
    assert told(aws_containers_release="") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (worker(cpu=1000), "gives worker 1000 CPU units. Fargate knows 256, 512, 1024"),
        (worker(memory_mib=1024), "gives worker 1024 MiB with 1024 CPU units, which Fargate does not know. It knows 2048 to 8192 MiB"),
        (worker(cpu=256, memory_mib=4096), "It knows 512 to 2048 MiB with them; the nearest is 2048."),
        (worker(cpu=8192, memory_mib=17408), "the nearest is 16384"),
        (worker(repository="wroker"), "takes the image of worker from 'wroker', which is no repository. Use one of frontend, worker."),
        (worker(secrets={"DATABASE": "/indivillage/staging/database"}), "fills DATABASE of worker with '/indivillage/staging/database'"),
        (worker(secrets={"DATABASE": "arn:aws:secretsmanager:x"}), "Name it below aws_containers_secret_prefix"),
        (worker(environment={"DATABASE": "x"}), "sets DATABASE of worker as environment and as secret."),
        ({"aws_containers_services": [WORKER, WORKER]}, "has 'worker' 2 times."),
        ({"security_groups": ["app"]}, "has 'worker', which has no security group. Add worker to security_groups."),
        ({"aws_containers_desired_counts": {}}, "does not say how many tasks of worker run. Add worker."),
        ({"aws_containers_desired_counts": {"worker": 1, "web": 1}}, "has 'web', which is no service. Services are: worker."),
        ({"aws_containers_desired_counts": {"worker": -1}}, "lets -1 tasks of worker run."),
        ({"aws_containers_desired_counts": {"worker": "many"}}, "lets 'many' tasks of worker run."),
        ({"aws_containers_repositories": ["Worker", "worker"]}, "has 'Worker', which ECR takes for no name."),
        ({"aws_containers_keep_images": 0}, "is 0: a service could not start again."),
        ({"aws_containers_release": "latest"}, "is 'latest'; tags never move here."),
        ({"aws_containers_release": "staging-latest"}, "is 'staging-latest'; tags never move here."),
        ({"aws_containers_release": "worker:1"}, "is 'worker:1', which is no tag of an image."),
        ({"aws_containers_spot_percentage": 101}, "is 101. It is a share of the tasks: 0 to 100."),
        ({"aws_containers_log_retention_days": 28}, "is 28, which CloudWatch does not know. The nearest that it knows is 30."),
    ],
)
def test_a_fault_is_told_with_its_remedy(changes: dict[str, Any], message: str) -> None:
    (problem,) = told(**changes)
    assert message in problem


@given(st.sampled_from(sorted(FARGATE)), st.integers(1, 130000))
def test_only_the_memory_that_fargate_knows_passes(cpu: int, memory: int) -> None:
    assert bool(told(**worker(cpu=cpu, memory_mib=memory))) == (memory not in FARGATE[cpu])


VALUES = st.none() | st.integers() | st.text("ab-/:", max_size=5)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES | st.lists(VALUES, max_size=3), max_size=3))
def test_values_of_wrong_types_are_somebody_elses_finding(values: dict[str, Any]) -> None:
    told(**values)
