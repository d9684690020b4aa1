# SPDX-License-Identifier: GPL-3.0-or-later
"""Read replicas of RDS instances: databases of their own, in the region in which they were asked for.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.html
moto 5.2.5 makes a shallow copy of the source, which keeps its backups, protection, tags and lists, asks for no key in another region,
copies what AWS would refuse to copy, does not say that it replicates, cannot remove a replica of another region, and promotes at once.
A server behind a replica streams from its source; see sandbox/services/databases.py.
"""

from __future__ import annotations

import functools
import secrets
from typing import Any

from moto.rds.exceptions import InvalidParameterCombination, RDSClientError
from moto.rds.models import DBInstance, RDSBackend

from sandbox.emulator.additions.patching import wrap
from sandbox.emulator.runtime import runtime

# What a replica takes over when it is not asked for otherwise.
_INHERITED = (
    *("allocated_storage", "auto_minor_version_upgrade", "db_instance_class", "db_name", "engine", "engine_version", "master_username"),
    *("max_allocated_storage", "port", "preferred_backup_window", "preferred_maintenance_window", "storage_encrypted", "storage_type"),
)
_REPLICATING = [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]


def _require_copyable(backend: Any, source: Any, wanted: dict[str, Any]) -> None:
    if wanted["db_instance_identifier"] in backend.databases:
        raise RDSClientError("DBInstanceAlreadyExists", "DB instance already exists")
    if source.status != "available":
        raise RDSClientError("InvalidDBInstanceState", f"Source DB instance {source.db_instance_identifier} is not available.")
    if not source.backup_retention_period:
        raise RDSClientError("InvalidDBInstanceState", f"Automated backups are not enabled for {source.db_instance_identifier}.")
    elsewhere = source.region != backend.region_name
    if not elsewhere and wanted.get("db_subnet_group_name"):
        raise RDSClientError("DBSubnetGroupNotAllowedFault", "A replica in the region of its source stands in the source's subnet group.")
    if elsewhere and source.storage_encrypted and not wanted.get("kms_key_id"):
        raise InvalidParameterCombination("An encrypted replica in another region needs a KmsKeyId of that region.")


def _end_replication(replica: Any) -> None:
    replica.is_replica, replica.source_db_instance_identifier, replica.status_infos = False, None, []
    if not runtime.standalone:
        replica.status = "modifying"  # until its server writes


def replication_password(database: Any) -> str:
    """What servers of a database and of its replicas show one another; it is a role's, and therefore copied with the data."""
    if not hasattr(database, "sandbox_replication_password"):
        database.sandbox_replication_password = secrets.token_urlsafe()
    return str(database.sandbox_replication_password)


@functools.cache
def install() -> None:
    @wrap(RDSBackend, "create_db_instance_read_replica")
    def create_db_instance_read_replica(_original: Any, self: Any, wanted: dict[str, Any]) -> Any:
        source = self.find_db_from_id(wanted["source_db_instance_identifier"])
        _require_copyable(self, source, wanted)
        inherited = {name: getattr(source, name) for name in _INHERITED}
        given = {name: value for name, value in wanted.items() if value is not None}
        if source.region == self.region_name:
            group = getattr(source, "db_subnet_group", None)  # only of one that was made in a group
            given |= {"db_subnet_group_name": group and group.name, "kms_key_id": source.kms_key_id}
        elif source.storage_encrypted:
            given["kms_key_id"] = self._validate_kms_key(given["kms_key_id"])
        make: Any = DBInstance  # which moto derives from abstract classes
        replica = make(self, **inherited | given, backup_retention_period=0)
        replica.set_as_replica()
        replica.sandbox_replication_password = replication_password(source)
        replica.status_infos = _REPLICATING
        self.databases[replica.db_instance_identifier] = replica
        source.add_replica(replica)
        return replica

    @wrap(DBInstance, "remove_replica")
    def remove_replica(_original: Any, self: Any, replica: Any) -> None:
        names = (replica.db_instance_identifier, replica.db_instance_arn)
        self.replicas = [name for name in self.replicas if name not in names]

    @wrap(RDSBackend, "delete_db_instance")
    def delete_db_instance(original: Any, self: Any, db_instance_identifier: str, *arguments: Any, **options: Any) -> Any:
        deleted = original(self, db_instance_identifier, *arguments, **options)
        for name in deleted.replicas:  # what is left of a database that is gone stands by itself
            replica = self.find_db_from_id(name)
            replica._master_user_password = deleted._master_user_password
            _end_replication(replica)
        return deleted

    @wrap(RDSBackend, "promote_read_replica")
    def promote_read_replica(original: Any, self: Any, db_kwargs: dict[str, Any]) -> Any:
        replica = self.databases[db_kwargs["db_instance_identifier"]]
        name = replica.source_db_instance_identifier
        promoted = original(self, db_kwargs)
        if name:
            source = self.find_db_from_id(name)
            source.remove_replica(promoted)
            promoted._master_user_password = source._master_user_password
            _end_replication(promoted)
        return promoted
