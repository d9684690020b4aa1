# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to buckets, queues, databases and caches."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation

BUCKETS = "Make the buckets"
COPIES = "Copy what must outlive the region"
QUEUES = "Make the queues"
DEAD_LETTERS = "Make the dead letter queues"
DATABASE = "Make the PostgreSQL instance"
DATABASE_SUBNETS = "Make the subnet group of the database"
PARAMETERS = "Set the parameters of the database"
CACHE = "Make the cache"
CACHE_SUBNETS = "Make the subnet group of the cache"
OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


def bucket(name: str) -> str:
    return f"{PREFIX}-{name}"


# --- buckets ---


@mutation("bucket", "versioning suspended", BUCKETS, "uploads", operation="PutBucketVersioning", argument="versioning", field="Status")
def bucket_versioning_suspended(account: Account) -> None:
    account.client("s3").put_bucket_versioning(Bucket=bucket("uploads"), VersioningConfiguration={"Status": "Suspended"})


@mutation("bucket", "encryption changed", BUCKETS, "processed", operation="PutBucketEncryption", argument="encryption",
          field="ServerSideEncryptionConfiguration.Rules")  # fmt: skip
def bucket_encryption_changed(account: Account) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    account.client("s3").put_bucket_encryption(Bucket=bucket("processed"), ServerSideEncryptionConfiguration={"Rules": [rule]})


@mutation("bucket", "encryption removed", BUCKETS, "backups", operation="PutBucketEncryption", argument="encryption",
          field="ServerSideEncryptionConfiguration.Rules")  # fmt: skip
def bucket_encryption_removed(account: Account) -> None:
    account.client("s3").delete_bucket_encryption(Bucket=bucket("backups"))


@mutation("bucket", "public access allowed", BUCKETS, "backups", operation="PutPublicAccessBlock", argument="block_public_access",
          field="PublicAccessBlockConfiguration.BlockPublicAcls")  # fmt: skip
def bucket_open_to_the_public(account: Account) -> None:
    account.client("s3").delete_public_access_block(Bucket=bucket("backups"))


@mutation("bucket", "public policies allowed", BUCKETS, "static-assets", operation="PutPublicAccessBlock", argument="block_public_access",
          field="PublicAccessBlockConfiguration.BlockPublicPolicy")  # fmt: skip
def bucket_open_to_public_policies(account: Account) -> None:
    some = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    account.client("s3").put_public_access_block(Bucket=bucket("static-assets"), PublicAccessBlockConfiguration=some)


@mutation("bucket", "policy edited", BUCKETS, "static-assets", operation="PutBucketPolicy", argument="policy", field="Policy.Statement")
def bucket_policy_edited(account: Account) -> None:
    account.client("s3").put_bucket_policy(Bucket=bucket("static-assets"), Policy=json.dumps(OPEN))


@mutation("bucket", "policy deleted", BUCKETS, "uploads-replica", operation="PutBucketPolicy", argument="policy", field="Policy.Statement",
          host=DR)  # fmt: skip
def bucket_policy_deleted(account: Account) -> None:
    account.client("s3").delete_bucket_policy(Bucket=bucket("uploads-replica"))


@mutation("bucket", "tags replaced", BUCKETS, "quarantine", operation="PutBucketTagging", argument="tags", field="TagSet.Project")
def bucket_tags_replaced(account: Account) -> None:
    account.client("s3").put_bucket_tagging(Bucket=bucket("quarantine"), Tagging={"TagSet": [{"Key": "Project", "Value": "another"}]})


@mutation("bucket", "access log switched off", BUCKETS, "processed-replica", operation="PutBucketLogging", argument="logging",
          field="LoggingEnabled.TargetBucket", host=DR)  # fmt: skip
def bucket_log_switched_off(account: Account) -> None:
    account.client("s3").put_bucket_logging(Bucket=bucket("processed-replica"), BucketLoggingStatus={})


@mutation("bucket", "access log of the logs switched on", BUCKETS, "logs", operation="PutBucketLogging", argument="logging",
          field="LoggingEnabled.TargetBucket")  # fmt: skip
def bucket_log_of_logs_switched_on(account: Account) -> None:
    log = {"TargetBucket": bucket("logs"), "TargetPrefix": "s3/logs/"}
    account.client("s3").put_bucket_logging(Bucket=bucket("logs"), BucketLoggingStatus={"LoggingEnabled": log})


@mutation("bucket", "ownership of objects changed", BUCKETS, "backups-replica", operation="PutBucketOwnershipControls",
          argument="object_ownership", field="OwnershipControls.Rules", host=DR)  # fmt: skip
def bucket_ownership_changed(account: Account) -> None:
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    account.client("s3").put_bucket_ownership_controls(Bucket=bucket("backups-replica"), OwnershipControls=controls)


@mutation("bucket", "deleted", BUCKETS, "static-assets-replica", operation="CreateBucket", argument="name", host=DR)
def bucket_deleted(account: Account) -> None:
    account.client("s3").delete_bucket(Bucket=bucket("static-assets-replica"))


@mutation("bucket", "lifecycle changed", BUCKETS, "uploads", operation="PutBucketLifecycleConfiguration", argument="lifecycle_rules",
          field="Rules")  # fmt: skip
def bucket_lifecycle_changed(account: Account) -> None:
    s3 = account.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket("uploads"))["Rules"]
    rules[0]["Expiration"] = {"Days": 1}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket("uploads"), LifecycleConfiguration={"Rules": rules})


@mutation("bucket", "lifecycle deleted", BUCKETS, "backups", operation="PutBucketLifecycleConfiguration", argument="lifecycle_rules",
          field="LifecycleConfiguration.Rules")  # fmt: skip
def bucket_lifecycle_deleted(account: Account) -> None:
    account.client("s3").delete_bucket_lifecycle(Bucket=bucket("backups"))


@mutation("bucket", "lifecycle rule added", BUCKETS, "logs", operation="PutBucketLifecycleConfiguration", argument="lifecycle_rules",
          field="Rules")  # fmt: skip
def bucket_lifecycle_rule_added(account: Account) -> None:
    s3 = account.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket("logs"))["Rules"]
    rules.append({"ID": "soon", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}})
    s3.put_bucket_lifecycle_configuration(Bucket=bucket("logs"), LifecycleConfiguration={"Rules": rules})


def _let_pages_put(account: Account, name: str) -> None:
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["PUT"]}
    account.client("s3").put_bucket_cors(Bucket=bucket(name), CORSConfiguration={"CORSRules": [rule]})


@mutation("bucket", "copies somewhere else", BUCKETS, "quarantine", operation="DeleteBucketReplication", argument="replication",
          field="ReplicationConfiguration.Rules")  # fmt: skip
def bucket_copied_away(account: Account) -> None:
    s3 = account.client("s3")
    wanted = s3.get_bucket_replication(Bucket=bucket("uploads"))["ReplicationConfiguration"]
    s3.put_bucket_replication(Bucket=bucket("quarantine"), ReplicationConfiguration=wanted)


@mutation("bucket", "no longer copied", COPIES, "backups", operation="PutBucketReplication", argument="replication",
          field="ReplicationConfiguration.Rules")  # fmt: skip
def bucket_not_copied(account: Account) -> None:
    account.client("s3").delete_bucket_replication(Bucket=bucket("backups"))


@mutation("bucket", "copies without deletions", COPIES, "processed", operation="PutBucketReplication", argument="replication",
          field="ReplicationConfiguration.Rules")  # fmt: skip
def bucket_copies_keep_deleted(account: Account) -> None:
    s3 = account.client("s3")
    wanted = s3.get_bucket_replication(Bucket=bucket("processed"))["ReplicationConfiguration"]
    wanted["Rules"][0]["DeleteMarkerReplication"] = {"Status": "Disabled"}
    s3.put_bucket_replication(Bucket=bucket("processed"), ReplicationConfiguration=wanted)


@mutation("bucket", "CORS changed", BUCKETS, "static-assets", operation="PutBucketCors", argument="cors_rules", field="CORSRules")
def bucket_cors_changed(account: Account) -> None:
    _let_pages_put(account, "static-assets")


@mutation("bucket", "CORS deleted", BUCKETS, "uploads", operation="PutBucketCors", argument="cors_rules",
          field="CORSConfiguration.CORSRules")  # fmt: skip
def bucket_cors_deleted(account: Account) -> None:
    account.client("s3").delete_bucket_cors(Bucket=bucket("uploads"))


@mutation("bucket", "CORS added where none is declared", BUCKETS, "quarantine", operation="DeleteBucketCors", argument="cors_rules",
          field="CORSRules")  # fmt: skip
def bucket_cors_added(account: Account) -> None:
    _let_pages_put(account, "quarantine")


# --- queues ---


def _set_queue(account: Account, name: str, **attributes: str) -> None:
    account.client("sqs").set_queue_attributes(QueueUrl=account.queue_url(name), Attributes=attributes)


@mutation("queue", "visibility timeout changed", QUEUES, "tasks", operation="SetQueueAttributes", argument="visibility_timeout_seconds",
          field="Attributes.VisibilityTimeout")  # fmt: skip
def queue_visibility_changed(account: Account) -> None:
    _set_queue(account, "tasks", VisibilityTimeout="1")


@mutation("queue", "policy edited", QUEUES, "notifications", operation="SetQueueAttributes", argument="policy")
def queue_policy_edited(account: Account) -> None:
    _set_queue(account, "notifications", Policy=json.dumps(OPEN))


@mutation("queue", "dead letters elsewhere, after fewer attempts", QUEUES, "crm-sync", operation="SetQueueAttributes",
          argument=("dead_letter_queue_arn", "max_receives"))  # fmt: skip
def queue_redrive_changed(account: Account) -> None:
    arn = f"arn:aws:sqs:us-east-1:123456789012:{PREFIX}-tasks-dlq"
    _set_queue(account, "crm-sync", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}))


@mutation("queue", "wait changed", QUEUES, "file-processing", operation="SetQueueAttributes", argument="wait_seconds")
def queue_wait_changed(account: Account) -> None:
    _set_queue(account, "file-processing", ReceiveMessageWaitTimeSeconds="0")


@mutation("queue", "encryption switched off", QUEUES, "tasks", operation="SetQueueAttributes", argument="kms_key_id")
def queue_not_encrypted(account: Account) -> None:
    _set_queue(account, "tasks", KmsMasterKeyId="")


@mutation("queue", "tag changed", QUEUES, "crm-sync", operation="TagQueue", argument="tags")
def queue_tag_changed(account: Account) -> None:
    account.client("sqs").tag_queue(QueueUrl=account.queue_url("crm-sync"), Tags={"Environment": "another"})


@mutation("queue", "policy deleted", DEAD_LETTERS, "tasks", operation="SetQueueAttributes", argument="policy")
def queue_policy_deleted(account: Account) -> None:
    _set_queue(account, "tasks-dlq", Policy="")


@mutation("queue", "tag removed", DEAD_LETTERS, "tasks", operation="TagQueue", argument="tags")
def queue_tag_removed(account: Account) -> None:
    account.client("sqs").untag_queue(QueueUrl=account.queue_url("tasks-dlq"), TagKeys=["Project"])


@mutation("queue", "retention changed", DEAD_LETTERS, "notifications", operation="SetQueueAttributes", argument="retention_seconds")
def queue_retention_changed(account: Account) -> None:
    _set_queue(account, "notifications-dlq", MessageRetentionPeriod="60")


@mutation("queue", "key changed", DEAD_LETTERS, "crm-sync", operation="SetQueueAttributes", argument="kms_key_id")
def queue_key_changed(account: Account) -> None:
    _set_queue(account, "crm-sync-dlq", KmsMasterKeyId="alias/aws/sqs")


@mutation("queue", "deleted", DEAD_LETTERS, "file-processing", operation="CreateQueue", argument="name")
def queue_deleted(account: Account) -> None:
    account.client("sqs").delete_queue(QueueUrl=account.queue_url("file-processing-dlq"))


# --- database ---


def _modify_database(account: Account, **changes: Any) -> None:
    account.client("rds").modify_db_instance(DBInstanceIdentifier=f"{PREFIX}-db", ApplyImmediately=True, **changes)


def _database_arn(kind: str, name: str) -> str:
    return f"arn:aws:rds:us-east-1:123456789012:{kind}:{PREFIX}-{name}"


@mutation("database", "backups kept for a day", DATABASE, operation="ModifyDBInstance", argument="backup_retention_period")
def database_backups_shortened(account: Account) -> None:
    _modify_database(account, BackupRetentionPeriod=1)


@mutation("database", "class changed", DATABASE, operation="ModifyDBInstance", argument="db_instance_class")
def database_class_changed(account: Account) -> None:
    _modify_database(account, DBInstanceClass="db.r5.large")


@mutation("database", "security group exchanged", DATABASE, operation="ModifyDBInstance", argument="vpc_security_group_ids")
def database_group_changed(account: Account) -> None:
    _modify_database(account, VpcSecurityGroupIds=[account.group_id("bastion")])


DATABASE_CHANGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # argument of the task, its field in the API, what is changed in words, the change
    ("multi_az", "MultiAZ", "second zone", {"MultiAZ": True}),
    ("port", "Endpoint.Port", "port changed", {"DBPortNumber": 5555}),
    ("storage_type", "StorageType", "storage type changed", {"StorageType": "gp2"}),
    ("max_allocated_storage", "MaxAllocatedStorage", "growth limited", {"MaxAllocatedStorage": 50}),
    ("preferred_backup_window", "PreferredBackupWindow", "backup window moved", {"PreferredBackupWindow": "12:00-13:00"}),
    (
        "preferred_maintenance_window",
        "PreferredMaintenanceWindow",
        "maintenance moved",
        {"PreferredMaintenanceWindow": "mon:14:00-mon:15:00"},
    ),
    ("auto_minor_version_upgrade", "AutoMinorVersionUpgrade", "upgrades switched off", {"AutoMinorVersionUpgrade": False}),
    ("copy_tags_to_snapshot", "CopyTagsToSnapshot", "snapshots without tags", {"CopyTagsToSnapshot": False}),
    ("deletion_protection", "DeletionProtection", "deletion protection set", {"DeletionProtection": True}),
    ("db_parameter_group_name", "DBParameterGroups", "parameter group exchanged", {"DBParameterGroupName": "default.postgres17"}),
    (
        "enable_cloudwatch_logs_exports",
        "EnabledCloudwatchLogsExports",
        "log exports switched off",
        {"CloudwatchLogsExportConfiguration": {"DisableLogTypes": ["upgrade"]}},
    ),
    ("publicly_accessible", "PubliclyAccessible", "open to the public", {"PubliclyAccessible": True}),
    ("monitoring_interval", "MonitoringInterval", "looked at seldom", {"MonitoringInterval": 60}),
    (
        "monitoring_role_arn",
        "MonitoringRoleArn",
        "looked at by another role",
        {"MonitoringRoleArn": f"arn:aws:iam::123456789012:role/{PREFIX}-web"},
    ),
    ("enable_performance_insights", "PerformanceInsightsEnabled", "its load not told", {"EnablePerformanceInsights": False}),
    (
        "performance_insights_retention_period",
        "PerformanceInsightsRetentionPeriod",
        "its load kept for two years",
        {"PerformanceInsightsRetentionPeriod": 731},
    ),
)
for _argument, _field, _what, _changes in DATABASE_CHANGES:
    mutation(
        "database", _what, DATABASE, operation="ModifyDBInstance", argument=_argument, field=_field, name=f"database_{_argument}_changed"
    )(partial(_modify_database, **_changes))


@mutation("database", "tag removed", DATABASE, operation="AddTagsToResource", argument="tags")
def database_tag_removed(account: Account) -> None:
    account.client("rds").remove_tags_from_resource(ResourceName=_database_arn("db", "db"), TagKeys=["Project"])


@mutation("database", "deleted", DATABASE, operation="CreateDBInstance", argument=("db_instance_identifier", "engine"),
          also={("Complete the credentials with the address of the database", ""): "PutSecretValue",
                ("Have the login of the database's exporter", ""): "PutSecretValue"})  # fmt: skip
def database_deleted(account: Account) -> None:
    account.client("rds").delete_db_instance(DBInstanceIdentifier=f"{PREFIX}-db", SkipFinalSnapshot=True)


@mutation("database parameter group", "parameter changed", PARAMETERS, operation="ModifyDBParameterGroup", argument="parameters")
def database_parameter_changed(account: Account) -> None:
    parameter = {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}
    account.client("rds").modify_db_parameter_group(DBParameterGroupName=f"{PREFIX}-db-param-group", Parameters=[parameter])


@mutation("database parameter group", "tag removed", PARAMETERS, operation="AddTagsToResource", argument="tags")
def database_parameter_group_tag_removed(account: Account) -> None:
    account.client("rds").remove_tags_from_resource(ResourceName=_database_arn("pg", "db-param-group"), TagKeys=["Project"])


@mutation("database subnet group", "tag removed", DATABASE_SUBNETS, operation="AddTagsToResource", argument="tags")
def database_subnet_group_tag_removed(account: Account) -> None:
    account.client("rds").remove_tags_from_resource(ResourceName=_database_arn("subgrp", "db-subnet-group"), TagKeys=["Project"])


@mutation("database subnet group", "description changed", DATABASE_SUBNETS, operation="ModifyDBSubnetGroup", argument="description")
def database_subnet_group_described(account: Account) -> None:
    subnets = [account.subnet_id(f"data-{zone}") for zone in "abc"]
    account.client("rds").modify_db_subnet_group(
        DBSubnetGroupName=f"{PREFIX}-db-subnet-group", DBSubnetGroupDescription="changed", SubnetIds=subnets
    )


@mutation("database subnet group", "subnet taken away", DATABASE_SUBNETS, operation="ModifyDBSubnetGroup", argument="subnets")
def database_subnet_removed(account: Account) -> None:
    subnets = [account.subnet_id(f"data-{zone}") for zone in "ab"]
    account.client("rds").modify_db_subnet_group(
        DBSubnetGroupName=f"{PREFIX}-db-subnet-group", DBSubnetGroupDescription=f"Data tier of {PREFIX}", SubnetIds=subnets
    )


# --- cache ---


def _modify_cache(account: Account, **changes: Any) -> None:
    account.client("elasticache").modify_replication_group(ReplicationGroupId=f"{PREFIX}-cache", ApplyImmediately=True, **changes)


@mutation(
    "cache",
    "snapshots dropped",
    CACHE,
    operation="ModifyReplicationGroup",
    argument="snapshot_retention_days",
    field="SnapshotRetentionLimit",
)
def cache_snapshots_dropped(account: Account) -> None:
    _modify_cache(account, SnapshotRetentionLimit=0)


@mutation("cache", "node type changed", CACHE, operation="ModifyReplicationGroup", argument="node_type", field="CacheNodeType")
def cache_node_type_changed(account: Account) -> None:
    _modify_cache(account, CacheNodeType="cache.r5.large")


@mutation(
    "cache",
    "a replica in another zone that takes over",
    CACHE,
    operation="DecreaseReplicaCount",
    argument=("num_cache_clusters", "automatic_failover", "multi_az"),
    field="NewReplicaCount",
)
def cache_grown(account: Account) -> None:
    client = account.client("elasticache")
    client.increase_replica_count(ReplicationGroupId=f"{PREFIX}-cache", NewReplicaCount=1, ApplyImmediately=True)
    _modify_cache(account, AutomaticFailoverEnabled=True, MultiAZEnabled=True)


@mutation("cache", "maintenance window moved", CACHE, operation="ModifyReplicationGroup", argument="maintenance_window")
def cache_maintenance_moved(account: Account) -> None:
    _modify_cache(account, PreferredMaintenanceWindow="mon:01:00-mon:02:00")


@mutation(
    "cache",
    "plain text let through",
    CACHE,
    operation="ModifyReplicationGroup",
    argument="transit_encryption",
    field="TransitEncryptionMode",
)
def cache_lets_plain_text_through(account: Account) -> None:
    _modify_cache(account, TransitEncryptionEnabled=True, TransitEncryptionMode="preferred")


_CACHE_CHANGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # argument of the task, its field in the API where a plan names it, what is changed in words, the change
    ("description", "", "description changed", {"ReplicationGroupDescription": "changed"}),
    ("snapshot_window", "SnapshotWindow", "snapshots moved", {"SnapshotWindow": "12:00-13:00"}),
    ("auto_minor_version_upgrade", "AutoMinorVersionUpgrade", "upgrades switched off", {"AutoMinorVersionUpgrade": False}),
    ("parameter_group_name", "", "parameters exchanged", {"CacheParameterGroupName": "default.redis7.cluster.on"}),
)
for _argument, _field, _what, _changes in _CACHE_CHANGES:
    mutation(
        "cache", _what, CACHE, operation="ModifyReplicationGroup", argument=_argument, field=_field, name=f"cache_{_argument}_changed"
    )(partial(_modify_cache, **_changes))


@mutation("cache", "security group exchanged", CACHE, operation="ModifyReplicationGroup", argument="security_group_ids")
def cache_group_changed(account: Account) -> None:
    _modify_cache(account, SecurityGroupIds=[account.group_id("bastion")])


@mutation("cache subnet group", "description changed", CACHE_SUBNETS, operation="ModifyCacheSubnetGroup", argument="description")
def cache_subnet_group_described(account: Account) -> None:
    name = f"{PREFIX}-cache-subnet-group"
    account.client("elasticache").modify_cache_subnet_group(CacheSubnetGroupName=name, CacheSubnetGroupDescription="changed")


@mutation("cache", "tag removed", CACHE, operation="AddTagsToResource", argument="tags", field="Tags.Project")
def cache_tag_removed(account: Account) -> None:
    arn = f"arn:aws:elasticache:us-east-1:123456789012:replicationgroup:{PREFIX}-cache"
    account.client("elasticache").remove_tags_from_resource(ResourceName=arn, TagKeys=["Project"])


@mutation("cache subnet group", "subnet taken away", CACHE_SUBNETS, operation="ModifyCacheSubnetGroup", argument="subnets")
def cache_subnet_removed(account: Account) -> None:
    subnets = [account.subnet_id(f"data-{zone}") for zone in "ab"]
    account.client("elasticache").modify_cache_subnet_group(CacheSubnetGroupName=f"{PREFIX}-cache-subnet-group", SubnetIds=subnets)
