# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what runs themselves need: the tables of leases and runs, the bucket of records."""

from __future__ import annotations

import json

from tests.drill.support.mutations.model import GLOBAL, PREFIX, Account, mutation
from tests.drill.support.mutations.storage import OPEN

TABLES = "Make the tables of leases and runs"
BUCKET = "Make the bucket of records and approved plans"
RECORDS = f"{PREFIX}-operations"


def _table_arn(name: str) -> str:
    return f"arn:aws:dynamodb:us-east-1:123456789012:table/{PREFIX}-{name}"


@mutation("table", "tag removed", TABLES, "leases", operation="TagResource", argument="tags", host=GLOBAL)
def table_tag_removed(account: Account) -> None:
    account.client("dynamodb").untag_resource(ResourceArn=_table_arn("leases"), TagKeys=["Project"])


@mutation("table", "point in time recovery switched off", TABLES, "deployments", operation="UpdateContinuousBackups",
          argument="point_in_time_recovery", host=GLOBAL)  # fmt: skip
def table_without_recovery(account: Account) -> None:
    account.client("dynamodb").update_continuous_backups(
        TableName=f"{PREFIX}-deployments", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )


@mutation("table", "protected from deletion", TABLES, "leases", operation="UpdateTable", argument="deletion_protection", host=GLOBAL,
          field="DeletionProtectionEnabled")  # fmt: skip
def table_protected(account: Account) -> None:
    account.client("dynamodb").update_table(TableName=f"{PREFIX}-leases", DeletionProtectionEnabled=True)


@mutation("table", "encrypted with a key of AWS", TABLES, "deployments", operation="UpdateTable", host=GLOBAL,
          field="SSESpecification.Enabled")  # fmt: skip
def table_not_encrypted_by_us(account: Account) -> None:
    account.client("dynamodb").update_table(TableName=f"{PREFIX}-deployments", SSESpecification={"Enabled": False})


@mutation("bucket", "versioning of the records suspended", BUCKET, operation="PutBucketVersioning", argument="versioning", field="Status",
          host=GLOBAL)  # fmt: skip
def records_versioning_suspended(account: Account) -> None:
    account.client("s3").put_bucket_versioning(Bucket=RECORDS, VersioningConfiguration={"Status": "Suspended"})


@mutation("bucket", "encryption of the records removed", BUCKET, operation="PutBucketEncryption", argument="encryption",
          field="ServerSideEncryptionConfiguration.Rules", host=GLOBAL)  # fmt: skip
def records_not_encrypted(account: Account) -> None:
    account.client("s3").delete_bucket_encryption(Bucket=RECORDS)


@mutation("bucket", "policy of the records edited", BUCKET, operation="PutBucketPolicy", argument="policy", field="Policy.Statement",
          host=GLOBAL)  # fmt: skip
def records_policy_edited(account: Account) -> None:
    account.client("s3").put_bucket_policy(Bucket=RECORDS, Policy=json.dumps(OPEN))


@mutation("bucket", "records open to the public", BUCKET, operation="PutPublicAccessBlock", argument="block_public_access",
          field="PublicAccessBlockConfiguration.BlockPublicAcls", host=GLOBAL)  # fmt: skip
def records_open_to_the_public(account: Account) -> None:
    account.client("s3").delete_public_access_block(Bucket=RECORDS)


@mutation("bucket", "tags of the records replaced", BUCKET, operation="PutBucketTagging", argument="tags", field="TagSet.Project",
          host=GLOBAL)  # fmt: skip
def records_tags_replaced(account: Account) -> None:
    account.client("s3").put_bucket_tagging(Bucket=RECORDS, Tagging={"TagSet": [{"Key": "Project", "Value": "another"}]})


@mutation("bucket", "ownership of the records changed", BUCKET, operation="PutBucketOwnershipControls", argument="object_ownership",
          field="OwnershipControls.Rules", host=GLOBAL)  # fmt: skip
def records_ownership_changed(account: Account) -> None:
    account.client("s3").put_bucket_ownership_controls(Bucket=RECORDS, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})


@mutation("bucket", "records go after a day", BUCKET, operation="PutBucketLifecycleConfiguration", argument="lifecycle_rules",
          field="Rules", host=GLOBAL)  # fmt: skip
def records_go_after_a_day(account: Account) -> None:
    s3 = account.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=RECORDS)["Rules"]
    rules[0]["Expiration"] = {"Days": 1}
    s3.put_bucket_lifecycle_configuration(Bucket=RECORDS, LifecycleConfiguration={"Rules": rules})
