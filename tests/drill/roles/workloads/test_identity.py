# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of aws_identity that only some environments have: GitHub's runners, and access through Identity Center."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drill.roles.workloads.conftest import GLOBAL, Workload, changes, run
from tests.integration.emulator.support import start
from tests.integration.provisioning_foundation.test_foundation import statements
from tests.integration.provisioning_tiers.conftest import Site
from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support.identity_store import GROUPS, make_groups

pytestmark = pytest.mark.emulator
SUBJECT = "repo:indivillage/indivillage-website:environment:sandbox"
VARIABLES = {"aws_identity_github_subjects": [SUBJECT], "aws_identity_sso_enabled": True}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    for emulator in start("--standalone"):
        make_groups(emulator.client)
        site = Site(emulator, Foundation(emulator), tmp_path_factory.mktemp("sandbox"))
        runs = [run(site, "aws_identity", "--limit", GLOBAL, *options, **VARIABLES) for options in (("--check",), (), (), ("--check",))]
        yield Workload(site, "aws_identity", GLOBAL, *(changes(result, "aws_identity") for result in runs))


def test_a_plan_of_nothing_is_what_is_then_done(identity: Workload) -> None:
    tasks = {task for task, _item in identity.applied}
    assert {"Make the role of GitHub's runners", "Give people access through Identity Center", "Make the policies of people"} <= tasks
    assert identity.planned == identity.applied


def test_a_second_run_changes_nothing_and_a_plan_says_so(identity: Workload) -> None:
    assert identity.again == set()
    assert identity.planned_again == set()


def test_runners_are_let_in_from_one_environment_of_one_repository(identity: Workload) -> None:
    iam = identity.client("iam")
    role = iam.get_role(RoleName=f"{PREFIX}-github-deploy")["Role"]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    (policy,) = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]

    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": [SUBJECT],
        }
    }
    assert policy["PolicyName"] == f"{PREFIX}-release"


def test_groups_of_identity_center_have_their_access_in_this_account(identity: Workload) -> None:
    sso = identity.client("sso-admin")
    here = {"InstanceArn": sso.list_instances()["Instances"][0]["InstanceArn"]}
    sets = {
        sso.describe_permission_set(**here, PermissionSetArn=arn)["PermissionSet"]["Name"]: arn
        for arn in sso.list_permission_sets(**here)["PermissionSets"]
    }
    assert set(sets) == {"sandbox-developers", "sandbox-qa", "sandbox-devops"}
    assigned = [
        one
        for arn in sets.values()
        for one in sso.list_account_assignments(**here, PermissionSetArn=arn, AccountId="123456789012")["AccountAssignments"]
    ]
    assert len(assigned) == len(GROUPS)
    assert {one["PrincipalType"] for one in assigned} == {"GROUP"}


def test_nothing_is_left_of_it(identity: Workload) -> None:
    kinds = ("iam:role", "iam:instance-profile", "iam:group", "iam:oidc-provider", "iam:policy", "sso:permissionSet")
    assert identity.remove(*kinds) == []
