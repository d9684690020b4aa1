# SPDX-License-Identifier: GPL-3.0-or-later
"""What the validation says about functions."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_functions import function_problems
from hypothesis import given
from hypothesis import strategies as st

SCAN = {
    "name": "scan",
    "queue": "file-scan",
    "batch_size": 1,
    "timeout_seconds": 120,
    "memory_mib": 1024,
    "concurrency": 5,
    "in_vpc": True,
    "environment": {"CLAMD_PORT": 3310},
}
QUEUES = [
    {"name": "file-scan", "visibility_timeout_seconds": 720, "told_by_buckets": ["uploads"]},
    {"name": "tasks", "visibility_timeout_seconds": 300},
]
GOOD: dict[str, Any] = {
    "aws_functions_functions": [SCAN],
    "aws_functions_runtime": "python3.13",
    "aws_functions_log_retention_days": 14,
    "aws_functions_security_group": "functions",
    "aws_functions_notifications": [{"bucket": "uploads", "queue": "file-scan"}],
    "aws_messaging_queues": QUEUES,
    "aws_storage_buckets": [{"name": "uploads"}, {"name": "processed"}],
    "security_groups": ["app", "functions"],
}


def told(**changes: Any) -> list[str]:
    return [str(problem) for problem in function_problems(GOOD | changes)]


def scan(**changes: Any) -> dict[str, Any]:
    return {"aws_functions_functions": [SCAN | changes]}


def notifications(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"aws_functions_notifications": [{"bucket": bucket, "queue": queue} for bucket, queue in pairs]}


def test_a_good_declaration_has_no_problem() -> None:
    assert told() == []
    assert told(**scan(in_vpc=False), security_groups=["app"]) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aws_functions_runtime": "python3.8"}, "is 'python3.8', which runs none of the functions. Use one of python3.12"),
        ({"aws_functions_runtime": "nodejs14.x"}, "which runs none of the functions"),
        ({"aws_functions_log_retention_days": 10}, "is 10, which CloudWatch does not know. The nearest that it knows is 7."),
        ({"aws_functions_functions": [SCAN, SCAN]}, "has 'scan' 2 times."),
        (scan(timeout_seconds=800), "take 800 seconds, but file-scan gives a message to another call after 720."),
        (scan(timeout_seconds=0), "gives scan 0 seconds as timeout_seconds. AWS takes 1 to 900."),
        (scan(memory_mib=64), "gives scan 64 MiB as memory_mib. AWS takes 128 to 10240."),
        (scan(batch_size=0), "gives scan 0 messages as batch_size. AWS takes 1 to 10."),
        (scan(batch_size=11), "gives scan 11 messages as batch_size."),
        (scan(concurrency=1), "gives scan 1 calls as concurrency. AWS takes 2 to 1000."),
        (scan(queue="file-scna"), "lets scan work off 'file-scna', which is no queue. Queues are: file-scan, tasks."),
        (scan(environment={"AWS_REGION": "x"}), "gives scan the variable 'AWS_REGION', which Lambda refuses."),
        (scan(environment={"1ST": "x"}), "the variable '1ST', which Lambda refuses"),
        (scan(environment={"LONG": "x" * 4096}), "gives scan 4100 bytes of environment variables. Lambda takes 4096"),
        ({"security_groups": ["app"]}, "is 'functions', which is no security group. Add functions to security_groups."),
        (notifications(("upload", "file-scan")), "tells of new objects in 'upload', which is no bucket."),
        (notifications(("uploads", "file")), "tells 'file', which is no queue."),
        (notifications(("uploads", "tasks")), "tells tasks of uploads, but the queue does not let that bucket write."),
        (notifications(("uploads", "file-scan"), ("uploads", "file-scan")), "has 'uploads' twice"),
    ],
)
def test_a_fault_is_told_with_its_remedy(changes: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in told(**changes)), told(**changes)


def test_six_times_the_timeout_is_the_remedy_of_a_short_visibility() -> None:
    (problem,) = told(**scan(timeout_seconds=800))
    assert "set the queue's visibility_timeout_seconds to 4800" in problem


VALUES = st.none() | st.integers() | st.text("ab-/:", max_size=5)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES | st.lists(VALUES, max_size=3), max_size=3))
def test_values_of_wrong_types_are_somebody_elses_finding(values: dict[str, Any]) -> None:
    told(**values)
