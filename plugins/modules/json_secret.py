#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: json_secret
version_added: 0.1.0
short_description: Manage a Secrets Manager secret that is a JSON object
description:
  - Sets fields of a secret and leaves its other fields alone, so that several tasks can each contribute what they know.
  - Generates a field once, when it is missing. A generated value is never changed by this module and appears in no task.
  - Unlike M(community.aws.secretsmanager_secret) the caller need not know the whole secret to change a part of it.
options:
  name:
    description: Name of the secret.
    type: str
    required: true
  description:
    description: What the secret is for.
    type: str
  kms_key_id:
    description: Id, ARN or alias of the key that encrypts the secret. The account's default key when left out at creation.
    type: str
  fields:
    description: Fields and their values. Fields that are not named keep their values.
    type: dict
    default: {}
  initial:
    description: Fields that get this value when they are missing, and keep whatever they have.
    type: dict
    default: {}
  generate:
    description: Names of fields that get a random value of letters and digits when they are missing.
    type: list
    elements: str
    default: []
  length:
    description: Length of a generated value.
    type: int
    default: 32
  reveal:
    description: Names of fields whose values the module returns. A task that uses it needs C(no_log).
    type: list
    elements: str
    default: []
  replicas:
    description:
      - Regions that have a copy of the secret, which Secrets Manager keeps like it. Copies in other regions are removed.
      - Left alone when left out.
      - A secret of that name which the region has already is not overwritten, unless O(overwrite_replicas=true).
    type: list
    elements: dict
    suboptions:
      region:
        description: Name of the region.
        type: str
        required: true
      kms_key_id:
        description: Id, ARN or alias of the key that encrypts the copy, in that region.
        type: str
        required: true
  overwrite_replicas:
    description: Whether a secret of that name, which stands for itself where a copy is to be made, is given up for the copy.
    type: bool
    default: false
  standalone:
    description:
      - Whether the secret is one of its own. V(true) takes a copy of another region's secret out of replication, so that it can be
        written where it is.
      - Left alone when left out. What stands for itself cannot be made a copy here, but only from the other region.
    type: bool
  recovery_days:
    description: Days within which a secret deleted by O(state=absent) can be restored, V(7) to V(30). V(0) deletes at once and for ever.
    type: int
    default: 30
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
- name: Have credentials of the database
  indivillage.infra.json_secret:
    name: /indivillage/production/database/credentials
    fields: {username: indivillage_admin, engine: postgres}
    generate: [password]
    reveal: [password]
  no_log: true
  register: credentials

- name: Keep a copy of them where the site would go on
  indivillage.infra.json_secret:
    name: /indivillage/production/database/credentials
    replicas: [{region: us-west-2, kms_key_id: alias/indivillage-production-database}]

- name: Add where the database is
  indivillage.infra.json_secret:
    name: /indivillage/production/database/credentials
    fields: {host: "{{ database.endpoint.address }}", port: 5432}
"""

RETURN = r"""
resource:
  description: The secret. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the secret.
      type: str
      returned: when the secret exists
    fields:
      description: All fields; values that were not revealed read C((hidden)).
      type: dict
      returned: when the secret exists
      sample: {username: (hidden), password: aVeryLongRandomText}
  sample: {name: /indivillage/production/database/credentials, fields: {username: (hidden), password: (hidden)}}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    ResourceError,
    run,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.module_utils.random_text import random_text

HIDDEN = "(hidden)"


class JsonSecret(Resource):
    service = "secretsmanager"
    kind = "secret"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {},
        "kms_key_id": {},
        "fields": {"type": "dict", "default": {}, "no_log": False},
        "initial": {"type": "dict", "default": {}, "no_log": False},
        "generate": {"type": "list", "elements": "str", "default": []},
        "length": {"type": "int", "default": 32},
        "reveal": {"type": "list", "elements": "str", "default": []},
        "replicas": {"type": "list", "elements": "dict", "options": {"region": {"required": True}, "kms_key_id": {"required": True}}},
        "overwrite_replicas": {"type": "bool", "default": False},
        "standalone": {"type": "bool"},
        "recovery_days": {"type": "int", "default": 30},
    }
    properties = ("description", "kms_key_id", "fields", "replicas", "standalone")
    scheduled_for_deletion = False
    held: Properties = {}  # noqa: RUF012 - replaced, never filled

    def declared(self) -> Properties:
        generated = {name: self._generated(name) for name in self.params["generate"] if name not in self.held}
        initial = {name: value for name, value in self.params["initial"].items() if name not in self.held}
        return super().declared() | {"fields": generated | initial | self.params["fields"]}

    def _generated(self, name: str) -> str:
        if planning.active:  # a plan is the same every time, and keeps no secret that will never be one
            return planning.placeholder(self.name, name)
        return random_text(self.params["length"])

    def find(self) -> Properties | None:
        try:
            secret = self.client.describe_secret(SecretId=self.name)
        except is_boto3_error_code("ResourceNotFoundException"):
            return None
        self.scheduled_for_deletion = "DeletedDate" in secret
        if self.scheduled_for_deletion:
            return None
        self.held = self._fields()
        return {
            "name": self.name,
            "arn": secret["ARN"],
            "description": secret.get("Description", ""),
            "kms_key_id": _as_declared(secret.get("KmsKeyId", ""), self.params["kms_key_id"]),
            "fields": self.held,
            "replicas": [self._replica(status) for status in secret.get("ReplicationStatus", [])],
            "standalone": secret.get("PrimaryRegion") in (None, "", self.client.meta.region_name),
            "tags": boto3_tag_list_to_ansible_dict(secret.get("Tags", [])),
        }

    def _fields(self) -> Properties:
        try:
            text = self.client.get_secret_value(SecretId=self.name)["SecretString"]
        except is_boto3_error_code("ResourceNotFoundException"):
            return {}  # a secret may exist before its first value
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ResourceError("its value is not a JSON object; it was not written by this module.")
        return value

    def _replica(self, status: dict[str, Any]) -> dict[str, str]:
        region = status["Region"]
        if status.get("Status") == "Failed":
            raise ResourceError(f"its copy in {region} failed: {status.get('StatusMessage')}.")
        declared = {replica["region"]: replica["kms_key_id"] for replica in self.params["replicas"] or []}
        return {"region": region, "kms_key_id": _as_declared(status.get("KmsKeyId", ""), declared.get(region))}

    def shown(self, properties: Properties) -> Properties:
        if "fields" not in properties:
            return properties
        fields = {name: value if name in self.params["reveal"] else HIDDEN for name, value in properties["fields"].items()}
        return properties | {"fields": fields}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        if self.scheduled_for_deletion:
            raise ResourceError("it is scheduled for deletion. Restore it (aws secretsmanager restore-secret), or wait until it is gone.")
        self.client.create_secret(
            Name=self.name,
            SecretString=json.dumps(wanted["fields"]),
            **({"Description": wanted["description"]} if wanted.get("description") else {}),
            **({"KmsKeyId": wanted["kms_key_id"]} if wanted.get("kms_key_id") else {}),
            **({"AddReplicaRegions": _regions(wanted["replicas"])} if wanted.get("replicas") else {}),
            **({"Tags": ansible_dict_to_boto3_tag_list(tags)} if tags else {}),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.get("standalone"):
            self.client.stop_replication_to_replica(SecretId=self.name)
        names = {"description": "Description", "kms_key_id": "KmsKeyId"}
        attributes = {names[key]: value for key, value in changes.items() if key in names}
        if attributes:
            self.client.update_secret(SecretId=self.name, **attributes)
        if "fields" in changes:
            self.client.put_secret_value(SecretId=self.name, SecretString=json.dumps(current["fields"] | changes["fields"]))
        if "replicas" in changes:
            self._replicate(current["replicas"], changes["replicas"])

    def _replicate(self, current: list[dict[str, str]], wanted: list[dict[str, str]]) -> None:
        """Remove the copies that are not wanted, or not with their key, and make those that are missing."""
        surplus = [replica["region"] for replica in current if replica not in wanted]
        missing = [replica for replica in wanted if replica not in current]
        if surplus:
            self.client.remove_regions_from_replication(SecretId=self.name, RemoveReplicaRegions=surplus)
            wait_until(lambda: not self._copied_to(surplus), f"its copies in {', '.join(surplus)} to disappear", READ_BACK_SECONDS)
        if missing:
            self.client.replicate_secret_to_regions(
                SecretId=self.name,
                AddReplicaRegions=_regions(missing),
                **({"ForceOverwriteReplicaSecret": True} if self.params["overwrite_replicas"] else {}),
            )

    def _copied_to(self, regions: list[str]) -> bool:
        statuses = self.client.describe_secret(SecretId=self.name).get("ReplicationStatus", [])
        return any(status["Region"] in regions for status in statuses)

    def delete(self, current: Properties) -> None:
        if current["replicas"]:
            self._replicate(current["replicas"], [])
        days = self.params["recovery_days"]
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        self.client.delete_secret(SecretId=self.name, **how)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(SecretId=self.name, TagKeys=remove)
        if add:
            self.client.tag_resource(SecretId=self.name, Tags=ansible_dict_to_boto3_tag_list(add))


def _as_declared(key: str, declared: str | None) -> str:
    # AWS may answer an alias or id with its ARN.
    return declared if declared and key.endswith(declared) else key


def _regions(replicas: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"Region": replica["region"], "KmsKeyId": replica["kms_key_id"]} for replica in replicas]


def main() -> None:
    run(JsonSecret)


if __name__ == "__main__":
    main()
