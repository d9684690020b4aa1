# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM's rules."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.emulator.iam_evaluation import Context, UnsupportedPolicyError, allows

QUEUE = "arn:aws:sqs:us-east-1:123456789012:site-tasks"


def policy(**elements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*", **elements}}


@pytest.mark.parametrize(
    ("elements", "allowed"),
    [
        ({}, True),
        ({"Action": ["sqs:CreateQueue"]}, True),
        ({"Action": "SQS:create*"}, True),
        ({"Action": "sqs:DeleteQueue"}, False),
        ({"Action": "sqs:CreateQueu?"}, True),
        ({"Resource": "arn:aws:sqs:*:123456789012:site-*"}, True),
        ({"Resource": ["arn:aws:sqs:*:123456789012:other-*", QUEUE]}, True),
        ({"Resource": "arn:aws:sqs:*:123456789012:Site-*"}, False),
        ({"Condition": {"StringEquals": {"aws:RequestedRegion": ["us-east-1", "us-west-2"]}}}, True),
        ({"Condition": {"StringEquals": {"aws:RequestedRegion": "us-west-2"}}}, False),
        ({"Condition": {"StringEquals": {"aws:ResourceTag/Environment": "site"}}}, False),
        ({"Condition": {"StringLike": {"aws:RequestedRegion": "us-*"}, "Null": {"aws:ResourceTag/Environment": "true"}}}, True),
        ({"Condition": {"ForAnyValue:StringLike": {"kms:ResourceAliases": ["alias/b*"]}}}, True),
        ({"Condition": {"ForAnyValue:StringLike": {"kms:ResourceAliases": ["alias/c*"]}}}, False),
    ],
)
def test_a_statement_concerns_what_all_of_its_elements_fit(elements: dict[str, Any], allowed: bool) -> None:
    context: Context = {"aws:RequestedRegion": "us-east-1", "kms:ResourceAliases": ["alias/a", "alias/b1"]}
    assert allows([policy(**elements)], "sqs:CreateQueue", QUEUE, context) is allowed


def test_nothing_is_allowed_by_itself() -> None:
    assert not allows([], "sqs:CreateQueue", QUEUE, {})


def test_a_denial_wins_over_every_permission() -> None:
    policies = [policy(), policy(Effect="Deny", Action="sqs:DeleteQueue")]
    assert allows(policies, "sqs:CreateQueue", QUEUE, {})
    assert not allows(policies, "sqs:DeleteQueue", QUEUE, {})


def test_everything_but_the_named_actions() -> None:
    statement = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    assert allows([{"Statement": [statement]}], "sqs:CreateQueue", QUEUE, {})
    assert not allows([{"Statement": [statement]}], "iam:CreateRole", "*", {})


@pytest.mark.parametrize("elements", [{"NotResource": "*"}, {"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}])
def test_what_is_not_evaluated_is_no_proof(elements: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedPolicyError):
        allows([policy(**elements)], "sqs:CreateQueue", QUEUE, {"aws:CurrentTime": "2026-01-01"})
