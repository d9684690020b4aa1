# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, identity providers and permission sets through their whole life, and what somebody changes about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import iam_managed_policy, iam_oidc_provider, sso_permission_set

from sandbox.emulator.additions import identity_providers, permission_set_tags
from tests.support.module_runs import operations

Run = Callable[..., dict[str, Any]]
ACCOUNT_ID = "123456789012"
GITHUB = "token.actions.githubusercontent.com"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"


def policy(*actions: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


@pytest.fixture(autouse=True, scope="module")
def what_moto_lacks() -> None:
    permission_set_tags.install()
    identity_providers.install()


# --- policies ---


def test_life_cycle_of_a_policy(life_cycle: Callable[..., None]) -> None:
    first = {"policy": policy("s3:GetObject"), "description": "For people", "tags": {"Project": "site", "Old": "1"}}
    second = {"policy": policy("s3:GetObject", "s3:ListBucket"), "tags": {"Project": "site"}}
    life_cycle(iam_managed_policy, {"name": "people"}, first, second)


def test_only_five_versions_of_a_policy_are_kept(run: Run) -> None:
    for number in range(7):
        assert run(iam_managed_policy, name="people", policy=policy(f"s3:Get{number}"))["changed"]

    iam = boto3.client("iam")
    (found,) = iam.list_policies(Scope="Local")["Policies"]
    versions = iam.list_policy_versions(PolicyArn=found["Arn"])["Versions"]
    assert len(versions) == 5
    assert not run(iam_managed_policy, name="people", policy=policy("s3:Get6"))["changed"]


def test_a_policy_that_somebody_widened_is_put_right(run: Run) -> None:
    arn = run(iam_managed_policy, name="people", policy=policy("s3:GetObject"))["resource"]["arn"]
    boto3.client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(policy("*")), SetAsDefault=True)

    assert list(run(iam_managed_policy, name="people", policy=policy("s3:GetObject"))["diff"]["after"]) == ["policy"]
    assert not run(iam_managed_policy, name="people", policy=policy("s3:GetObject"))["changed"]


# --- providers ---


def test_life_cycle_of_a_provider(life_cycle: Callable[..., None]) -> None:
    first = {"tags": {"Project": "site", "Old": "1"}}
    life_cycle(iam_oidc_provider, {"name": GITHUB}, first, {"audiences": ["one", "two"], "tags": {"Project": "site"}})


def test_an_audience_of_somebody_else_is_taken_away(run: Run) -> None:
    arn = run(iam_oidc_provider, name=GITHUB)["resource"]["arn"]
    iam = boto3.client("iam")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="anybody")

    assert run(iam_oidc_provider, name=GITHUB)["changed"]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["sts.amazonaws.com"]


# --- permission sets ---


@pytest.fixture
def people() -> dict[str, str]:
    """Ids of the groups in the identity store, by name."""
    (instance,) = boto3.client("sso-admin").list_instances()["Instances"]
    store = boto3.client("identitystore")
    return {
        name: store.create_group(IdentityStoreId=instance["IdentityStoreId"], DisplayName=name)["GroupId"] for name in ("Developers", "QA")
    }


@pytest.mark.usefixtures("people")
def test_life_cycle_of_a_permission_set(life_cycle: Callable[..., None]) -> None:
    key = {"name": "live-developers", "account_id": ACCOUNT_ID}
    first = {
        "description": "Look at what runs",
        "managed_policies": [READ_ONLY],
        "groups": ["Developers"],
        "tags": {"Project": "site", "Old": "1"},
    }
    second = {
        "description": "Look and scan",
        "session_duration": "PT4H",
        "managed_policies": [AUDIT],
        "inline_policy": policy("ecr:DescribeImages"),
        "groups": ["QA"],
        "tags": {"Project": "site"},
    }
    life_cycle(sso_permission_set, key, first, second)


def test_whoever_was_let_in_behind_its_back_is_put_out(run: Run, people: dict[str, str]) -> None:
    options = {"name": "live-developers", "account_id": ACCOUNT_ID, "groups": ["Developers"]}
    arn = run(sso_permission_set, **options)["resource"]["arn"]
    sso = boto3.client("sso-admin")
    target = {
        "InstanceArn": sso.list_instances()["Instances"][0]["InstanceArn"],
        "PermissionSetArn": arn,
        "TargetType": "AWS_ACCOUNT",
    }
    sso.create_account_assignment(**target, TargetId=ACCOUNT_ID, PrincipalType="USER", PrincipalId="somebody")
    sso.create_account_assignment(**target, TargetId="999999999999", PrincipalType="GROUP", PrincipalId=people["QA"])

    result = run(sso_permission_set, **options)

    assert sorted(result["diff"]["before"]["groups"]) == ["Developers", "somebody"]
    assert not run(sso_permission_set, **options)["changed"]
    elsewhere = sso.list_account_assignments(InstanceArn=target["InstanceArn"], PermissionSetArn=arn, AccountId="999999999999")[
        "AccountAssignments"
    ]
    assert [one["PrincipalId"] for one in elsewhere] == [people["QA"]], "another account is another environment's"


@pytest.mark.usefixtures("people")
def test_a_plan_names_the_policy_that_it_takes_away(run: Run, plan_of: Run) -> None:
    options = {"name": "live-developers", "account_id": ACCOUNT_ID, "tags": {}}
    run(sso_permission_set, **options, managed_policies=[READ_ONLY])

    assert "DetachManagedPolicyFromPermissionSet" in operations(plan_of(sso_permission_set, **options))


def test_a_group_that_is_not_there_is_told(run: Run) -> None:
    result = run(sso_permission_set, name="live-developers", account_id=ACCOUNT_ID, groups=["Developer"])
    assert "Identity Center has no group 'Developer'" in result["msg"]
