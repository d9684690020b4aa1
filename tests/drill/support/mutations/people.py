# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what people and GitHub's runners may do."""

from __future__ import annotations

import json

from tests.drill.support.mutations.identities import ADMINISTRATOR, EVERYTHING, TRUST
from tests.drill.support.mutations.model import GLOBAL, PREFIX, Account, mutation

POLICIES = "Make the policies of people"
GROUPS = "Make the groups of people, who do nothing without a second factor"
ACCESS = "Give people access through Identity Center"
PROVIDER = "Trust tokens of GitHub's runners"
RUNNER = "Make the role of GitHub's runners"
GITHUB = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


def _policy(name: str) -> str:
    return f"arn:aws:iam::123456789012:policy/{PREFIX}-{name}"


def _permission_set(account: Account, name: str) -> dict[str, str]:
    sso = account.client("sso-admin")
    here = {"InstanceArn": sso.list_instances()["Instances"][0]["InstanceArn"]}
    for arn in sso.list_permission_sets(**here)["PermissionSets"]:
        if sso.describe_permission_set(**here, PermissionSetArn=arn)["PermissionSet"]["Name"] == f"sandbox-{name}":
            return {**here, "PermissionSetArn": str(arn)}
    raise LookupError(name)


@mutation(
    "policy", "second factor wanted no more", POLICIES, "require-mfa", operation="CreatePolicyVersion", argument="policy", host=GLOBAL
)
def policy_wants_no_second_factor(account: Account) -> None:
    account.client("iam").create_policy_version(PolicyArn=_policy("require-mfa"), PolicyDocument=json.dumps(EVERYTHING), SetAsDefault=True)


@mutation("policy", "tag removed", POLICIES, "boundary", operation="TagPolicy", argument="tags", host=GLOBAL)
def policy_tag_removed(account: Account) -> None:
    account.client("iam").untag_policy(PolicyArn=_policy("boundary"), TagKeys=["Project"])


@mutation("group", "second factor dropped", GROUPS, "developers", operation="AttachGroupPolicy", argument="managed_policies", host=GLOBAL)
def group_without_second_factor(account: Account) -> None:
    account.client("iam").detach_group_policy(GroupName=f"{PREFIX}-developers", PolicyArn=_policy("require-mfa"))


@mutation("group", "made administrators", GROUPS, "qa", operation="DetachGroupPolicy", argument="managed_policies", host=GLOBAL)
def group_made_administrators(account: Account) -> None:
    account.client("iam").attach_group_policy(GroupName=f"{PREFIX}-qa", PolicyArn=ADMINISTRATOR)


@mutation("identity provider", "audience added", PROVIDER, operation="RemoveClientIDFromOpenIDConnectProvider", host=GLOBAL)
def provider_audience_added(account: Account) -> None:
    account.client("iam").add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=GITHUB, ClientID="anybody")


@mutation("identity provider", "tag removed", PROVIDER, operation="TagOpenIDConnectProvider", argument="tags", host=GLOBAL, alone=True)
def provider_tag_removed(account: Account) -> None:
    account.client("iam").untag_open_id_connect_provider(OpenIDConnectProviderArn=GITHUB, TagKeys=["Project"])


@mutation("role", "runners of another organisation let in", RUNNER, operation="UpdateAssumeRolePolicy", host=GLOBAL,
          argument="assume_role_policy_document")  # fmt: skip
def runner_role_trusts_others(account: Account) -> None:
    account.client("iam").update_assume_role_policy(RoleName=f"{PREFIX}-github-deploy", PolicyDocument=json.dumps(TRUST))


@mutation("role", "GitHub's runners stay signed in for long", RUNNER, operation="UpdateRole", host=GLOBAL,
          argument=("description", "max_session_duration"))  # fmt: skip
def runner_role_stays_signed_in(account: Account) -> None:
    account.client("iam").update_role(RoleName=f"{PREFIX}-github-deploy", Description="changed", MaxSessionDuration=43200)


@mutation("role", "GitHub's runners made administrators", RUNNER, operation="DetachRolePolicy", host=GLOBAL,
          argument="managed_policies")  # fmt: skip
def runner_role_becomes_administrator(account: Account) -> None:
    account.client("iam").attach_role_policy(RoleName=f"{PREFIX}-github-deploy", PolicyArn=ADMINISTRATOR)


@mutation("role", "tag removed", RUNNER, operation="TagRole", argument="tags", host=GLOBAL)
def runner_role_tag_removed(account: Account) -> None:
    account.client("iam").untag_role(RoleName=f"{PREFIX}-github-deploy", TagKeys=["Project"])


@mutation("permission set", "somebody let in", ACCESS, "qa", operation="DeleteAccountAssignment", argument="groups", host=GLOBAL)
def permission_set_given_to_somebody(account: Account) -> None:
    target = {"TargetId": "123456789012", "TargetType": "AWS_ACCOUNT", "PrincipalType": "USER", "PrincipalId": "somebody"}
    account.client("sso-admin").create_account_assignment(**_permission_set(account, "qa"), **target)


@mutation("permission set", "made administrators", ACCESS, "developers", operation="DetachManagedPolicyFromPermissionSet", host=GLOBAL,
          argument="managed_policies")  # fmt: skip
def permission_set_made_administrators(account: Account) -> None:
    account.client("sso-admin").attach_managed_policy_to_permission_set(
        **_permission_set(account, "developers"), ManagedPolicyArn=ADMINISTRATOR
    )


@mutation("permission set", "policy edited", ACCESS, "devops", operation="PutInlinePolicyToPermissionSet", argument="inline_policy",
          host=GLOBAL)  # fmt: skip
def permission_set_policy_edited(account: Account) -> None:
    account.client("sso-admin").put_inline_policy_to_permission_set(
        **_permission_set(account, "devops"), InlinePolicy=json.dumps(EVERYTHING)
    )


def _update_permission_set(account: Account, name: str, **changes: str) -> None:
    account.client("sso-admin").update_permission_set(**_permission_set(account, name), **changes)


@mutation("permission set", "description changed", ACCESS, "qa", operation="UpdatePermissionSet", argument="description", host=GLOBAL,
          field="Description")  # fmt: skip
def permission_set_described(account: Account) -> None:
    _update_permission_set(account, "qa", Description="changed")


@mutation("permission set", "sessions of half a day", ACCESS, "developers", operation="UpdatePermissionSet", argument="session_duration",
          host=GLOBAL, field="SessionDuration")  # fmt: skip
def permission_set_stays_signed_in(account: Account) -> None:
    _update_permission_set(account, "developers", SessionDuration="PT12H")


@mutation("permission set", "tag removed", ACCESS, "devops", operation="TagResource", argument="tags", host=GLOBAL, field="Tags.Project")
def permission_set_tag_removed(account: Account) -> None:
    found = _permission_set(account, "devops")
    account.client("sso-admin").untag_resource(InstanceArn=found["InstanceArn"], ResourceArn=found["PermissionSetArn"], TagKeys=["Project"])
