#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_vault
version_added: 0.3.0
short_description: Manage a vault of AWS Backup with its lock
description:
  - Creates, changes and deletes one vault with its lock and tags. AWS deletes only empty vaults.
  - Use it instead of M(amazon.aws.backup_vault), which knows no lock.
options:
  name:
    description: Name of the vault.
    type: str
    required: true
  kms_key_arn:
    description: ARN of the key that encrypts what is in it. Cannot be changed. Needed unless O(state=absent).
    type: str
  lock:
    description:
      - How long backups have to stay. No lock when empty or left out.
      - "With O(lock.changeable_for_days) the lock becomes final after that time: then nobody, not even AWS, can lift it or delete a backup
        before its time."
    type: dict
    suboptions:
      min_retention_days:
        description: Days that a backup stays at least. One when left out.
        type: int
      max_retention_days:
        description: Days that a backup stays at most.
        type: int
      changeable_for_days:
        description: Days after which the lock becomes final, V(3) at least. It never does when left out.
        type: int
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Make a vault whose backups stay a month at least
  indivillage.infra.backup_vault:
    name: indivillage-staging-backups
    kms_key_arn: arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012
    lock: {min_retention_days: 30}
"""

RETURN = r"""
resource:
  description: The vault. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the vault.
      type: str
      returned: when the vault exists
      sample: arn:aws:backup:us-east-1:123456789012:backup-vault:indivillage-staging-backups
  sample: {name: indivillage-staging-backups, lock: {min_retention_days: 30, final: false}}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run


class Vault(Resource):
    service = "backup"
    kind = "backup vault"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "kms_key_arn": {"no_log": False},
        "lock": {
            "type": "dict",
            "options": {
                "min_retention_days": {"type": "int"},
                "max_retention_days": {"type": "int"},
                "changeable_for_days": {"type": "int"},
            },
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("kms_key_arn",))]}
    properties = ("kms_key_arn", "lock")
    exact = frozenset({"lock"})
    immutable = frozenset({"kms_key_arn"})

    @property
    def _given(self) -> Properties:
        """What is said of the lock: nothing where it is empty, for Ansible fills in what is left out of it."""
        return {key: value for key, value in (self.params["lock"] or {}).items() if value is not None}

    def declared(self) -> Properties:
        given = self._given
        lock = {
            "min_retention_days": given.get("min_retention_days", 1),
            "max_retention_days": given.get("max_retention_days"),
            "final": "changeable_for_days" in given,
        }
        return {"kms_key_arn": self.params["kms_key_arn"], "lock": lock if given else {}}

    def find(self) -> Properties | None:
        # Asked for by name, AWS says of a vault that does not exist that access to it is denied.
        pages = self.client.get_paginator("list_backup_vaults").paginate()
        vault = next((one for page in pages for one in page["BackupVaultList"] if one["BackupVaultName"] == self.name), None)
        if vault is None:
            return None
        lock = {
            "min_retention_days": vault.get("MinRetentionDays") or 1,
            "max_retention_days": vault.get("MaxRetentionDays"),
            "final": bool(vault.get("LockDate")),
        }
        return {
            "name": self.name,
            "arn": vault["BackupVaultArn"],
            "kms_key_arn": vault.get("EncryptionKeyArn"),
            "lock": lock if vault.get("Locked") else {},
            "tags": self.client.list_tags(ResourceArn=vault["BackupVaultArn"]).get("Tags") or {},
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_backup_vault(BackupVaultName=self.name, EncryptionKeyArn=wanted["kms_key_arn"], BackupVaultTags=tags)
        if wanted["lock"]:
            self._lock()

    def update(self, current: Properties, changes: Properties) -> None:
        if changes["lock"]:
            self._lock()
        else:
            self.client.delete_backup_vault_lock_configuration(BackupVaultName=self.name)

    def delete(self, current: Properties) -> None:
        self.client.delete_backup_vault(BackupVaultName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeyList=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=add)

    def _lock(self) -> None:
        names = {
            "min_retention_days": "MinRetentionDays",
            "max_retention_days": "MaxRetentionDays",
            "changeable_for_days": "ChangeableForDays",
        }
        given = {names[key]: value for key, value in ({"min_retention_days": 1} | self._given).items()}
        self.client.put_backup_vault_lock_configuration(BackupVaultName=self.name, **given)


def main() -> None:
    run(Vault)


if __name__ == "__main__":
    main()
