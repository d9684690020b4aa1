#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_account_settings
version_added: 0.3.0
short_description: Set what EC2 does in a region unless it is told otherwise
description:
  - Changes settings that an account has once in each region, and which hold for whatever is made there from then on.
  - A setting that is not given is left alone. Settings are always there; to give one back, set it to what AWS begins with.
  - AWS takes up to ten minutes to tell that images can be shared no longer; until then a second run may set that again, which does no harm.
  - A setting that the organization's declarative policy manages cannot be changed; AWS's message says so.
options:
  ebs_encryption:
    description: Whether each new volume, and each copy of a snapshot, is encrypted also where nobody asks for it.
    type: bool
  ebs_key_id:
    description:
      - Id, ARN or alias of the KMS key that encrypts volumes for which no other key is named.
      - The empty string goes back to the key that AWS owns.
      - Nothing can be launched while the key is disabled or gone.
    type: str
  metadata_tokens:
    description:
      - Whether the metadata service of a new instance answers only requests with a session token (IMDSv2).
      - V(no-preference) goes back to what the image says.
    type: str
    choices: [required, optional, no-preference]
  metadata_hop_limit:
    description: How many network hops an answer of the metadata service may take, V(1) to V(64); V(-1) goes back to what the image says.
    type: int
  metadata_tags:
    description: Whether an instance finds its own tags in its metadata.
    type: str
    choices: [enabled, disabled, no-preference]
  image_sharing_blocked:
    description: Whether AWS refuses to make an image public. Those that are public stay so.
    type: bool
  snapshot_sharing:
    description: What AWS refuses to make public, V(block-all-sharing) takes back also what was public before.
    type: str
    choices: [block-all-sharing, block-new-sharing, unblocked]
extends_documentation_fragment:
  - indivillage.infra.aws_resource.settings
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Encrypt every volume, and answer no request for metadata without a token
  indivillage.infra.ec2_account_settings:
    ebs_encryption: true
    ebs_key_id: alias/indivillage-production-general
    metadata_tokens: required
    metadata_hop_limit: 1
    image_sharing_blocked: true
    snapshot_sharing: block-all-sharing
"""

RETURN = r"""
resource:
  description: The settings. In check mode as they would become.
  returned: always
  type: dict
  contains:
    ebs_encryption: {description: Whether new volumes are encrypted., type: bool, returned: always}
    ebs_key_id: {description: ARN of the encrypting key or an empty string for the one that AWS owns., type: str, returned: always}
    metadata_tokens: {description: As the option., type: str, returned: always}
    metadata_hop_limit: {description: As the option., type: int, returned: always}
    metadata_tags: {description: As the option., type: str, returned: always}
    image_sharing_blocked: {description: As the option., type: bool, returned: always}
    snapshot_sharing: {description: As the option., type: str, returned: always}
  sample: {ebs_encryption: true, metadata_tokens: required, metadata_hop_limit: 1, snapshot_sharing: block-all-sharing}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, aws_client, run

HOP_LIMITS = {-1, *range(1, 65)}
# Option -> the field that holds it, and what it is when AWS leaves the field out.
METADATA: dict[str, tuple[str, Any]] = {
    "metadata_tokens": ("HttpTokens", "no-preference"),
    "metadata_hop_limit": ("HttpPutResponseHopLimit", -1),
    "metadata_tags": ("InstanceMetadataTags", "no-preference"),
}
OWNED_BY_AWS = "alias/aws/ebs"
BLOCKED = "block-new-sharing"


class Settings(Resource):
    service = "ec2"
    kind = "EC2 settings"
    lasting = True
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "ebs_encryption": {"type": "bool"},
        "ebs_key_id": {"no_log": False},
        "metadata_tokens": {"choices": ["required", "optional", "no-preference"]},
        "metadata_hop_limit": {"type": "int"},
        "metadata_tags": {"choices": ["enabled", "disabled", "no-preference"]},
        "image_sharing_blocked": {"type": "bool"},
        "snapshot_sharing": {"choices": ["block-all-sharing", "block-new-sharing", "unblocked"]},
    }
    properties = tuple(options)
    deferred = frozenset({"image_sharing_blocked"})

    def __str__(self) -> str:
        return f"the {self.kind} of {self.module.region}"

    def declared(self) -> Properties:
        wanted = super().declared()
        if wanted["metadata_hop_limit"] is not None and wanted["metadata_hop_limit"] not in HOP_LIMITS:
            raise ResourceError(f"metadata_hop_limit is {wanted['metadata_hop_limit']}; it can be 1 to 64, or -1 for what the image says.")
        if wanted["ebs_key_id"]:
            wanted["ebs_key_id"] = self._key_arn(wanted["ebs_key_id"])
        return wanted

    def find(self) -> Properties | None:
        key = self.client.get_ebs_default_kms_key_id()["KmsKeyId"]
        metadata = self.client.get_instance_metadata_defaults().get("AccountLevel", {})
        return {
            "ebs_encryption": self.client.get_ebs_encryption_by_default()["EbsEncryptionByDefault"],
            "ebs_key_id": "" if key.endswith(OWNED_BY_AWS) else key,
            **{option: metadata.get(field, default) for option, (field, default) in METADATA.items()},
            "image_sharing_blocked": self.client.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == BLOCKED,
            "snapshot_sharing": self.client.get_snapshot_block_public_access_state()["State"],
        }

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.get("ebs_key_id"):
            self.client.modify_ebs_default_kms_key_id(KmsKeyId=changes["ebs_key_id"])
        elif "ebs_key_id" in changes:
            self.client.reset_ebs_default_kms_key_id()
        if "ebs_encryption" in changes:
            switch = "enable" if changes["ebs_encryption"] else "disable"
            getattr(self.client, f"{switch}_ebs_encryption_by_default")()
        if metadata := {field: changes[option] for option, (field, _default) in METADATA.items() if option in changes}:
            self.client.modify_instance_metadata_defaults(**metadata)
        if changes.get("image_sharing_blocked"):
            self.client.enable_image_block_public_access(ImageBlockPublicAccessState=BLOCKED)
        elif "image_sharing_blocked" in changes:
            self.client.disable_image_block_public_access()
        if changes.get("snapshot_sharing") == "unblocked":
            self.client.disable_snapshot_block_public_access()
        elif "snapshot_sharing" in changes:
            self.client.enable_snapshot_block_public_access(State=changes["snapshot_sharing"])

    def _key_arn(self, name: str) -> str:
        """What AWS calls a key of any name."""
        kms = aws_client(self.module, "kms")
        try:
            return str(kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"])
        except kms.exceptions.NotFoundException as error:
            raise ResourceError(f"ebs_key_id names {name}, which is no key of {self.module.region}: make the key first.") from error


def main() -> None:
    run(Settings)


if __name__ == "__main__":
    main()
