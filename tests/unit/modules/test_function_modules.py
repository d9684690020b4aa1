# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions and their event sources through their whole life, and what somebody changes about them."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.packaging import archive
from ansible_collections.indivillage.infra.plugins.modules import lambda_event_source, lambda_function

from sandbox.emulator.additions import functions

Run = Callable[..., dict[str, Any]]
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:{}"


@pytest.fixture(autouse=True, scope="module")
def configuration_is_kept() -> None:
    functions.install()


@pytest.fixture
def declaration(tmp_path: Path) -> dict[str, Any]:
    """What a function is declared with."""
    (tmp_path / "handler.py").write_text("def handle(event, context): pass\n")
    trust = {"Version": "2012-10-17", "Statement": []}
    role = boto3.client("iam").create_role(RoleName="scan", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    return {"source": str(tmp_path), "role_arn": role, "log_group": "/aws/lambda/scan"}


def configuration() -> dict[str, Any]:
    return dict(boto3.client("lambda").get_function(FunctionName="scan")["Configuration"])


# --- packaging ---


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    for name in ("one", "two"):
        directory = tmp_path / name / "package"
        directory.mkdir(parents=True)
        (directory / "b.py").write_text("b")
        (directory.parent / "a.py").write_text("a")
        (directory.parent / "__pycache__").mkdir()
        (directory.parent / "__pycache__" / f"{name}.pyc").write_text(name)
    os.utime(tmp_path / "two" / "a.py", (0, 0))
    (tmp_path / "two" / "a.py").chmod(0o700)

    packed = archive(tmp_path / "one")

    assert packed == archive(tmp_path / "two")
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["a.py", "package/b.py"]


# --- functions ---


def test_life_cycle_of_a_function(life_cycle: Callable[..., None], declaration: dict[str, Any], vpc_id: str) -> None:
    ec2 = boto3.client("ec2")
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc_id, GroupName="functions", Description="f")["GroupId"]
    first = {**declaration, "environment": {"SECONDS": 1, "OLD": "x"}, "reserved_concurrency": 5, "tags": {"Project": "site", "Old": "1"}}
    second = {
        **declaration,
        "architecture": "x86_64",
        "memory_mib": 1024,
        "timeout_seconds": 120,
        "environment": {"SECONDS": 2},
        "kms_key_arn": KEY,
        "dead_letter_arn": QUEUE.format("scan-dlq"),
        "subnet_ids": [subnet],
        "security_group_ids": [group],
        "tags": {"Project": "site"},
    }
    life_cycle(lambda_function, {"name": "scan"}, first, second)


def test_changed_code_is_sent_and_nothing_else(run: Run, declaration: dict[str, Any]) -> None:
    run(lambda_function, name="scan", **declaration, environment={"A": "1"})
    before = configuration()
    (Path(declaration["source"]) / "handler.py").write_text("def handle(event, context): return 1\n")

    result = run(lambda_function, name="scan", **declaration, environment={"A": "1"})

    assert list(result["diff"]["after"]) == ["code_sha256"]
    after = configuration()
    assert before.pop("CodeSha256") != after.pop("CodeSha256")
    assert after["Environment"] == {"Variables": {"A": "1"}}


def test_calls_are_traced_and_logged_as_json(run: Run, declaration: dict[str, Any]) -> None:
    run(lambda_function, name="scan", **declaration)
    found = configuration()
    assert found["TracingConfig"] == {"Mode": "Active"}
    assert found["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "/aws/lambda/scan"}
    assert (found["Runtime"], found["Architectures"]) == ("python3.13", ["arm64"])


@pytest.mark.parametrize(
    "change",
    [
        {"Timeout": 900},
        {"Environment": {"Variables": {"A": "1", "MORE": "2"}}},
        {"TracingConfig": {"Mode": "PassThrough"}},
        {"DeadLetterConfig": {"TargetArn": QUEUE.format("elsewhere")}},
        {"LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/scan"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_changed_about_a_function_is_put_right(run: Run, declaration: dict[str, Any], change: dict[str, Any]) -> None:
    run(lambda_function, name="scan", **declaration, kms_key_arn=KEY, environment={"A": "1"})
    stands = configuration()
    boto3.client("lambda").update_function_configuration(FunctionName="scan", **change)

    result = run(lambda_function, name="scan", **declaration, kms_key_arn=KEY, environment={"A": "1"})

    assert len(result["diff"]["after"]) == 1
    assert configuration() | {"LastModified": ""} == stands | {"LastModified": ""}


def test_a_function_whose_code_is_missing_is_told(run: Run, declaration: dict[str, Any]) -> None:
    result = run(lambda_function, name="scan", **{**declaration, "source": "/nowhere"})
    assert result["failed"]
    assert "There is no directory /nowhere with its code." in result["msg"]


# --- event sources ---


@pytest.fixture
def source(run: Run, declaration: dict[str, Any]) -> dict[str, str]:
    boto3.client("sqs").create_queue(QueueName="file-scan")
    run(lambda_function, name="scan", **declaration)
    return {"function": "scan", "queue_arn": QUEUE.format("file-scan")}


def test_life_cycle_of_an_event_source(life_cycle: Callable[..., None], source: dict[str, str]) -> None:
    first = {"batch_size": 1, "tags": {"Project": "site", "Old": "1"}}
    second = {"batch_size": 20, "window_seconds": 5, "maximum_concurrency": 4, "enabled": False, "tags": {"Project": "site"}}
    life_cycle(lambda_event_source, source, first, second)


def test_a_function_names_the_messages_that_failed(run: Run, source: dict[str, str]) -> None:
    uuid = run(lambda_event_source, **source)["resource"]["uuid"]
    client = boto3.client("lambda")
    client.update_event_source_mapping(UUID=uuid, FunctionResponseTypes=[], Enabled=False)

    result = run(lambda_event_source, **source)

    assert result["diff"]["before"] == {"enabled": False, "reports_failed_messages": False}
    assert client.get_event_source_mapping(UUID=uuid)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_mapping_of_another_function_is_not_touched(run: Run, source: dict[str, str], declaration: dict[str, Any]) -> None:
    run(lambda_event_source, **source)
    run(lambda_function, name="other", **declaration)

    assert run(lambda_event_source, **{**source, "function": "other"})["changed"]
    assert run(lambda_event_source, **{**source, "function": "other"}, state="absent")["changed"]
    assert not run(lambda_event_source, **source)["changed"]
