# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import log_group
from botocore.stub import Stubber
from moto.core.exceptions import JsonRESTError
from moto.logs.models import LogsBackend

NAME = "/aws/ec2/indivillage-test-web"
KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


def groups() -> list[dict[str, Any]]:
    return boto3.client("logs").describe_log_groups()["logGroups"]


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    life_cycle(
        log_group,
        {"name": NAME},
        {"retention_days": 30, "tags": {"Project": "indivillage", "Role": "logs"}},
        {"retention_days": 365, "tags": {"Project": "indivillage", "Owner": "platform"}},
    )


def test_a_longer_name_with_the_same_beginning_is_another_group(run: Callable[..., dict[str, Any]]) -> None:
    boto3.client("logs").create_log_group(logGroupName=NAME + "-errors")
    assert run(log_group, name=NAME)["changed"]
    assert len(groups()) == 2


def test_only_the_declared_is_changed(run: Callable[..., dict[str, Any]]) -> None:
    run(log_group, name=NAME, retention_days=30, tags={"Project": "indivillage"})
    assert not run(log_group, name=NAME)["changed"]
    result = run(log_group, name=NAME, tags={"Owner": "platform"}, purge_tags=False)
    assert result["resource"]["tags"] == {"Project": "indivillage", "Owner": "platform"}
    assert result["resource"]["retention_days"] == 30


def test_diff_names_the_changed_field_with_both_values(run: Callable[..., dict[str, Any]]) -> None:
    run(log_group, name=NAME, retention_days=30)
    assert run(log_group, check=True, name=NAME, retention_days=90)["diff"] == {
        "before": {"retention_days": 30},
        "after": {"retention_days": 90},
    }
    assert groups()[0]["retentionInDays"] == 30


def test_keep_for_ever(run: Callable[..., dict[str, Any]]) -> None:
    run(log_group, name=NAME, retention_days=30)
    assert run(log_group, name=NAME, retention_days=0)["resource"]["retention_days"] == 0
    assert "retentionInDays" not in groups()[0]


def test_a_retention_that_aws_refuses_fails_and_keeps_the_group(run: Callable[..., dict[str, Any]]) -> None:
    run(log_group, name=NAME, retention_days=30)
    with pytest.MonkeyPatch.context() as patch:
        _refuse(patch, "put_retention_policy", "InvalidParameterException")
        result = run(log_group, name=NAME, retention_days=31)
    assert result["failed"]
    assert result["msg"].startswith(f"Could not change retention_days of log group '{NAME}': ")
    assert groups()[0]["retentionInDays"] == 30


def test_key_is_set_changed_and_taken_away(run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator cannot change the key of a group, so botocore's own model checks the calls."""
    assert run(log_group, name=NAME, kms_key_arn=KEY_ARN)["resource"]["kms_key_arn"] == KEY_ARN
    assert not run(log_group, name=NAME, kms_key_arn=KEY_ARN)["changed"]
    other = KEY_ARN[:-1] + "3"
    for wanted, operation, parameters in (
        (other, "associate_kms_key", {"logGroupName": NAME, "kmsKeyId": other}),
        ("", "disassociate_kms_key", {"logGroupName": NAME}),
    ):
        client = boto3.client("logs")
        resource = log_group.LogGroup(_Module({"name": NAME}), client)
        with Stubber(client) as stub:
            stub.add_response(operation, {}, parameters)
            resource.update({}, {"kms_key_arn": wanted})
            stub.assert_no_pending_responses()


class _Module:
    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params


def _refuse(patch: pytest.MonkeyPatch, operation: str, code: str) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise JsonRESTError(code, "1 validation error detected")

    patch.setattr(LogsBackend, operation, refuse)
