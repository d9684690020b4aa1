# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read ahead, for whom, and until when."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_read_ahead
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_read_ahead import Read, ReadAhead

QUEUES = Read("stack", "sqs", "GetQueueUrl", "client", {"QueueName": "one"})
VPCS = Read("stack", "ec2", "DescribeVpcs", "client", {})


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "ahead"),
    [
        ("ec2", "DescribeVpcs", {}, True),
        ("s3", "GetBucketPolicy", {"Bucket": "one"}, True),
        ("s3", "GetObjectLockConfiguration", {"Bucket": "one"}, True),
        ("route53", "GetHealthCheck", {"HealthCheckId": "1"}, True),
        ("kms", "GetKeyRotationStatus", {"KeyId": "1"}, True),
        ("dynamodb", "DescribeTable", {"TableName": "leases"}, True),
        ("dynamodb", "ListTagsOfResource", {"ResourceArn": "arn"}, True),
        ("s3", "GetObject", {"Bucket": "one", "Key": "plan"}, False),
        ("s3", "ListObjectsV2", {"Bucket": "one"}, False),
        ("secretsmanager", "GetSecretValue", {"SecretId": "one"}, False),
        ("ssm", "GetParametersByPath", {"Path": "/"}, True),
        ("ssm", "GetParameters", {"Names": ["one"], "WithDecryption": True}, False),
        ("kms", "Decrypt", {"CiphertextBlob": "x"}, False),
        ("sts", "GetCallerIdentity", {}, False),
        ("dynamodb", "GetItem", {"TableName": "leases"}, False),
        ("dynamodb", "Query", {"TableName": "leases"}, False),
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


def test_the_same_question_elsewhere_or_about_something_else_is_another_one() -> None:
    def key(client: str = "here", operation: str = "GetQueueUrl", **parameters: str) -> bytes:
        return Read("stack", "sqs", operation, client, parameters).key()

    assert key(a="1", b="2") == key(b="2", a="1")
    assert len({key(), key(client="elsewhere"), key(operation="ListQueues"), key(a="1")}) == 4


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
    secret = Read("stack", "secretsmanager", "GetSecretValue", "client", {"SecretId": "one"})
    file = tmp_path / "reads"
    file.write_bytes(
        b'nonsense\n[1, 2]\n{"a": 1}\n["stack", "ec2", "CreateVpc", "client", {}]\n' + secret.line() + VPCS.line() + b'["cut o'
    )
    assert worker_read_ahead.load(file) == [VPCS]
    assert worker_read_ahead.load(tmp_path / "none") == []


class Account:
    """What is read ahead of an account that answers each question with its name, and what tasks ask for."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.stale = False

    def ahead(self, *reads: Read) -> None:
        self._ahead = ReadAhead(reads, self._call, lambda: self.stale)
        self._ahead.start()

    def _call(self, read: Read) -> str:
        if read.operation == "DescribeNothing":
            raise ValueError(read.operation)
        self.made.append(read.operation)
        return read.operation

    def wait_for(self, count: int) -> None:
        limit = time.monotonic() + 20
        while len(self.made) < count and time.monotonic() < limit:
            time.sleep(0.01)
        assert len(self.made) == count

    def asked(self, read: Read = VPCS) -> str | None:
        """The answer that is there, or on its way; None when the task has to ask itself."""
        return self._ahead.answer(read.key())

    def give_back(self, answer: str) -> None:
        self._ahead.give_back(VPCS.key(), answer)

    def waits(self, task: bytes) -> bool:
        return self._ahead.waits(VPCS.key(), task)


@pytest.fixture
def account() -> Account:
    return Account()


def test_an_answer_serves_one_call(account: Account) -> None:
    account.ahead(VPCS, VPCS)
    account.wait_for(2)
    assert [account.asked() for _task in range(3)] == ["DescribeVpcs", "DescribeVpcs", None]


def test_a_task_that_goes_on_to_ask_the_same_waits_for_a_change(account: Account) -> None:
    account.ahead()
    for _time in range(worker_read_ahead.MAXIMAL_TIMES):
        assert not account.waits(b"first")
    assert (account.waits(b"first"), account.waits(b"second")) == (True, False)


def test_an_answer_that_is_given_back_serves_the_next(account: Account) -> None:
    account.ahead()
    assert account.asked() is None
    account.give_back("an answer")
    assert [account.asked() for _task in range(2)] == ["an answer", None]


def test_nothing_is_answered_or_read_ahead_after_a_change(account: Account) -> None:
    account.ahead(VPCS)
    account.wait_for(1)
    account.stale = True
    assert account.asked() is None


def test_an_answer_that_has_become_old_is_not_given(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.ahead(VPCS)
    account.wait_for(1)
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AGE_SECONDS", 0.0)
    assert account.asked() is None


def test_no_more_is_read_ahead_than_tasks_may_need_soon(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AHEAD", 3)
    monkeypatch.setattr(worker_read_ahead, "CONCURRENCY", 1)
    account.ahead(*[VPCS] * 6)
    account.wait_for(3)
    time.sleep(0.3)
    assert len(account.made) == 3
    assert account.asked()
    account.wait_for(4)


def other(number: int) -> Read:
    return Read("stack", "ec2", "DescribeSubnets", "client", {"SubnetIds": [f"subnet-{number}"]})


def test_what_nobody_asks_any_more_holds_nothing_up(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AHEAD", 2)
    monkeypatch.setattr(worker_read_ahead, "CONCURRENCY", 1)
    account.ahead(other(1), other(2), VPCS, QUEUES, VPCS)
    account.wait_for(2)
    assert account.asked(other(2)) == "DescribeSubnets"
    account.wait_for(4)
    assert [account.asked(), account.asked(QUEUES)] == ["DescribeVpcs", "GetQueueUrl"]


def test_a_run_that_asks_only_what_comes_much_later_is_followed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AHEAD", 2)
    monkeypatch.setattr(worker_read_ahead, "CONCURRENCY", 1)
    account.ahead(*map(other, range(8)), VPCS, QUEUES)
    account.wait_for(2)
    assert account.asked() is None
    account.wait_for(5)
    assert account.asked(QUEUES) == "GetQueueUrl"
    assert account.made == ["DescribeSubnets"] * 4 + ["GetQueueUrl"], "what was passed by long ago was read all the same"


def test_what_a_task_asked_first_is_not_read_ahead_any_more(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_read_ahead, "MAXIMAL_AHEAD", 1)
    monkeypatch.setattr(worker_read_ahead, "CONCURRENCY", 1)
    account.ahead(VPCS, QUEUES, VPCS)
    account.wait_for(1)
    assert account.asked(QUEUES) is None
    assert account.asked()
    account.wait_for(2)
    assert account.made == ["DescribeVpcs", "DescribeVpcs"]


def test_a_read_that_breaks_hinders_no_other(account: Account) -> None:
    broken = Read("stack", "ec2", "DescribeNothing", "client", {})
    account.ahead(broken, VPCS)
    account.wait_for(1)
    assert (account.asked(broken), account.asked()) == (None, "DescribeVpcs")
