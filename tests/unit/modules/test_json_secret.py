# SPDX-License-Identifier: GPL-3.0-or-later
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import json_secret

NAME = "/indivillage/test/database/credentials"
Run = Callable[..., dict[str, Any]]


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
