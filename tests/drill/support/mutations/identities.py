# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to identities, keys and secrets."""

from __future__ import annotations

import json
from functools import partial

from tests.drill.support.mutations.model import DR, GLOBAL, PREFIX, Account, mutation

ROLES = "Make the roles"
POLICIES = "Give the roles their own permissions, and no others"
PROFILES = "Make the instance profiles"
KEYS = "Make the KMS keys"
KEY_PAIR = "Make the SSH key pair of the instances"
ADMINISTRATOR_SECRET = "Make the login of its administrator, once"
DATABASE_SECRET = "Make the credentials of the database, once"
CACHE_SECRET = "Make the token of the cache, once"
DATABASE_ADDRESS = "Complete the credentials with the address of the database"
CACHE_ADDRESS = "Complete the credentials with the address of the cache"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}],
}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@mutation("role", "trust edited", ROLES, "web", operation="UpdateAssumeRolePolicy", argument="assume_role_policy_document", host=GLOBAL)
def role_trusts_another_account(account: Account) -> None:
    account.client("iam").update_assume_role_policy(RoleName=f"{PREFIX}-web", PolicyDocument=json.dumps(TRUST))


@mutation("role", "managed policy attached", ROLES, "app", operation="DetachRolePolicy", argument="managed_policies", host=GLOBAL)
def role_becomes_administrator(account: Account) -> None:
    account.client("iam").attach_role_policy(RoleName=f"{PREFIX}-app", PolicyArn=ADMINISTRATOR)


@mutation("role", "managed policy detached", ROLES, "bastion", operation="AttachRolePolicy", argument="managed_policies", host=GLOBAL)
def role_loses_a_managed_policy(account: Account) -> None:
    iam = account.client("iam")
    attached = iam.list_attached_role_policies(RoleName=f"{PREFIX}-bastion")["AttachedPolicies"]
    iam.detach_role_policy(RoleName=f"{PREFIX}-bastion", PolicyArn=attached[0]["PolicyArn"])


@mutation("role", "tag removed", ROLES, "flow-logs", operation="TagRole", argument="tags", host=GLOBAL)
def role_tag_removed(account: Account) -> None:
    account.client("iam").untag_role(RoleName=f"{PREFIX}-flow-logs", TagKeys=["Project"])


@mutation("role", "description changed", ROLES, "rds-monitoring", operation="UpdateRole", argument="description", host=GLOBAL)
def role_description_changed(account: Account) -> None:
    account.client("iam").update_role(RoleName=f"{PREFIX}-rds-monitoring", Description="changed")


@mutation("role", "inline policy edited", POLICIES, "app", operation="PutRolePolicy", argument="policies", host=GLOBAL)
def role_may_do_everything(account: Account) -> None:
    account.client("iam").put_role_policy(RoleName=f"{PREFIX}-app", PolicyName="app", PolicyDocument=json.dumps(EVERYTHING))


@mutation("role", "inline policy deleted", POLICIES, "web", operation="PutRolePolicy", argument="policies", host=GLOBAL)
def role_policy_deleted(account: Account) -> None:
    account.client("iam").delete_role_policy(RoleName=f"{PREFIX}-web", PolicyName="web")


@mutation("role", "inline policy added", POLICIES, "bastion", operation="DeleteRolePolicy", argument="policies", host=GLOBAL)
def role_has_another_policy(account: Account) -> None:
    account.client("iam").put_role_policy(RoleName=f"{PREFIX}-bastion", PolicyName="more", PolicyDocument=json.dumps(EVERYTHING))


@mutation("role", "permissions boundary set", ROLES, host=GLOBAL, reason="none is declared, so amazon.aws.iam_role does not compare it")
def role_boundary_set(account: Account) -> None:
    account.client("iam").put_role_permissions_boundary(RoleName=f"{PREFIX}-flow-logs", PermissionsBoundary=ADMINISTRATOR)


@mutation("instance profile", "role taken away", PROFILES, "web", operation="AddRoleToInstanceProfile", argument="role", host=GLOBAL)
def profile_without_its_role(account: Account) -> None:
    account.client("iam").remove_role_from_instance_profile(InstanceProfileName=f"{PREFIX}-web", RoleName=f"{PREFIX}-web")


@mutation("instance profile", "tag changed", PROFILES, "bastion", operation="TagInstanceProfile", argument="tags", host=GLOBAL)
def profile_tag_changed(account: Account) -> None:
    account.client("iam").tag_instance_profile(InstanceProfileName=f"{PREFIX}-bastion", Tags=[{"Key": "Project", "Value": "another"}])


# --- keys ---


@mutation("KMS key", "rotation switched off", KEYS, "general", operation="EnableKeyRotation", argument="rotation")
def key_does_not_rotate(account: Account) -> None:
    account.client("kms").disable_key_rotation(KeyId=account.key_id("general"))


@mutation("KMS key", "policy edited", KEYS, "storage", operation="PutKeyPolicy", argument="policy")
def key_policy_edited(account: Account) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}],
    }
    account.client("kms").put_key_policy(KeyId=account.key_id("storage"), PolicyName="default", Policy=json.dumps(policy))


@mutation("KMS key", "tag removed", KEYS, "database", operation="TagResource", argument="tags")
def key_tag_removed(account: Account) -> None:
    account.client("kms").untag_resource(KeyId=account.key_id("database"), TagKeys=["Project"])


@mutation("KMS key", "description changed", KEYS, "logs", operation="UpdateKeyDescription", argument="description")
def key_description_changed(account: Account) -> None:
    account.client("kms").update_key_description(KeyId=account.key_id("logs"), Description="changed")


@mutation("KMS key", "switched off", KEYS, "storage", operation="EnableKey", host=DR)
def key_disabled(account: Account) -> None:
    account.client("kms").disable_key(KeyId=account.key_id("storage"))


@mutation("KMS key", "deletion scheduled", KEYS, "logs", operation="CancelKeyDeletion", field="KeyState", host=DR)
def key_deletion_scheduled(account: Account) -> None:
    account.client("kms").schedule_key_deletion(KeyId=account.key_id("logs"), PendingWindowInDays=30)


@mutation("key pair", "deleted", KEY_PAIR, operation="ImportKeyPair", argument="name")
def key_pair_deleted(account: Account) -> None:
    account.client("ec2").delete_key_pair(KeyName=f"{PREFIX}-key")


@mutation("key pair", "tag removed", KEY_PAIR, operation="CreateTags", argument="tags", host=DR)
def key_pair_tag_removed(account: Account) -> None:
    pair = account.one("ec2", "describe_key_pairs", "KeyPairs")
    account.client("ec2").delete_tags(Resources=[pair["KeyPairId"]], Tags=[{"Key": "Project"}])


@mutation("key pair", "its secret encrypted with another key", KEY_PAIR, operation="UpdateSecret", argument="kms_key_id", host=DR,
          field="KmsKeyId")  # fmt: skip
def key_pair_encrypted_with_another_key(account: Account) -> None:
    change_secret(account, "bastion/ssh-key", KmsKeyId=f"alias/{PREFIX}-database")


# --- secrets ---


def change_secret(account: Account, name: str, **changes: str) -> None:
    account.client("secretsmanager").update_secret(SecretId=f"/indivillage/sandbox/{name}", **changes)


def untag_secret(account: Account, name: str) -> None:
    account.client("secretsmanager").untag_resource(SecretId=f"/indivillage/sandbox/{name}", TagKeys=["Project"])


def _edit_secret(account: Account, name: str, **fields: str) -> None:
    secrets, secret = account.client("secretsmanager"), f"/indivillage/sandbox/{name}"
    held = json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])
    secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(held | fields))


@mutation("secret", "field edited", ADMINISTRATOR_SECRET, operation="PutSecretValue", argument="fields")
def database_user_edited(account: Account) -> None:
    _edit_secret(account, "administration/database", username="somebody")


@mutation("secret", "address of the database edited", DATABASE_ADDRESS, operation="PutSecretValue", argument="fields")
def database_address_edited(account: Account) -> None:
    _edit_secret(account, "database/credentials", host="elsewhere.example")


@mutation("secret", "address edited", CACHE_ADDRESS, operation="PutSecretValue", argument="fields")
def cache_address_edited(account: Account) -> None:
    _edit_secret(account, "cache/credentials", host="elsewhere.example")


for _store, _secret, _task in (
    ("database", "database/credentials", DATABASE_SECRET),
    ("administrator", "administration/database", ADMINISTRATOR_SECRET),
    ("cache", "cache/credentials", CACHE_SECRET),
):
    mutation(
        "secret", "tag removed", _task, operation="TagResource", argument="tags", field="Tags.Project", name=f"{_store}_secret_tag_removed"
    )(partial(untag_secret, name=_secret))
    mutation(
        "secret",
        "description changed",
        _task,
        operation="UpdateSecret",
        argument="description",
        field="Description",
        name=f"{_store}_secret_described_otherwise",
    )(partial(change_secret, name=_secret, Description="changed"))
    mutation(
        "secret",
        "encrypted with another key",
        _task,
        operation="UpdateSecret",
        argument="kms_key_id",
        field="KmsKeyId",
        name=f"{_store}_secret_encrypted_with_another_key",
    )(partial(change_secret, name=_secret, KmsKeyId=f"alias/{PREFIX}-logs"))
