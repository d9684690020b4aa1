#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kms_key
version_added: 0.2.0
short_description: Manage a KMS key, by its alias
description:
  - Creates, changes, tags and deletes one key that encrypts, or that signs.
  - A key is identified by its alias. The key that has it is made usable, when it is switched off or its deletion is scheduled.
  - A key gets its alias after it was made. Where no key has it, but one without any alias has the alias's name as its tag C(Name), a run
    has ended between the two, and that key gets the alias. This is looked for where O(tags) holds that tag.
  - Unlike M(amazon.aws.kms_key) it reads no more of a key than what is declared (four calls at most), says what differs, and frees the
    alias of a key that it deletes, so that the alias can be given to another.
options:
  alias:
    description: Alias of the key, with or without V(alias/).
    type: str
    required: true
  description:
    description: What the key is for. Left alone when left out.
    type: str
  policy:
    description:
      - The key policy, whole. Ways of writing that mean the same to AWS are no difference.
      - AWS's default policy when left out at creation, which lets IAM policies of the account decide; not looked at afterwards.
    type: dict
  rotation:
    description:
      - Whether AWS renews the key's material every year. Not looked at when left out.
      - The replicas of a key have what their primary has.
    type: bool
  signs:
    description:
      - Whether the key signs (C(ECC_NIST_P256)) instead of encrypting. Cannot be changed. Not looked at when left out.
      - AWS renews the material of no such key.
    type: bool
  multi_region:
    description: Whether the key can have replicas in other regions. Cannot be changed. Not looked at when left out.
    type: bool
  primary_region:
    description:
      - Region of the key of this alias that this one is the replica of, with the same material and id.
      - The primary must exist and be made with O(multi_region=true). Cannot be changed.
    type: str
  recovery_days:
    description: For how many days a deletion can be undone, from 7 to 30.
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
- name: Make the key of the log groups
  indivillage.infra.kms_key:
    alias: indivillage-production-logs
    description: CloudWatch log groups
    rotation: true
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: {AWS: "arn:aws:iam::123456789012:root"}
          Action: kms:*
          Resource: "*"
    tags:
      Project: indivillage

- name: Have the same key in the region of the standby
  indivillage.infra.kms_key:
    alias: indivillage-production-database
    region: us-west-2
    primary_region: us-east-1
"""

RETURN = r"""
resource:
  description: The key. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    has_alias:
      description: Whether the key has its alias, or is one that a run has left without.
      type: bool
      returned: when the key exists
      sample: true
    key_arn:
      description: ARN of the key.
      type: str
      returned: when the key exists
      sample: arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef
    key_id:
      description: Id of the key.
      type: str
      returned: when the key exists
      sample: 01234567-89ab-cdef-0123-456789abcdef
    key_state:
      description: What AWS calls its state, such as V(Enabled), V(Disabled) and V(PendingDeletion).
      type: str
      returned: when the key exists
      sample: Enabled
  sample: {key_id: 01234567-89ab-cdef-0123-456789abcdef, key_state: Enabled, description: CloudWatch log groups}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    ResourceError,
    aws_client,
    run,
    wait_until,
)

USABLE = "Enabled"
LEAVING = ("PendingDeletion", "PendingReplicaDeletion")
PASSING = ("Creating", "Updating")
SIGNING = {"KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256"}
RECOVERY_DAYS = range(7, 31)  # what AWS takes


class Key(Resource):
    service = "kms"
    kind = "KMS key"
    options: ClassVar[dict[str, Any]] = {
        "alias": {"required": True},
        "description": {},
        "policy": {"type": "dict"},
        "rotation": {"type": "bool"},
        "signs": {"type": "bool"},
        "multi_region": {"type": "bool"},
        "primary_region": {},
        "recovery_days": {"type": "int", "default": 30},
    }
    constraints: ClassVar[dict[str, Any]] = {"mutually_exclusive": [("primary_region", "multi_region"), ("primary_region", "rotation")]}
    properties = ("has_alias", "description", "policy", "rotation", "signs", "multi_region", "primary_region", "key_state")
    exact = frozenset({"policy"})
    immutable = frozenset({"signs", "multi_region", "primary_region"})

    @property
    def name(self) -> str:
        return f"alias/{self.params['alias'].removeprefix('alias/')}"

    def declared(self) -> Properties:
        return {**{key: self.params[key] for key in self.properties if key in self.options}, "has_alias": True, "key_state": USABLE}

    def find(self) -> Properties | None:
        if self.params["recovery_days"] not in RECOVERY_DAYS:
            raise ResourceError(f"recovery_days is {self.params['recovery_days']}; AWS takes {RECOVERY_DAYS[0]} to {RECOVERY_DAYS[-1]}.")
        if self.params["signs"] and self.params["rotation"]:
            raise ResourceError("AWS rotates no key that signs: leave rotation out.")
        named = self._describe(self.client, self.name)
        key = named or self._begun()
        if key is None:
            return None
        key_id, replicas = key["KeyId"], key.get("MultiRegionConfiguration") or {}
        found = {
            "has_alias": named is not None,
            "key_id": key_id,
            "key_arn": key["Arn"],
            "key_state": key["KeyState"],
            "description": key.get("Description", ""),
            "signs": key.get("KeyUsage") == SIGNING["KeyUsage"],
            "multi_region": key.get("MultiRegion", False),
            "primary_region": replicas["PrimaryKey"]["Region"] if replicas.get("MultiRegionKeyType") == "REPLICA" else "",
            "tags": boto3_tag_list_to_ansible_dict(self._tags(key_id), "TagKey", "TagValue"),
        }
        if self.params["policy"] is not None:
            found["policy"] = self._policy(key_id, self.params["policy"])
        if self.params["rotation"] is not None:
            found["rotation"] = self.client.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]
        return found

    def _begun(self) -> dict[str, Any] | None:
        """The key of a run that ended before it gave the alias."""
        name = self.name.removeprefix("alias/")
        if (self.params["tags"] or {}).get("Name") != name:
            return None
        keys = {key["KeyId"] for page in self.client.get_paginator("list_keys").paginate() for key in page["Keys"]}
        if keys:
            keys -= {alias.get("TargetKeyId") for page in self.client.get_paginator("list_aliases").paginate() for alias in page["Aliases"]}
        for key_id in sorted(keys):
            try:
                key = self._describe(self.client, key_id)
                if key and key["KeyState"] in (USABLE, *PASSING) and {"TagKey": "Name", "TagValue": name} in self._tags(key_id):
                    return key
            except is_boto3_error_code("AccessDeniedException"):  # a key of others, whose policy shuts us out
                continue
        return None

    @staticmethod
    def _describe(client: Any, key: str) -> dict[str, Any] | None:
        try:
            metadata: dict[str, Any] = client.describe_key(KeyId=key)["KeyMetadata"]
        except is_boto3_error_code("NotFoundException"):
            return None
        return metadata

    def _tags(self, key_id: str) -> list[dict[str, str]]:
        pages = self.client.get_paginator("list_resource_tags").paginate(KeyId=key_id)
        return [tag for page in pages for tag in page["Tags"]]

    def _policy(self, key_id: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """The policy as AWS has it, or as it is declared when that means the same: AWS writes a list of one as its element."""
        told: dict[str, Any] = json.loads(self.client.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
        return told if compare_policies(told, wanted) else wanted

    def settle(self, current: Properties) -> Properties:
        if current["key_state"] not in PASSING:
            return current
        wait_until(lambda: self._is_settled(current["key_id"]), "AWS to be done with it", READ_BACK_SECONDS)
        return self.find() or {}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        key_id = (self._replicate if "primary_region" in wanted else self._make)(wanted, tags)
        self._give_alias(key_id)  # at once: until then a run finds the key by its tag, if by anything
        if wanted.get("rotation"):
            self.update({"key_id": key_id}, {"rotation": True})

    def _give_alias(self, key_id: str) -> None:
        self.client.create_alias(AliasName=self.name, TargetKeyId=key_id)
        wait_until(lambda: self._describe(self.client, self.name) is not None, "AWS to report it", READ_BACK_SECONDS)

    def _make(self, wanted: Properties, tags: dict[str, str]) -> str:
        options = ({"MultiRegion": True} if wanted.get("multi_region") else {}) | (SIGNING if wanted.get("signs") else {})
        return str(self.client.create_key(**_texts(wanted), **options, Tags=_tag_list(tags))["KeyMetadata"]["KeyId"])

    def _replicate(self, wanted: Properties, tags: dict[str, str]) -> str:
        region = wanted["primary_region"]
        client = aws_client(self.module, self.service, region=region)
        primary = self._describe(client, self.name)
        if primary is None or not primary.get("MultiRegion"):
            fault = "does not exist" if primary is None else "is no multi-Region key"
            raise ResourceError(f"{self.name} of {region} {fault}. Make it with multi_region first.")
        key_id = str(primary["KeyId"])
        try:
            client.replicate_key(KeyId=key_id, ReplicaRegion=self.client.meta.region_name, **_texts(wanted), Tags=_tag_list(tags))
        except is_boto3_error_code("AlreadyExistsException"):  # from a run that ended before it gave the alias
            self.update({"key_id": key_id}, {key: wanted[key] for key in ("description", "policy") if key in wanted})
            self.tag({"key_id": key_id}, tags, [])
        wait_until(lambda: self._is_settled(key_id), "the replica", READ_BACK_SECONDS)
        return key_id

    def _is_settled(self, key: str) -> bool:
        metadata = self._describe(self.client, key)
        return metadata is not None and metadata["KeyState"] not in PASSING

    def update(self, current: Properties, changes: Properties) -> None:
        key_id = current["key_id"]
        if "key_state" in changes:  # first: AWS changes nothing else of a key that is leaving, and does not rotate one that is switched off
            if current["key_state"] in LEAVING:
                self.client.cancel_key_deletion(KeyId=key_id)
            self.client.enable_key(KeyId=key_id)
        if "has_alias" in changes:
            self._give_alias(key_id)
        if "description" in changes:
            self.client.update_key_description(KeyId=key_id, Description=changes["description"])
        if "policy" in changes:
            self.client.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(changes["policy"]))
        if "rotation" in changes:
            rotate = self.client.enable_key_rotation if changes["rotation"] else self.client.disable_key_rotation
            rotate(KeyId=key_id)

    def delete(self, current: Properties) -> None:
        if current["key_state"] not in LEAVING:
            self.client.schedule_key_deletion(KeyId=current["key_id"], PendingWindowInDays=self.params["recovery_days"])
        if current["has_alias"]:
            self.client.delete_alias(AliasName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(KeyId=current["key_id"], TagKeys=remove)
        if add:
            self.client.tag_resource(KeyId=current["key_id"], Tags=_tag_list(add))


def _texts(properties: Properties) -> dict[str, str]:
    """The parameters of a new key that say what it is for and who may use it."""
    texts = {"Description": properties.get("description"), "Policy": properties.get("policy") and json.dumps(properties["policy"])}
    return {name: text for name, text in texts.items() if text is not None}


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return list(ansible_dict_to_boto3_tag_list(tags, "TagKey", "TagValue"))


def main() -> None:
    run(Key)


if __name__ == "__main__":
    main()
