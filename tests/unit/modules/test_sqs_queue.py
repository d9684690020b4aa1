# SPDX-License-Identifier: GPL-3.0-or-later
"""A queue through its whole life, and what the collection's module does not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import sqs_queue
from moto.core.exceptions import ServiceException
from moto.sqs.models import SQSBackend

from sandbox.emulator.additions import queue_attributes

Run = Callable[..., dict[str, Any]]
ARN = "arn:aws:sqs:us-east-1:123456789012:{}"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": ARN.format("tasks")}],
}


@pytest.fixture(autouse=True, scope="module")
def attributes_are_kept() -> None:
    queue_attributes.install()


@pytest.fixture
def dead_letters(run: Run) -> dict[str, Any]:
    run(sqs_queue, name="tasks-dlq")
    return {"dead_letter_queue_arn": ARN.format("tasks-dlq"), "max_receives": 4}


def attributes(name: str = "tasks") -> dict[str, str]:
    sqs = boto3.client("sqs")
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], AttributeNames=["All"])[
        "Attributes"
    ]
    return found


def test_life_cycle(life_cycle: Callable[..., None], dead_letters: dict[str, Any]) -> None:
    first = {"visibility_timeout_seconds": 300, "kms_key_id": "alias/general", "policy": POLICY, "tags": {"Project": "site", "Old": "1"}}
    second = {**dead_letters, "retention_seconds": 60, "wait_seconds": 20, "policy": {**POLICY, "Id": "x"}, "tags": {"Project": "site"}}
    life_cycle(sqs_queue, {"name": "tasks"}, first, second)


def test_a_change_leaves_the_other_attributes_alone(run: Run, dead_letters: dict[str, Any]) -> None:
    run(sqs_queue, name="tasks", visibility_timeout_seconds=300, policy=POLICY, **dead_letters)

    result = run(sqs_queue, name="tasks", **{**dead_letters, "max_receives": 2})

    assert result["diff"] == {"before": {"max_receives": 4}, "after": {"max_receives": 2}}
    assert json.loads(attributes()["RedrivePolicy"]) == {"deadLetterTargetArn": ARN.format("tasks-dlq"), "maxReceiveCount": 2}
    assert attributes()["VisibilityTimeout"] == "300"
    assert json.loads(attributes()["Policy"]) == POLICY


@pytest.mark.parametrize(
    ("option", "attribute", "wanted"),
    [("kms_key_id", "KmsMasterKeyId", "alias/general"), ("policy", "Policy", POLICY)],
)
def test_what_was_taken_away_is_given_back(run: Run, option: str, attribute: str, wanted: Any) -> None:
    run(sqs_queue, name="tasks", **{option: wanted})
    sqs = boto3.client("sqs")
    sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="tasks")["QueueUrl"], Attributes={attribute: ""})

    assert run(sqs_queue, name="tasks", **{option: wanted})["changed"]

    assert attributes()[attribute] in (wanted, json.dumps(wanted))


def test_a_number_of_receives_needs_a_queue_for_dead_letters(run: Run) -> None:
    result = run(sqs_queue, name="tasks", max_receives=4)
    assert result["failed"]
    assert "dead_letter_queue_arn" in result["msg"]


def test_a_queue_that_was_just_deleted_cannot_be_made_again_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class DeletedRecently(ServiceException):
        code = "AWS.SimpleQueueService.QueueDeletedRecently"
        message = "You must wait 60 seconds after deleting a queue before you can create another with the same name."

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise DeletedRecently

    monkeypatch.setattr(SQSBackend, "create_queue", refuse)
    result = run(sqs_queue, name="tasks")
    assert result["failed"]
    assert "was deleted less than a minute ago" in result["msg"]
