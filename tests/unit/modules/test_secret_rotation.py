# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret goes from one value to the next by the stages of its versions, which alone say how far it is."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ecs_deployment, secret_rotation

from tests.support.module_runs import Run

NAME = "/indivillage/test/database/credentials"
FIRST: dict[str, Any] = {"username": "app_a", "password": "first-password", "port": 5432}


@pytest.fixture(autouse=True)
def secret() -> Any:
    client = boto3.client("secretsmanager")
    client.create_secret(Name=NAME, SecretString=json.dumps(FIRST))
    return client


def step(run: Run, name: str, **options: Any) -> dict[str, Any]:
    return run(secret_rotation, name=NAME, step=name, **options)


def begin(run: Run, **options: Any) -> dict[str, Any]:
    return step(run, "begin", fields={"username": "app_b"}, generate=["password"], **options)


def stages(secret: Any) -> list[Any]:
    return sorted(sorted(found) for found in secret.describe_secret(SecretId=NAME)["VersionIdsToStages"].values() if found)


def test_a_rotation_from_its_beginning_to_its_end(run: Run, secret: Any) -> None:
    planned = begin(run, check=True)
    assert (planned["changed"], planned["progress"], stages(secret)) == (True, "none", [["AWSCURRENT"]])
    begun = begin(run)
    assert (begun["changed"], begun["progress"], begun["current"]) == (True, "pending", FIRST)
    following = begun["pending"]
    assert (following["username"], following["port"], len(following["password"])) == ("app_b", 5432, 32)
    again = begin(run)
    assert (again["changed"], again["pending"]) == (False, following), "a run that was killed goes on with the value that it has made"

    promoted = step(run, "promote")
    assert (promoted["progress"], promoted["current"], promoted["previous"]) == ("promoted", following, FIRST)
    assert not step(run, "promote")["changed"]
    assert not begin(run)["changed"]
    ended = step(run, "finish")
    assert (ended["progress"], ended["pending"], stages(secret)) == ("none", {}, [["AWSCURRENT"], ["AWSPREVIOUS"]])
    assert not step(run, "finish")["changed"]


def test_a_rotation_is_taken_back(run: Run, secret: Any) -> None:
    begin(run)
    step(run, "promote")
    back = step(run, "demote")
    assert (back["progress"], back["current"]) == ("pending", FIRST)
    assert not step(run, "demote")["changed"]
    assert step(run, "abandon")["progress"] == "none"
    assert not step(run, "abandon")["changed"]
    assert stages(secret) == [["AWSCURRENT"], ["AWSPREVIOUS"]]


@pytest.mark.parametrize("name", ["promote", "finish", "demote", "abandon", "look"])
def test_a_step_that_is_not_due_changes_nothing(run: Run, secret: Any, name: str) -> None:
    assert not step(run, name)["changed"]
    assert stages(secret) == [["AWSCURRENT"]]


def test_a_plan_tells_what_would_be_written_and_no_secret(plan_of: Run) -> None:
    entry = plan_of(secret_rotation, name=NAME, step="begin", generate=["password"])
    assert [call["operation"] for call in entry["calls"]] == ["PutSecretValue"]
    assert FIRST["password"] not in json.dumps(entry)


def test_what_cannot_be_rotated_is_told(run: Run, secret: Any) -> None:
    assert "there is no such secret in this region" in run(secret_rotation, name="/other", step="look")["msg"]
    secret.put_secret_value(SecretId=NAME, SecretString="plain")
    refused = step(run, "look")
    assert "its value in AWSCURRENT is not a JSON object" in refused["msg"]
    assert "plain" not in refused["msg"]


def test_tasks_of_services_are_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName="site")
    container = {"name": "worker", "image": "worker", "memory": 128}
    ecs.register_task_definition(family="worker", containerDefinitions=[container])
    ecs.create_service(cluster="site", serviceName="worker", taskDefinition="worker", desiredCount=0)
    monkeypatch.setattr(ecs_deployment, "is_done", bool)
    options = {"cluster": "site", "services": ["worker", "gone"]}
    assert run(ecs_deployment, check=True, **options)["services"] == ["worker"]
    assert run(ecs_deployment, **options)["services"] == ["worker"]
    assert not run(ecs_deployment, cluster="site", services=["gone"], check=True)["changed"]


def test_new_tasks_that_do_not_stay_up_are_told() -> None:
    def services(*states: str) -> list[dict[str, Any]]:
        return [{"deployments": [{"rolloutState": state, "rolloutStateReason": "it ends with 1"} for state in states]}]

    assert ecs_deployment.is_done(services("COMPLETED"))
    assert not ecs_deployment.is_done(services("COMPLETED", "IN_PROGRESS"))
    with pytest.raises(ecs_deployment.ResourceError, match="it ends with 1"):
        ecs_deployment.is_done(services("COMPLETED", "FAILED"))
