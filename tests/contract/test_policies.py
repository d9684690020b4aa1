# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies of the roles that run this project are sound in a checker's eyes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.permissions import ROLES, committed
from tests.support.policy_check import faults


@pytest.mark.parametrize("role", ROLES)
def test_committed_policies_are_sound(role: str) -> None:
    assert {number: found for number, policy in enumerate(committed(role), 1) if (found := faults(policy))} == {}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Action": "sqs:SendMessage", "Resource": "*"}, "RESOURCE_STAR: ['sqs:SendMessage']"),
        ({"Action": "sqs:SendMesage", "Resource": "arn:aws:sqs:us-east-1:123456789012:one"}, "UNKNOWN_ACTION"),
        ({"Action": "sqs:SendMessage", "Resource": "arn:aws:s3:::one"}, "RESOURCE_MISMATCH"),
        ({"Action": "*", "Resource": "*"}, "everything is allowed"),
        (
            {"Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:one", "Condition": {"StringEquals": {"sqs:Colour": "red"}}},
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
)
def test_a_fault_is_told(statement: dict[str, Any], words: str) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Sid": "One", "Effect": "Allow", **statement}]}
    assert any(words in fault for fault in faults(policy)), faults(policy)
