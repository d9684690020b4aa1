# SPDX-License-Identifier: GPL-3.0-or-later
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import iam_role_policies

ROLE = "indivillage-test-app"
Run = Callable[..., dict[str, Any]]


def policy(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}]}


@pytest.fixture(autouse=True)
def role() -> None:
    boto3.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(policy("sts:AssumeRole")))


def policies() -> dict[str, Any]:
    iam = boto3.client("iam")
    names = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    return {name: iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"] for name in names}


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    read, write = policy("s3:GetObject"), policy("s3:PutObject")
    first, second = {"policies": {"one": read}}, {"policies": {"one": write, "two": json.dumps(read)}}
    life_cycle(iam_role_policies, {"role": ROLE}, first, second, ("change", "change"))


def test_a_policy_that_somebody_added_goes(run: Run) -> None:
    run(iam_role_policies, role=ROLE, policies={"app": policy("s3:GetObject")})
    boto3.client("iam").put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(policy("*")))
    result = run(iam_role_policies, role=ROLE, policies={"app": policy("s3:GetObject")})
    assert result["changed"]
    assert "more" in result["diff"]["before"]["policies"]
    assert list(policies()) == ["app"]


def test_a_plan_takes_one_policy_for_no_other(run: Run, plan: Run) -> None:
    """Both are the same role's: what is planned for one says nothing of the other."""
    declared = {"app": policy("s3:GetObject"), "logs": policy("logs:PutLogEvents")}
    run(iam_role_policies, role=ROLE, policies=declared)
    boto3.client("iam").put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(policy("*")))
    planned = plan(iam_role_policies, role=ROLE, policies=declared)
    assert not planned.get("failed"), planned["msg"]
    assert planned["plan"]["action"] == "change"
    again = plan(iam_role_policies, role=ROLE, policies=declared)
    assert not again["changed"], again


def test_no_policies_are_declared(run: Run) -> None:
    assert not run(iam_role_policies, role=ROLE, policies={})["changed"]
    boto3.client("iam").put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(policy("*")))
    assert run(iam_role_policies, role=ROLE, policies={})["changed"]
    assert policies() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policies": {"app": "{"}}, "policies.app is not JSON"),
        ({"policies": {"app": "[]"}}, "policies.app must be a policy document"),
        ({"policies": {}, "tags": {"Project": "x"}}, "inline policies have no tags"),
    ],
)
def test_what_is_refused(run: Run, options: dict[str, Any], message: str) -> None:
    result = run(iam_role_policies, role=ROLE, **options)
    assert result["failed"]
    assert message in result["msg"]
