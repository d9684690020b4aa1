# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's call log, counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import api_calls

Line = dict[str, Any]


def line(service: str, operation: str, seconds: float = 0.1, status: int | str = 200) -> Line:
    about = {"region": "us-east-1", "task": "amazon.aws.ec2_vpc_net", "mode": "apply"}
    return {"service": service, "operation": operation, "seconds": seconds, "status": status, **about}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [
        line("ec2", "DescribeVpcs", 0.5),
        line("ec2", "CreateVpc", 0.2),
        line("ec2", "DescribeVpcs", 0.1, status=503),
        line("sqs", "GetQueueUrl", 0.1, status=400),
        line("sqs", "CreateQueue", 0.0, status="planned"),
        line("quantum", "ListQubits", 0.3),
    ]
    path = tmp_path / "aws_worker.calls"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in lines) + '{"service": "ec2", "opera')
    return path


def test_calls_are_counted_by_operation_and_a_cut_line_is_left_out(log: Path) -> None:
    tallies = {tally.name: tally for tally in api_calls.read(log)}
    assert list(tallies) == ["ec2:CreateVpc", "ec2:DescribeVpcs", "quantum:ListQubits", "sqs:CreateQueue", "sqs:GetQueueUrl"]
    vpcs = tallies["ec2:DescribeVpcs"]
    assert (vpcs.count, round(vpcs.seconds, 3), vpcs.slowest, vpcs.errors, vpcs.throttled) == (2, 0.6, 0.5, 1, 1)
    assert (tallies["sqs:GetQueueUrl"].errors, tallies["sqs:GetQueueUrl"].throttled) == (1, 0)
    assert (tallies["sqs:CreateQueue"].count, tallies["sqs:CreateQueue"].planned) == (0, 1), "a planned write was not sent"


def test_what_nobody_has_reviewed_counts_as_a_write(log: Path) -> None:
    kinds = {tally.name: tally.writes for tally in api_calls.read(log)}
    assert kinds["quantum:ListQubits"]
    assert not kinds["ec2:DescribeVpcs"]


def test_one_line_says_it_all(log: Path) -> None:
    assert api_calls.summary(api_calls.read(log)) == (
        "API calls: 3 reads, 2 writes, 1 planned writes, 1.2 s, slowest ec2:DescribeVpcs 0.50 s, 2 errors (1 throttled)"
    )


def test_the_table_begins_with_what_took_longest(log: Path) -> None:
    rows = [row.split() for row in api_calls.table(api_calls.read(log))]
    assert rows[0][0] == "CALL"
    assert [row[0] for row in rows[1:3]] == ["ec2:DescribeVpcs", "quantum:ListQubits"]
    assert ["sqs:CreateQueue", "write", "0", "(+1", "planned)", "0.00", "0.00"] in rows


def test_a_run_without_aws_has_no_log(tmp_path: Path) -> None:
    assert api_calls.read(tmp_path / "none") == []
    assert api_calls.summary([]) == "API calls: 0 reads, 0 writes, 0.0 s"


def test_the_document_names_operations_and_nothing_that_was_asked(log: Path) -> None:
    document = api_calls.document(api_calls.read(log))
    assert {key for call in document["calls"] for key in call} == {
        *("service", "operation", "count", "planned", "ahead", "seconds", "slowest", "errors", "throttled")
    }
