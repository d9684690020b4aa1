# SPDX-License-Identifier: GPL-3.0-or-later
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import json_secret
from moto.secretsmanager.models import FakeSecret

NAME = "/indivillage/test/database/credentials"
COPY = {"region": "us-west-2", "kms_key_id": "alias/test"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def copies_have_their_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto encrypts every copy with the account's default key."""
    make = FakeSecret.create_replicas

    def create_replicas(self: Any, replica_regions: list[dict[str, str]], **options: Any) -> Any:
        replicas = make(self, replica_regions, **options)
        for replica, wanted in zip(replicas, replica_regions, strict=True):
            replica.config["KmsKeyId"] = f"arn:aws:kms:{replica.region}:123456789012:{wanted['KmsKeyId']}"
        return replicas

    monkeypatch.setattr(FakeSecret, "create_replicas", create_replicas)


def regions() -> list[str]:
    statuses = boto3.client("secretsmanager").describe_secret(SecretId=NAME).get("ReplicationStatus", [])
    return [status["Region"] for status in statuses]


def value() -> dict[str, Any]:
    return dict(json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=NAME)["SecretString"]))


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    life_cycle(
        json_secret,
        {"name": NAME, "generate": ["password"], "recovery_days": 0},
        {"fields": {"username": "admin"}, "description": "one", "tags": {"Project": "indivillage"}},
        {"fields": {"username": "other", "port": 5432}, "description": "two", "kms_key_id": "alias/test", "tags": {"Owner": "platform"}},
    )


def test_a_field_is_generated_once(run: Run) -> None:
    first = run(json_secret, name=NAME, generate=["password"], length=24, reveal=["password"])["resource"]["fields"]["password"]
    assert len(first) == 24
    assert first.isalnum()
    again = run(json_secret, name=NAME, generate=["password"], reveal=["password"])
    assert (again["changed"], again["resource"]["fields"]["password"]) == (False, first)


def test_parts_are_added_without_knowing_the_rest(run: Run) -> None:
    run(json_secret, name=NAME, fields={"username": "admin"}, generate=["password"])
    password = value()["password"]
    assert run(json_secret, name=NAME, fields={"host": "db.example", "port": 5432})["changed"]
    assert value() == {"username": "admin", "password": password, "host": "db.example", "port": 5432}


@pytest.mark.parametrize("check", [True, False])
def test_no_value_is_shown_unless_asked_for(run: Run, check: bool) -> None:
    run(json_secret, name=NAME, fields={"a": "first-secret"}, generate=["password"])
    password = value()["password"]
    result = run(json_secret, check=check, name=NAME, fields={"a": "second-secret", "b": "third-secret"})
    assert result["diff"] == {
        "before": {"fields": dict.fromkeys(("a", "password"), "(hidden)")},
        "after": {"fields": dict.fromkeys("ab", "(hidden)")},
    }
    for secret in ("first-secret", "second-secret", "third-secret", password):
        assert secret not in str(result)


def test_a_secret_of_another_make_is_refused(run: Run) -> None:
    boto3.client("secretsmanager").create_secret(Name=NAME, SecretString="plain text")
    result = run(json_secret, name=NAME, generate=["password"])
    assert result["failed"]
    assert "its value is not a JSON object" in result["msg"]
    assert "plain text" not in str(result)


def test_a_secret_scheduled_for_deletion_is_named(run: Run) -> None:
    run(json_secret, name=NAME, generate=["password"])
    assert run(json_secret, name=NAME, state="absent")["changed"]
    assert not run(json_secret, name=NAME, state="absent")["changed"]
    assert "it is scheduled for deletion" in run(json_secret, name=NAME, generate=["password"])["msg"]


def test_life_cycle_of_copies(life_cycle: Callable[..., None]) -> None:
    life_cycle(
        json_secret,
        {"name": NAME, "fields": {"username": "admin"}, "recovery_days": 0},
        {"replicas": [COPY]},
        {"replicas": [{**COPY, "kms_key_id": "alias/other"}, {"region": "eu-west-1", "kms_key_id": "alias/test"}]},
    )


def test_copies_are_left_alone_by_who_does_not_speak_of_them(run: Run) -> None:
    run(json_secret, name=NAME, fields={"a": "1"}, replicas=[COPY])
    assert run(json_secret, name=NAME, fields={"b": "2"})["changed"]
    assert regions() == ["us-west-2"]
    copied = boto3.client("secretsmanager", "us-west-2").get_secret_value(SecretId=NAME)["SecretString"]
    assert json.loads(copied) == {"a": "1", "b": "2"}
    assert run(json_secret, name=NAME, replicas=[])["changed"]
    assert regions() == []


def test_a_secret_that_is_there_already_is_not_overwritten(run: Run) -> None:
    boto3.client("secretsmanager", "us-west-2").create_secret(Name=NAME, SecretString="{}")
    result = run(json_secret, name=NAME, fields={"a": "1"}, replicas=[COPY])
    assert result["failed"]
    assert "its copy in us-west-2 failed" in result["msg"]
