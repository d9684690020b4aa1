# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what stands in the second region, and to what joins the two."""

from __future__ import annotations

from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation

REPLICAS = "Make the replicas of the database"
CREDENTIALS = "Make the credentials of the database, once"
REPLICA_BACKUPS = "Set how long backups of the replicas are kept"

# --- replicas of the database ---


def _modify_replica(account: Account, name: str, **changes: Any) -> None:
    account.client("rds").modify_db_instance(DBInstanceIdentifier=f"{PREFIX}-db-{name}", ApplyImmediately=True, **changes)


@mutation("database replica", "class changed", REPLICAS, "replica", operation="ModifyDBInstance", argument="db_instance_class",
          field="DBInstanceClass")  # fmt: skip
def replica_class_changed(account: Account) -> None:
    _modify_replica(account, "replica", DBInstanceClass="db.r5.large")


@mutation("database replica", "parameter group exchanged", REPLICAS, "replica", operation="ModifyDBInstance",
          argument="db_parameter_group_name", field="DBParameterGroups")  # fmt: skip
def replica_parameter_group_exchanged(account: Account) -> None:
    _modify_replica(account, "replica", DBParameterGroupName="default.postgres17")


@mutation("database replica", "security group exchanged", REPLICAS, "dr-replica", operation="ModifyDBInstance",
          argument="vpc_security_group_ids", field="VpcSecurityGroups", host=DR)  # fmt: skip
def replica_group_exchanged(account: Account) -> None:
    _modify_replica(account, "dr-replica", VpcSecurityGroupIds=[account.group_id("bastion")])


@mutation("database replica", "deletion protection lifted", REPLICAS, "dr-replica", operation="ModifyDBInstance",
          argument="deletion_protection", field="DeletionProtection", host=DR)  # fmt: skip
def replica_unprotected(account: Account) -> None:
    _modify_replica(account, "dr-replica", DeletionProtection=False)


@mutation("database replica", "tag removed", REPLICAS, "dr-replica", operation="AddTagsToResource", argument="tags", field="Tags.Project",
          host=DR)  # fmt: skip
def replica_tag_removed(account: Account) -> None:
    replica = account.one("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=f"{PREFIX}-db-dr-replica")
    account.client("rds").remove_tags_from_resource(ResourceName=replica["DBInstanceArn"], TagKeys=["Project"])


@mutation("database replica", "backups switched off", REPLICA_BACKUPS, "dr-replica", operation="ModifyDBInstance",
          argument="backup_retention_period", host=DR)  # fmt: skip
def replica_backups_switched_off(account: Account) -> None:
    _modify_replica(account, "dr-replica", BackupRetentionPeriod=0)


@mutation("database replica", "deleted", REPLICAS, "replica", operation="CreateDBInstanceReadReplica",
          argument=("db_instance_identifier", "read_replica", "source_db_instance_identifier"), alone=True)  # fmt: skip
def replica_deleted(account: Account) -> None:
    account.client("rds").delete_db_instance(DBInstanceIdentifier=f"{PREFIX}-db-replica", SkipFinalSnapshot=True)


@mutation("database replica", "promoted", REPLICAS, reason="a database that has been written to is no copy any more, and stays", host=DR)
def replica_promoted(account: Account) -> None:
    account.client("rds").promote_read_replica(DBInstanceIdentifier=f"{PREFIX}-db-dr-replica")


# --- copies of secrets ---

SECRET = f"/indivillage/{PREFIX.rpartition('-')[2]}/database/credentials"


@mutation("secret", "copy in the other region removed", CREDENTIALS, operation="ReplicateSecretToRegions", argument="replicas",
          field="ReplicationStatus")  # fmt: skip
def secret_copy_removed(account: Account) -> None:
    account.client("secretsmanager").remove_regions_from_replication(SecretId=SECRET, RemoveReplicaRegions=["us-west-2"])


@mutation("secret", "copy in a region too many", CREDENTIALS, operation="RemoveRegionsFromReplication", argument="replicas", alone=True)
def secret_copy_added(account: Account) -> None:
    account.client("secretsmanager").replicate_secret_to_regions(SecretId=SECRET, AddReplicaRegions=[{"Region": "eu-west-1"}])
