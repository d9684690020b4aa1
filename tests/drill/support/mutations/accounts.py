# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what protects the account."""

from __future__ import annotations

from typing import Any

from tests.drill.support.mutations.model import DR, GLOBAL, PREFIX, Account, mutation

SETTINGS = "Set what EC2 does unless it is told otherwise"
PUBLIC_ACCESS = "Let no bucket of the account become public"
PASSWORDS = "Say what passwords have to be like"
ANALYZERS = "Look for what can be reached from outside"
ACCOUNT_ID = "123456789012"
ANALYZER = f"{PREFIX}-external-access"


# --- EC2 ---


@mutation("EC2 settings", "encryption of volumes switched off", SETTINGS, operation="EnableEbsEncryptionByDefault",
          argument="ebs_encryption", field="EbsEncryptionByDefault")  # fmt: skip
def volumes_not_encrypted(account: Account) -> None:
    account.client("ec2").disable_ebs_encryption_by_default()


@mutation("EC2 settings", "volumes encrypted with another key", SETTINGS, operation="ModifyEbsDefaultKmsKeyId", argument="ebs_key_id",
          field="KmsKeyId")  # fmt: skip
def volumes_encrypted_with_another_key(account: Account) -> None:
    account.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId=account.key_id("database"))


@mutation("EC2 settings", "metadata without a token", SETTINGS, operation="ModifyInstanceMetadataDefaults", argument="metadata_tokens",
          field="HttpTokens")  # fmt: skip
def metadata_without_token(account: Account) -> None:
    account.client("ec2").modify_instance_metadata_defaults(HttpTokens="optional")


@mutation("EC2 settings", "metadata over more hops, without tags", SETTINGS, operation="ModifyInstanceMetadataDefaults",
          argument=("metadata_hop_limit", "metadata_tags"), host=DR)  # fmt: skip
def metadata_goes_further(account: Account) -> None:
    account.client("ec2").modify_instance_metadata_defaults(HttpPutResponseHopLimit=64, InstanceMetadataTags="disabled")


@mutation("EC2 settings", "images may become public", SETTINGS, operation="EnableImageBlockPublicAccess",
          argument="image_sharing_blocked", field="ImageBlockPublicAccessState")  # fmt: skip
def images_may_become_public(account: Account) -> None:
    account.client("ec2").disable_image_block_public_access()


@mutation("EC2 settings", "public snapshots stay public", SETTINGS, operation="EnableSnapshotBlockPublicAccess",
          argument="snapshot_sharing", field="State")  # fmt: skip
def snapshots_stay_public(account: Account) -> None:
    account.client("ec2").enable_snapshot_block_public_access(State="block-new-sharing")


# --- S3 ---


def _without_prefix(request: Any, **_event: Any) -> None:
    """botocore puts the account in front of the emulator's address."""
    request.url = request.url.replace(f"//{ACCOUNT_ID}.", "//")


def _s3(account: Account) -> Any:
    client = account.client("s3control")
    client.meta.events.register("before-sign.s3-control", _without_prefix, unique_id="drill")
    return client


@mutation("public access block", "deleted", PUBLIC_ACCESS, operation="PutPublicAccessBlock", argument="block_public_acls", host=GLOBAL)
def public_access_block_deleted(account: Account) -> None:
    _s3(account).delete_public_access_block(AccountId=ACCOUNT_ID)


@mutation("public access block", "opened", PUBLIC_ACCESS, operation="PutPublicAccessBlock",
          argument=("ignore_public_acls", "block_public_policy", "restrict_public_buckets"), host=GLOBAL)  # fmt: skip
def public_access_block_opened(account: Account) -> None:
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    _s3(account).put_public_access_block(AccountId=ACCOUNT_ID, PublicAccessBlockConfiguration=block)


# --- passwords ---


@mutation("password policy", "deleted", PASSWORDS, operation="UpdateAccountPasswordPolicy", argument="minimum_length", host=GLOBAL)
def password_policy_deleted(account: Account) -> None:
    account.client("iam").delete_account_password_policy()


@mutation("password policy", "weakened", PASSWORDS, operation="UpdateAccountPasswordPolicy",
          argument=("require_symbols", "require_numbers", "require_uppercase", "require_lowercase", "users_may_change",
                    "maximum_age_days", "reuse_prevention", "hard_expiry"), host=GLOBAL)  # fmt: skip
def password_policy_weakened(account: Account) -> None:
    account.client("iam").update_account_password_policy(MinimumPasswordLength=14, HardExpiry=True)


# --- analyzers ---


@mutation("access analyzer", "deleted", ANALYZERS, "external-access", operation="CreateAnalyzer", argument="name")
def analyzer_deleted(account: Account) -> None:
    account.client("accessanalyzer").delete_analyzer(analyzerName=ANALYZER)


@mutation("access analyzer", "tag removed", ANALYZERS, "external-access", operation="TagResource", argument="tags", host=DR)
def analyzer_tag_removed(account: Account) -> None:
    client = account.client("accessanalyzer")
    client.untag_resource(resourceArn=client.get_analyzer(analyzerName=ANALYZER)["analyzer"]["arn"], tagKeys=["Project"])


@mutation("access analyzer", "tag added", ANALYZERS, "external-access", operation="UntagResource", argument="tags", host=DR,
          name="analyzer_tag_added", field="Tags.Old")  # fmt: skip
def analyzer_tag_added(account: Account) -> None:
    client = account.client("accessanalyzer")
    client.tag_resource(resourceArn=client.get_analyzer(analyzerName=ANALYZER)["analyzer"]["arn"], tags={"Old": "1"})
