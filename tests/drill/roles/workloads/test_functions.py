# SPDX-License-Identifier: GPL-3.0-or-later
"""The role aws_functions: what it makes, how an upload reaches it, what it does about changed code, and that nothing is left of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.drill.roles.workloads.conftest import ACCOUNT_ID, REGION, Workload, changes, run
from tests.integration.emulator.support import wait_until
from tests.integration.provisioning_foundation.test_foundation import statements
from tests.integration.provisioning_tiers.conftest import Site
from tests.integration.provisioning_tiers.foundation import PREFIX

pytestmark = pytest.mark.emulator
NAMES = ("malware-scan", "file-processor")


@pytest.fixture(scope="module")
def functions(site: Site, build: Callable[..., Workload]) -> Workload:
    for bucket in ("uploads", "processed", "quarantine"):
        site.client("s3").create_bucket(Bucket=f"{PREFIX}-{bucket}")
    assert changes(run(site, "aws_messaging"), "aws_messaging")
    return build("aws_functions")


def configuration(functions: Workload, name: str) -> dict[str, Any]:
    return dict(functions.client("lambda").get_function(FunctionName=f"{PREFIX}-{name}")["Configuration"])


def test_a_plan_of_nothing_is_what_is_then_done(functions: Workload) -> None:
    tasks = ("Make the log groups of the functions", "Make the functions from their code", "Let the functions work off their queues")
    assert functions.applied == {(task, name) for task in tasks for name in NAMES} | {("Tell the queues of new objects", "uploads")}
    assert functions.planned == functions.applied


def test_a_second_run_changes_nothing_and_a_plan_says_so(functions: Workload) -> None:
    assert functions.again == set()
    assert functions.planned_again == set()


@pytest.mark.parametrize(("name", "queue", "in_vpc"), [("malware-scan", "file-scan", True), ("file-processor", "file-processing", False)])
def test_functions_are_small_traced_encrypted_and_bounded(functions: Workload, name: str, queue: str, in_vpc: bool) -> None:
    found, client = configuration(functions, name), functions.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=f"{PREFIX}-{name}")["EventSourceMappings"]
    visibility = functions.client("sqs").get_queue_attributes(
        QueueUrl=functions.client("sqs").get_queue_url(QueueName=f"{PREFIX}-{queue}")["QueueUrl"], AttributeNames=["VisibilityTimeout"]
    )["Attributes"]["VisibilityTimeout"]
    reserved = client.get_function_concurrency(FunctionName=f"{PREFIX}-{name}")["ReservedConcurrentExecutions"]

    assert (found["Runtime"], found["Architectures"], found["TracingConfig"]) == ("python3.13", ["arm64"], {"Mode": "Active"})
    assert found["KMSKeyArn"].startswith("arn:aws:kms:")
    assert found["DeadLetterConfig"]["TargetArn"].endswith(f":{PREFIX}-{queue}-dlq")
    assert bool(found["VpcConfig"]["SubnetIds"]) is in_vpc
    assert mapping["EventSourceArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{PREFIX}-{queue}"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": reserved}
    assert found["Timeout"] * 6 <= int(visibility)


def test_an_upload_is_told_to_the_queue_of_the_scan(functions: Workload) -> None:
    sqs = functions.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{PREFIX}-file-scan")["QueueUrl"]
    functions.client("s3").put_object(Bucket=f"{PREFIX}-uploads", Key="report.csv", Body=b"a,b\n")

    def told() -> list[str]:
        bodies = [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages", [])]
        return [record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", []) if "s3" in record]

    assert wait_until(told) == ["report.csv"]


def test_only_the_buckets_of_this_account_may_write_to_the_queue(functions: Workload) -> None:
    sqs = functions.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{PREFIX}-file-scan")["QueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    (allowed,) = [statement for statement in statements(policy) if statement["Effect"] == "Allow"]
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": [f"arn:aws:s3:::{PREFIX}-uploads"]},
        "StringEquals": {"aws:SourceAccount": ACCOUNT_ID},
    }


def test_code_that_somebody_exchanged_is_put_back(functions: Workload) -> None:
    before = configuration(functions, "malware-scan")["CodeSha256"]
    code = functions.client("lambda").update_function_code(
        FunctionName=f"{PREFIX}-malware-scan", ZipFile=b"PK\x05\x06" + b"\0" * 18, Architectures=["arm64"]
    )
    assert code["CodeSha256"] != before
    expected = {("Make the functions from their code", "malware-scan")}

    assert functions.run("--check") == expected
    assert functions.run() == expected
    assert configuration(functions, "malware-scan")["CodeSha256"] == before


def test_nothing_is_left_of_it(functions: Workload) -> None:
    assert functions.remove("lambda:event-source-mapping", "lambda:function", "logs:log-group") == []
