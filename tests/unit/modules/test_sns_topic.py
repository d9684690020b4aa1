# SPDX-License-Identifier: GPL-3.0-or-later
"""A topic through its whole life, and its subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import sns_topic
from moto.sns.models import SNSBackend

Run = Callable[..., dict[str, Any]]
ARN = "arn:aws:sns:us-east-1:123456789012:critical"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": ARN}]}
OPS, DEV = ({"protocol": "email", "endpoint": f"{name}@example.com"} for name in ("ops", "dev"))


def subscribed() -> set[str]:
    return {one["Endpoint"] for one in boto3.client("sns").list_subscriptions_by_topic(TopicArn=ARN)["Subscriptions"]}


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"kms_key_id": "alias/notifications", "policy": POLICY, "subscriptions": [OPS], "tags": {"Project": "site", "Old": "1"}}
    second = {"display_name": "Critical", "policy": {**POLICY, "Id": "x"}, "subscriptions": [DEV, OPS], "tags": {"Project": "site"}}
    life_cycle(sns_topic, {"name": "critical"}, first, second)


def test_who_was_added_by_hand_hears_nothing_more(run: Run) -> None:
    run(sns_topic, name="critical", subscriptions=[OPS])
    boto3.client("sns").subscribe(TopicArn=ARN, Protocol="email", Endpoint="stranger@example.com")

    assert run(sns_topic, name="critical", subscriptions=[OPS])["changed"]

    assert subscribed() == {"ops@example.com"}


def test_what_is_not_declared_stays(run: Run) -> None:
    run(sns_topic, name="critical", subscriptions=[OPS], policy=POLICY)

    assert not run(sns_topic, name="critical")["changed"]

    assert subscribed() == {"ops@example.com"}


def test_who_has_not_confirmed_is_not_asked_again_and_cannot_be_taken_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    original = SNSBackend.list_subscriptions_by_topic

    def waiting(self: Any, *arguments: Any, **options: Any) -> Any:
        found, token = original(self, *arguments, **options)
        for one in found:
            one.arn = "PendingConfirmation"
        return found, token

    run(sns_topic, name="critical", subscriptions=[OPS])
    monkeypatch.setattr(SNSBackend, "list_subscriptions_by_topic", waiting)

    assert not run(sns_topic, name="critical", subscriptions=[OPS])["changed"]
    assert not run(sns_topic, name="critical", subscriptions=[])["changed"]


def test_encryption_that_was_switched_off_is_named(run: Run) -> None:
    run(sns_topic, name="critical", kms_key_id="alias/notifications")
    boto3.client("sns").set_topic_attributes(TopicArn=ARN, AttributeName="KmsMasterKeyId", AttributeValue="")

    result = run(sns_topic, name="critical", kms_key_id="alias/notifications", check=True)

    assert result["diff"] == {"before": {"kms_key_id": ""}, "after": {"kms_key_id": "alias/notifications"}}
