#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: s3_bucket
version_added: 0.2.0
short_description: Manage an S3 bucket with everything that is set on it
description:
  - Creates, changes and deletes one bucket with its versioning, encryption, public access block, object ownership, policy, access log,
    lifecycle, CORS rules, replication and tags.
  - Use it instead of M(amazon.aws.s3_bucket), M(community.aws.s3_lifecycle) and M(community.aws.s3_cors), of which two have no check mode,
    and which together read a dozen settings that nobody has declared, one after another.
  - Only what is declared is read and managed, and that as a whole. A lifecycle rule that somebody has added is removed.
options:
  name:
    description: Name of the bucket, unique in the world.
    type: str
    required: true
  expected_owner:
    description:
      - Id of the account that has to own the bucket. Without it, the bucket of another account that lets these credentials in is taken
        for one's own.
    type: str
  versioning:
    description: Whether S3 keeps what is overwritten or deleted.
    type: bool
  encryption:
    description: How objects are encrypted that are stored without saying how.
    type: dict
    suboptions:
      algorithm:
        description: V(aws:kms) encrypts with a key of KMS, V(AES256) with S3's own.
        type: str
        choices: [AES256, aws:kms]
        required: true
      key_id:
        description: ARN of the key or of its alias, compared as it is written. The account's C(aws/s3) when left out.
        type: str
      bucket_key:
        description: Whether S3 keeps a data key for a while instead of asking KMS for each object.
        type: bool
  block_public_access:
    description: Whether all four kinds of public access are blocked, or none.
    type: bool
  object_ownership:
    description: Who owns what other accounts store. V(BucketOwnerEnforced) disables ACLs.
    type: str
    choices: [BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter]
  policy:
    description: The bucket's policy. An empty one removes it.
    type: dict
  logging:
    description: Where S3 logs who reads the bucket.
    type: dict
    suboptions:
      target_bucket:
        description: Name of the bucket that receives the log. The empty string ends logging.
        type: str
        required: true
      target_prefix:
        description: Start of the log's object names.
        type: str
        default: ""
  lifecycle_rules:
    description: All lifecycle rules of the bucket. An empty list removes them.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the rule.
        type: str
        required: true
      prefix:
        description: Start of the names of the objects it is for.
        type: str
        default: ""
      expiration_days:
        description: Days after which an object is deleted.
        type: int
      transitions:
        description: Cheaper storage classes, and when objects move there.
        type: list
        elements: dict
        suboptions:
          transition_days:
            description: Days after an object was written.
            type: int
            required: true
          storage_class:
            description: The storage class.
            type: str
            choices: [standard_ia, onezone_ia, intelligent_tiering, glacier_ir, glacier, deep_archive]
            required: true
      noncurrent_version_expiration_days:
        description: Days after which a version is deleted that was overwritten or deleted.
        type: int
      abort_incomplete_multipart_upload_days:
        description: Days after which the parts of an unfinished upload are deleted.
        type: int
  cors_rules:
    description: What pages of other sites may do; the first rule that fits counts. An empty list removes all.
    type: list
    elements: dict
    suboptions:
      allowed_origins:
        description: The sites.
        type: list
        elements: str
        required: true
      allowed_methods:
        description: What they may do.
        type: list
        elements: str
        choices: [GET, PUT, POST, HEAD, DELETE]
        required: true
      allowed_headers:
        description: Headers that they may send.
        type: list
        elements: str
      expose_headers:
        description: Headers of answers that they may read.
        type: list
        elements: str
      max_age_seconds:
        description: How long browsers remember that answer.
        type: int
  replication:
    description:
      - Where S3 copies every new object to, those that are encrypted with a key of KMS only with O(replication.destination_kms_key_arn).
        Both buckets must be versioned. An empty dict ends it.
    type: dict
    suboptions:
      role_arn:
        description: ARN of the role with which S3 reads here and writes there.
        type: str
      destination_bucket:
        description: Name of the bucket that receives the copies.
        type: str
      destination_kms_key_arn:
        description: ARN of the key in the destination's region that encrypts the copies.
        type: str
      storage_class:
        description: Storage class of the copies. That of the original when left out.
        type: str
        choices: [standard, standard_ia, onezone_ia, intelligent_tiering, glacier_ir, glacier, deep_archive]
      delete_markers:
        description: Whether what is deleted here is deleted there. Versions never are.
        type: bool
        default: false
  force_empty:
    description:
      - Whether O(state=absent) deletes a bucket that is not empty, with every version of every object.
    type: bool
    default: false
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
- name: Make a private bucket that forgets what visitors sent
  indivillage.infra.s3_bucket:
    name: indivillage-staging-uploads
    expected_owner: "123456789012"
    versioning: true
    encryption: {algorithm: aws:kms, key_id: "arn:aws:kms:us-east-1:123456789012:alias/indivillage-staging-storage", bucket_key: true}
    block_public_access: true
    object_ownership: BucketOwnerEnforced
    lifecycle_rules:
      - {id: retention, expiration_days: 30, noncurrent_version_expiration_days: 30, abort_incomplete_multipart_upload_days: 7}
    tags:
      Project: indivillage

- name: Delete a bucket, if nothing is in it
  indivillage.infra.s3_bucket:
    name: indivillage-staging-old
    state: absent
"""

RETURN = r"""
resource:
  description:
    - The bucket, with what was declared of it; rules as the API has them. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the bucket.
      type: str
      sample: indivillage-staging-uploads
    region:
      description: Where it is.
      type: str
      sample: us-east-1
    versioning:
      description: Whether S3 keeps what is overwritten or deleted.
      type: bool
      sample: true
  sample: {name: indivillage-staging-uploads, region: us-east-1, versioning: true, block_public_access: true}
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible.module_utils.common.dict_transformations import snake_dict_to_camel_dict
from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils import planning, removal_steps
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    ResourceError,
    run,
    wait_until,
)

READERS = 5  # each needs a connection of its own, whose start costs as much as two or three reads

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _given(values: Properties) -> Properties:
    return {key: value for key, value in values.items() if value is not None}


def _blocked(answer: Properties) -> bool | list[str]:
    """Whether public access is blocked; which kinds of it, when it is neither all nor none."""
    blocked = [block for block in BLOCKS if answer.get("PublicAccessBlockConfiguration", {}).get(block)]
    return blocked if 0 < len(blocked) < len(BLOCKS) else bool(blocked)


def _encryption(answer: Properties) -> Properties:
    rules: list[Properties] = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    rule = rules[0] if rules else {}
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    found = {"algorithm": default.get("SSEAlgorithm"), "key_id": default.get("KMSMasterKeyID")}
    return _given({**found, "bucket_key": rule.get("BucketKeyEnabled")})


def _encrypted(encryption: Properties) -> Properties:
    default = _given({"SSEAlgorithm": encryption["algorithm"], "KMSMasterKeyID": encryption.get("key_id")})
    rule = _given({"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": encryption.get("bucket_key")})
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


def _logging(answer: Properties) -> Properties:
    log = answer.get("LoggingEnabled", {})
    return {"target_bucket": log.get("TargetBucket", ""), "target_prefix": log.get("TargetPrefix", "")}


def _logged(logging: Properties) -> Properties:
    log = {"TargetBucket": logging["target_bucket"], "TargetPrefix": logging["target_prefix"]}
    return {"BucketLoggingStatus": {"LoggingEnabled": log} if logging["target_bucket"] else {}}


def _with_filter(rule: Properties) -> Properties:
    """A rule for all objects says so in one way; AWS has rules with an empty filter, and old ones with a prefix beside it."""
    rest = {key: value for key, value in rule.items() if key not in ("Filter", "Prefix")}
    return {**rest, "Filter": rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}}


def _replication(answer: Properties) -> Properties:
    found = answer.get("ReplicationConfiguration", {})
    return found and {**found, "Rules": [_with_filter(rule) for rule in found["Rules"]]}


@dataclass(frozen=True)
class Part:
    """One thing that is set on a bucket: how it is read and how it is written."""

    noun: str
    """What the operations that read and write it are called, behind get_ and put_."""
    missing: str
    """The error that says that the bucket has none."""
    told: Callable[[Properties], Any]
    """The property that an answer tells; an empty answer tells that of a bucket that has none."""
    written: Callable[[Any], Properties]
    """The arguments that set the property."""
    removal: str = ""
    """The operation that removes it, where an empty property is not written like any other."""

    def write(self, value: Any) -> tuple[str, Properties]:
        """The operation that gives the property its value, and its arguments beside the bucket."""
        return (self.removal, {}) if self.removal and not value else (f"put_{self.noun}", self.written(value))


# In the order in which they are written: tags say whose a new bucket is, it is closed before anything opens it, and only what has
# versions can be replicated.
PARTS: dict[str, Part] = {
    "tags": Part(
        "bucket_tagging",
        "NoSuchTagSet",
        lambda answer: boto3_tag_list_to_ansible_dict(answer.get("TagSet", [])),
        lambda tags: {"Tagging": {"TagSet": ansible_dict_to_boto3_tag_list(tags)}},
        "delete_bucket_tagging",
    ),
    "block_public_access": Part(
        "public_access_block",
        "NoSuchPublicAccessBlockConfiguration",
        _blocked,
        lambda _blocked: {"PublicAccessBlockConfiguration": dict.fromkeys(BLOCKS, True)},
        "delete_public_access_block",
    ),
    "object_ownership": Part(
        "bucket_ownership_controls",
        "OwnershipControlsNotFoundError",
        lambda answer: next((rule["ObjectOwnership"] for rule in answer.get("OwnershipControls", {}).get("Rules", [])), ""),
        lambda owner: {"OwnershipControls": {"Rules": [{"ObjectOwnership": owner}]}},
    ),
    "encryption": Part("bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError", _encryption, _encrypted),
    "policy": Part(
        "bucket_policy",
        "NoSuchBucketPolicy",
        lambda answer: json.loads(answer.get("Policy") or "{}"),
        lambda policy: {"Policy": json.dumps(policy)},
        "delete_bucket_policy",
    ),
    "versioning": Part(
        "bucket_versioning",
        "",
        lambda answer: answer.get("Status") == "Enabled",
        lambda kept: {"VersioningConfiguration": {"Status": "Enabled" if kept else "Suspended"}},
    ),
    "logging": Part("bucket_logging", "", _logging, _logged),
    "lifecycle_rules": Part(
        "bucket_lifecycle_configuration",
        "NoSuchLifecycleConfiguration",
        lambda answer: [_with_filter(rule) for rule in answer.get("Rules", [])],
        lambda rules: {"LifecycleConfiguration": {"Rules": rules}},
        "delete_bucket_lifecycle",
    ),
    "cors_rules": Part(
        "bucket_cors",
        "NoSuchCORSConfiguration",
        lambda answer: answer.get("CORSRules", []),
        lambda rules: {"CORSConfiguration": {"CORSRules": rules}},
        "delete_bucket_cors",
    ),
    "replication": Part(
        "bucket_replication",
        "ReplicationConfigurationNotFoundError",
        _replication,
        lambda replication: {"ReplicationConfiguration": replication},
        "delete_bucket_replication",
    ),
}


def _lifecycle_rule(rule: Properties) -> Properties:
    """A lifecycle rule as the API has it."""
    days = {
        "Expiration": {"Days": rule["expiration_days"]},
        "NoncurrentVersionExpiration": {"NoncurrentDays": rule["noncurrent_version_expiration_days"]},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": rule["abort_incomplete_multipart_upload_days"]},
    }
    moves = [{"Days": move["transition_days"], "StorageClass": move["storage_class"].upper()} for move in rule["transitions"] or []]
    return {
        "ID": rule["id"],
        "Status": "Enabled",
        "Filter": {"Prefix": rule["prefix"]},
        **{action: value for action, value in days.items() if _given(value)},
        **({"Transitions": moves} if moves else {}),
    }


class Bucket(Resource):
    service = "s3"
    kind = "bucket"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "expected_owner": {},
        "versioning": {"type": "bool"},
        "encryption": {
            "type": "dict",
            "options": {
                "algorithm": {"choices": ["AES256", "aws:kms"], "required": True},
                "key_id": {"no_log": False},
                "bucket_key": {"type": "bool", "no_log": False},
            },
        },
        "block_public_access": {"type": "bool"},
        "object_ownership": {"choices": ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]},
        "policy": {"type": "dict"},
        "logging": {"type": "dict", "options": {"target_bucket": {"required": True}, "target_prefix": {"default": ""}}},
        "lifecycle_rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"required": True},
                "prefix": {"default": ""},
                "expiration_days": {"type": "int"},
                "transitions": {
                    "type": "list",
                    "elements": "dict",
                    "options": {
                        "transition_days": {"type": "int", "required": True},
                        "storage_class": {
                            "choices": ["standard_ia", "onezone_ia", "intelligent_tiering", "glacier_ir", "glacier", "deep_archive"],
                            "required": True,
                        },
                    },
                },
                "noncurrent_version_expiration_days": {"type": "int"},
                "abort_incomplete_multipart_upload_days": {"type": "int"},
            },
            "required_one_of": [
                (
                    "expiration_days",
                    "transitions",
                    "noncurrent_version_expiration_days",
                    "abort_incomplete_multipart_upload_days",
                )
            ],
        },
        "cors_rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "allowed_origins": {"type": "list", "elements": "str", "required": True},
                "allowed_methods": {
                    "type": "list",
                    "elements": "str",
                    "choices": ["GET", "PUT", "POST", "HEAD", "DELETE"],
                    "required": True,
                },
                "allowed_headers": {"type": "list", "elements": "str"},
                "expose_headers": {"type": "list", "elements": "str"},
                "max_age_seconds": {"type": "int"},
            },
        },
        "replication": {
            "type": "dict",
            "options": {
                "role_arn": {},
                "destination_bucket": {},
                "destination_kms_key_arn": {"no_log": False},
                "storage_class": {
                    "choices": ["standard", "standard_ia", "onezone_ia", "intelligent_tiering", "glacier_ir", "glacier", "deep_archive"]
                },
                "delete_markers": {"type": "bool", "default": False},
            },
            "required_together": [("role_arn", "destination_bucket")],
            "required_by": {"destination_kms_key_arn": ["role_arn"], "storage_class": ["role_arn"]},
        },
        "force_empty": {"type": "bool", "default": False},
    }
    properties = ("region", *(name for name in PARTS if name != "tags"))
    exact = frozenset({"policy", "lifecycle_rules", "cors_rules", "replication"})
    ordered = frozenset({"cors_rules"})
    immutable = frozenset({"region"})

    @property
    def region(self) -> str:
        return self.module.region or "us-east-1"

    def declared(self) -> Properties:
        given = {name: self.params[name] for name in PARTS if name != "tags" and self.params[name] is not None}
        if encryption := given.get("encryption"):
            given["encryption"] = _given(encryption)
            if encryption["algorithm"] == "AES256" and (encryption["key_id"] or encryption["bucket_key"]):
                raise ResourceError("AES256 is S3's own key: encryption takes key_id and bucket_key with aws:kms only.")
        if rules := given.get("lifecycle_rules"):
            given["lifecycle_rules"] = [_lifecycle_rule(rule) for rule in rules]
        if rules := given.get("cors_rules"):
            given["cors_rules"] = [_given(snake_dict_to_camel_dict(rule, capitalize_first=True)) for rule in rules]
        if "replication" in given:
            given["replication"] = self._copies(given["replication"])
        return {"region": self.region, **given}

    def _copies(self, replication: Properties) -> Properties:
        """The replication as the API has it: one rule for all objects."""
        if not replication["role_arn"]:
            return {}
        storage_class, key = replication["storage_class"], replication["destination_kms_key_arn"]
        destination = {
            "Bucket": f"arn:{self.client.meta.partition}:s3:::{replication['destination_bucket']}",
            **({"StorageClass": storage_class.upper()} if storage_class else {}),
            **({"EncryptionConfiguration": {"ReplicaKmsKeyID": key}} if key else {}),
        }
        rule = {
            "ID": "replication",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Enabled" if replication["delete_markers"] else "Disabled"},
            "Destination": destination,
            **({"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}} if key else {}),
        }
        return {"Role": replication["role_arn"], "Rules": [rule]}

    def find(self) -> Properties | None:
        try:
            head = self.client.head_bucket(Bucket=self.name, **_given({"ExpectedBucketOwner": self.params["expected_owner"]}))
        except is_boto3_error_code(["404", "NoSuchBucket"]):
            return None
        except is_boto3_error_code(["403", "AccessDenied"]) as error:
            raise ResourceError(self._taken()) from error
        parts = [] if self.params["state"] == "absent" else [name for name in PARTS if self.params[name] is not None]
        found = {"name": self.name, "region": head.get("BucketRegion", self.region), **self._read(parts)}
        if found.get("policy") and not compare_policies(found["policy"], self.params["policy"]):
            found["policy"] = self.params["policy"]  # S3 may write the same policy in another way
        return found

    def _read(self, parts: list[str]) -> Properties:
        """What is set of these, read side by side; in a plan one after another, so that it records the same each time."""
        if planning.active:
            return {name: self._read_one(name) for name in parts}
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(parts, pool.map(self._read_one, parts), strict=True))

    def _read_one(self, name: str) -> Any:
        part = PARTS[name]
        try:
            return part.told(getattr(self.client, f"get_{part.noun}")(Bucket=self.name))
        except is_boto3_error_code(part.missing):
            return part.told({})

    def _taken(self) -> str:
        return (
            "The name belongs to another AWS account, or these credentials may not see the bucket (s3:ListBucket). Names of buckets are "
            "unique in the world: choose another one, or correct the credentials or the policy."
        )

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        # The default region is the one that must not be named.
        place = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        try:
            self._call("create_bucket", place)
        except self.client.exceptions.BucketAlreadyOwnedByYou:
            pass  # another run has made it meanwhile
        except self.client.exceptions.BucketAlreadyExists as error:
            raise ResourceError(self._taken()) from error
        whole = {"tags": tags, **wanted}
        self.update({}, {name: whole[name] for name, part in PARTS.items() if name in whole and whole[name] != part.told({})})

    def update(self, current: Properties, changes: Properties) -> None:
        if encryption := changes.get("encryption"):
            kept = current.get("encryption", {}) if encryption["algorithm"] == "aws:kms" else {}
            changes = {**changes, "encryption": {**kept, **encryption}}
        # A replication that ends does so first, since S3 keeps versioning on while there is one.
        for name in sorted((name for name in PARTS if name in changes), key=lambda name: name != "replication" or bool(changes[name])):
            self._call(*PARTS[name].write(changes[name]))

    def _call(self, operation: str, arguments: dict[str, Any]) -> None:
        """Write once S3 takes it: it refuses while another change is under way, and may not know yet a bucket that was just made."""

        def taken() -> bool:
            try:
                getattr(self.client, operation)(Bucket=self.name, **arguments)
            except is_boto3_error_code(["OperationAborted", "NoSuchBucket"]):
                return False
            return True

        wait_until(taken, f"S3 to take {operation} after other changes of {self}", READ_BACK_SECONDS)

    def permit_deletion(self, current: Properties) -> None:
        if self.params["force_empty"]:
            return
        held = self.client.list_object_versions(Bucket=self.name, MaxKeys=1)
        if held.get("Versions") or held.get("DeleteMarkers"):
            raise ResourceError("Objects, or versions of deleted ones, are in it. force_empty: true deletes them all with it, for ever.")

    def delete(self, current: Properties) -> None:
        if self.params["force_empty"]:
            arn = f"arn:{self.client.meta.partition}:s3:::{self.name}"
            removal_steps.bucket(self.client, removal_steps.Removal("s3:bucket", arn, self.name))
        else:
            self.client.delete_bucket(Bucket=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        # S3 takes all tags at once, those of AWS itself included.
        tags = {key: value for key, value in (current["tags"] | add).items() if key not in remove}
        self._call(*PARTS["tags"].write(tags))


def main() -> None:
    run(Bucket)


if __name__ == "__main__":
    main()
