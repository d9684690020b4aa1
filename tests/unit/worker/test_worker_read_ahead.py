# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read ahead, for whom, and until when."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_read_ahead, worker_server
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_read_ahead import Asker, Read, ReadAhead
from botocore.awsrequest import AWSRequest

from tests.support.servers import moto

QUEUES = Read("stack", "sqs", "GetQueueUrl", "us-east-1", {"QueueName": "one"})
VPCS = Read("stack", "ec2", "DescribeVpcs", "us-east-1", {})


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "ahead"),
    [
        ("ec2", "DescribeVpcs", {}, True),
        ("s3", "GetBucketPolicy", {"Bucket": "one"}, True),
        ("s3", "GetObjectLockConfiguration", {"Bucket": "one"}, True),
        ("route53", "GetHealthCheck", {"HealthCheckId": "1"}, True),
        ("s3", "GetObject", {"Bucket": "one", "Key": "plan"}, False),
        ("s3", "ListObjectsV2", {"Bucket": "one"}, False),
        ("secretsmanager", "GetSecretValue", {"SecretId": "one"}, False),
        ("ssm", "GetParametersByPath", {"Path": "/"}, False),
        ("kms", "Decrypt", {"CiphertextBlob": "x"}, False),
        ("sts", "GetCallerIdentity", {}, False),
        ("dynamodb", "GetItem", {"TableName": "leases"}, False),
        ("elbv2", "DescribeTargetHealth", {}, False),
        ("ec2", "DescribeInstanceStatus", {}, False),
        ("autoscaling", "DescribeInstanceRefreshes", {}, False),
        ("cloudwatch", "GetMetricData", {}, False),
        ("ec2", "DescribeVpcs", {"NextToken": "page 2"}, False),
        ("elbv2", "DescribeListeners", {"Marker": "page 2"}, False),
        ("ec2", "CreateVpc", {}, False),
        ("unheardof", "DescribeThings", {}, False),
    ],
)
def test_what_changes_by_itself_holds_secrets_or_goes_on_is_asked_by_its_task(
    service: str, operation: str, parameters: dict[str, Any], ahead: bool
) -> None:
    assert worker_read_ahead.may_be_ahead(service, operation, parameters) is ahead


@pytest.mark.parametrize(
    ("service", "operation", "changes"),
    [
        ("ec2", "CreateVpc", True),
        ("s3", "PutBucketPolicy", True),
        ("unheardof", "DescribeThings", True),
        ("ec2", "DescribeVpcs", False),
        ("sts", "AssumeRole", False),
        ("dynamodb", "UpdateItem", False),
        ("dynamodb", "UpdateTable", True),
        ("s3", "PutObject", False),
        ("s3", "PutObjectLockConfiguration", True),
    ],
)
def test_after_what_changes_nothing_else_answers_stay_good(service: str, operation: str, changes: bool) -> None:
    assert worker_read_ahead.may_change(service, operation) is changes


def test_requests_are_the_same_whoever_signs_them_and_not_when_they_ask_something_else() -> None:
    def one(target: str = "AWS.List", body: str = "{}", signature: str = "a") -> bytes:
        request = AWSRequest("POST", "https://sqs.us-east-1.example/", {"X-Amz-Target": target, "Authorization": signature}, body)
        return worker_read_ahead.identity("POST", request.url, request.headers, body)

    assert one() == one(signature="b")
    assert len({one(), one(body='{"a": 1}'), one(target="AWS.Get")}) == 3


def test_the_same_question_to_another_region_is_another_one_behind_an_endpoint_of_ones_own() -> None:
    def one(region: str, day: str = "20260102", key: str = "AKIA1") -> bytes:
        signature = f"AWS4-HMAC-SHA256 Credential={key}/{day}/{region}/ec2/aws4_request, SignedHeaders=host, Signature=0"
        return worker_read_ahead.identity("POST", "http://127.0.0.1:4566/", {"Authorization": signature.encode()}, b"Action=DescribeVpcs")

    assert one("us-east-1") == one("us-east-1", "20260103", "AKIA2")
    assert one("us-east-1") != one("us-west-2")


def test_a_stack_is_told_by_where_its_calls_go_and_no_secret_is_part_of_its_name() -> None:
    def stack(**more: str) -> str:
        return worker_read_ahead.stack_of({"AWS_REGION": "us-east-1", "HOME": "/root", **more})

    assert stack() == stack(AWS_SECRET_ACCESS_KEY="x") == stack(HOME="/elsewhere")
    assert len({stack(), stack(AWS_REGION="us-west-2"), stack(AWS_PROFILE="other")}) == 3


def test_reads_are_kept_for_their_owner_alone_and_those_of_a_run_that_ended_early_are_not(tmp_path: Path) -> None:
    file = tmp_path / "reads" / "one"
    worker_read_ahead.keep(file, (QUEUES.line() + VPCS.line()) * 4)
    assert worker_read_ahead.load(file) == [QUEUES, VPCS] * 4
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    worker_read_ahead.keep(file, VPCS.line() * 3)
    assert len(worker_read_ahead.load(file)) == 8
    worker_read_ahead.keep(file, VPCS.line() * 4)
    assert worker_read_ahead.load(file) == [VPCS] * 4
    assert [path.name for path in file.parent.iterdir()] == ["one"]


def test_what_no_run_has_used_for_a_month_goes(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("")
    os.utime(old, (0, 0))
    worker_read_ahead.keep(tmp_path / "new", VPCS.line())
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_lines_that_are_no_reads_are_left_out(tmp_path: Path) -> None:
    secret = Read("stack", "secretsmanager", "GetSecretValue", "us-east-1", {"SecretId": "one"})
    file = tmp_path / "reads"
    file.write_bytes(
        b'nonsense\n[1, 2]\n{"a": 1}\n["stack", "ec2", "CreateVpc", "us-east-1", {}]\n' + secret.line() + VPCS.line() + b'["cut o'
    )
    assert worker_read_ahead.load(file) == [VPCS]
    assert worker_read_ahead.load(tmp_path / "none") == []


class Account:
    """An emulated account, its reads made ahead, and what a task asks for."""

    def __init__(self, directory: Path) -> None:
        self.directory = os.open(directory, os.O_RDONLY)
        self.made: list[str] = []
        self.stale = False

    def ahead(self, *reads: Read) -> None:
        ahead = ReadAhead(reads, lambda: self.stale, lambda _service, operation, *_rest: self.made.append(operation))
        listener = worker_server.listen(self.directory, "ahead")
        serve = threading.Thread(target=worker_read_ahead.serve, args=(listener, ahead), daemon=True)
        ahead.start()
        serve.start()

    def wait_for(self, count: int) -> None:
        limit = time.monotonic() + 20
        while len(self.made) < count and time.monotonic() < limit:
            time.sleep(0.01)
        assert len(self.made) == count

    def asked_by(self, task: bytes) -> Any:
        """The answer to DescribeVpcs that the task gets from what is there; None when it has to ask itself."""
        answers = []

        def instead(request: Any, **_context: Any) -> Any:
            answer = Asker(self.directory, "ahead", task).ask(
                worker_read_ahead.identity(request.method, request.url, request.headers, request.body)
            )
            answers.append(answer)
            return answer and worker_read_ahead.response(request.url, answer)

        client = boto3.client("ec2", region_name="us-east-1")
        client.meta.events.register("before-send.ec2", instead)
        found = client.describe_vpcs()["Vpcs"]
        assert found
        return found if answers[0] else None


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture
def account(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return Account(tmp_path)


def test_an_answer_serves_one_request_and_never_a_repetition_by_the_same_task(account: Account) -> None:
    account.ahead(VPCS, VPCS)
    account.wait_for(2)
    assert account.asked_by(b"first")
    assert account.asked_by(b"first") is None
    assert account.asked_by(b"second")
    assert account.asked_by(b"third") is None


def test_nothing_is_answered_or_read_ahead_after_a_change(account: Account) -> None:
    account.ahead(VPCS)
    account.wait_for(1)
    account.stale = True
    assert account.asked_by(b"first") is None


def test_an_answer_that_has_become_old_is_not_given(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.ahead(VPCS)
    account.wait_for(1)
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AGE_SECONDS", 0.0)
    assert account.asked_by(b"first") is None


def test_no_more_is_read_ahead_than_tasks_may_need_soon(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AHEAD", 3)
    monkeypatch.setattr(worker_read_ahead, "CONCURRENCY", 1)
    account.ahead(*[VPCS] * 6)
    account.wait_for(3)
    time.sleep(0.3)
    assert len(account.made) == 3
    assert account.asked_by(b"first")
    account.wait_for(4)


def test_a_read_that_breaks_hinders_no_other(account: Account) -> None:
    wrong = Read("stack", "ec2", "DescribeVpcs", "us-east-1", {"NoSuchParameter": 1})
    absent = Read("stack", "ec2", "DescribeNothing", "us-east-1", {})
    account.ahead(wrong, absent, VPCS)
    account.wait_for(1)
    assert account.asked_by(b"first")


def test_without_anybody_who_answers_a_task_asks_itself(tmp_path: Path) -> None:
    assert Asker(os.open(tmp_path, os.O_RDONLY), "none", b"task").ask(b"x" * 32) is None
