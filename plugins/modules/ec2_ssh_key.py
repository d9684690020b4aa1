#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ec2_ssh_key
version_added: 0.1.0
short_description: Manage an EC2 key pair whose private key lives in Secrets Manager
description:
  - Makes an Ed25519 key in memory, stores the private key as a secret and gives EC2 the public key.
  - The secret is the origin. A key pair that is missing is made again from it, so running instances stay reachable.
    A key pair whose secret is missing is replaced, because nobody holds its private key.
  - The private key is never returned and never logged.
options:
  name:
    description: Name of the EC2 key pair.
    type: str
    required: true
  secret_name:
    description: Name of the secret that holds the private key, in OpenSSH's format.
    type: str
    required: true
  kms_key_id:
    description: Key that encrypts the secret. When left out it is AWS's own key for Secrets Manager, and one that somebody has set stays.
    type: str
  private_key_file:
    description: Where to keep a copy of the private key, with mode 0600. No copy when left out.
    type: path
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Make the SSH key pair of the instances
  indivillage.infra.ec2_ssh_key:
    name: indivillage-production-key
    secret_name: /indivillage/production/bastion/ssh-key
    kms_key_id: alias/indivillage-production-general
    tags:
      Project: indivillage
"""

RETURN = r"""
public_key:
  description: The public key as authorized_keys takes it. Empty when it was not made and not read in this run.
  returned: always
  type: str
  sample: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ...
"""

from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
    compare_aws_tags,
)
from ansible_collections.indivillage.infra.plugins.module_utils import planning

try:
    from botocore.exceptions import BotoCoreError, ClientError
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
except ImportError:
    pass  # AnsibleAWSModule reports missing boto3; ansible-core itself needs cryptography


class SshKey:
    """The key pair and its secret, as they are and as they ought to be."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.module = module
        self.ec2 = module.client("ec2")
        self.secrets = module.client("secretsmanager")
        self.name: str = module.params["name"]
        self.secret_name: str = module.params["secret_name"]
        self.tags: dict[str, str] = module.params["tags"] or {}
        self.changed = False
        self.private_key = ""

    def ensure(self) -> None:
        """Bring secret, key pair and file to what is wanted; write nothing in check mode."""
        secret, pair = self._find_secret(), self._find_pair()
        if secret is None:
            self.changed = True
            self._make_secret()
        if pair is not None and secret is None and self._may_write():
            self.ec2.delete_key_pair(KeyName=self.name)
        if pair is None or secret is None:
            self.changed = True
            self._import_pair()
        if secret is not None:
            self._encrypt_secret(secret)
            self._retag_secret(secret)
        if pair is not None and secret is not None:
            self._retag_pair(pair)
        if self.module.params["private_key_file"]:
            self._write_file(Path(self.module.params["private_key_file"]))

    def public_key(self) -> str:
        """The public half of the key known in this run, or an empty string."""
        if not self.private_key:
            return ""
        if self.module.check_mode and not self.private_key.startswith("-----BEGIN"):
            return self.private_key  # a key that only an apply makes
        key = serialization.load_ssh_private_key(self.private_key.encode(), password=None).public_key()
        return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()

    def _may_write(self) -> bool:
        return planning.active or not self.module.check_mode

    def _find_secret(self) -> dict[str, Any] | None:
        try:
            secret = self.secrets.describe_secret(SecretId=self.secret_name)
        except is_boto3_error_code("ResourceNotFoundException"):
            return None
        if "DeletedDate" in secret:
            self.module.fail_json(
                msg=f"The secret {self.secret_name} is scheduled for deletion. Restore it (aws secretsmanager restore-secret --secret-id "
                f"{self.secret_name}) to keep the key, or delete it for good (--force-delete-without-recovery) to get a new one."
            )
        return secret

    def _find_pair(self) -> dict[str, Any] | None:
        try:
            return self.ec2.describe_key_pairs(KeyNames=[self.name])["KeyPairs"][0]
        except is_boto3_error_code("InvalidKeyPair.NotFound"):
            return None

    def _make_secret(self) -> None:
        self.private_key = planning.placeholder("ssh key", self.secret_name) if self.module.check_mode else new_private_key()
        if not self._may_write():
            return
        encryption = {"KmsKeyId": self.module.params["kms_key_id"]} if self.module.params["kms_key_id"] else {}
        self.secrets.create_secret(
            Name=self.secret_name,
            Description=f"Private SSH key of the EC2 key pair {self.name}",
            SecretString=self.private_key,
            Tags=ansible_dict_to_boto3_tag_list(self.tags),
            **encryption,
        )

    def _read_secret(self) -> None:
        if not self.private_key:
            self.private_key = self.secrets.get_secret_value(SecretId=self.secret_name)["SecretString"]

    def _import_pair(self) -> None:
        if not self._may_write():
            return
        self._read_secret()
        specification = [{"ResourceType": "key-pair", "Tags": ansible_dict_to_boto3_tag_list(self.tags)}] if self.tags else []
        self.ec2.import_key_pair(KeyName=self.name, PublicKeyMaterial=self.public_key().encode(), TagSpecifications=specification)

    def _encrypt_secret(self, secret: dict[str, Any]) -> None:
        wanted = self.module.params["kms_key_id"]
        if not wanted or secret.get("KmsKeyId", "").endswith(wanted):  # AWS may answer an alias or id with its ARN
            return
        self.changed = True
        if self._may_write():
            self.secrets.update_secret(SecretId=self.secret_name, KmsKeyId=wanted)

    def _retag_secret(self, secret: dict[str, Any]) -> None:
        added, removed = self._tag_changes(secret.get("Tags", []))
        if added and self._may_write():
            self.secrets.tag_resource(SecretId=self.secret_name, Tags=ansible_dict_to_boto3_tag_list(added))
        if removed and self._may_write():
            self.secrets.untag_resource(SecretId=self.secret_name, TagKeys=removed)

    def _retag_pair(self, pair: dict[str, Any]) -> None:
        added, removed = self._tag_changes(pair.get("Tags", []))
        if added and self._may_write():
            self.ec2.create_tags(Resources=[pair["KeyPairId"]], Tags=ansible_dict_to_boto3_tag_list(added))
        if removed and self._may_write():
            self.ec2.delete_tags(Resources=[pair["KeyPairId"]], Tags=[{"Key": key} for key in removed])

    def _tag_changes(self, current: list[dict[str, str]]) -> tuple[dict[str, str], list[str]]:
        if self.module.params["tags"] is None:
            return {}, []
        added, removed = compare_aws_tags(boto3_tag_list_to_ansible_dict(current), self.tags, self.module.params["purge_tags"])
        self.changed = self.changed or bool(added or removed)
        return added, removed

    def _write_file(self, path: Path) -> None:
        self._read_secret()
        if path.exists() and path.read_text() == self.private_key and path.stat().st_mode & 0o777 == 0o600:
            return
        self.changed = True
        if self.module.check_mode:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(self.private_key)
        fresh.replace(path)


def new_private_key() -> str:
    """A fresh Ed25519 key in OpenSSH's own format."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()).decode()


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"required": True},
            "secret_name": {"required": True, "no_log": False},
            "kms_key_id": {"no_log": False},
            "private_key_file": {"type": "path", "no_log": False},
            "tags": {"type": "dict", "aliases": ["resource_tags"]},
            "purge_tags": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    key = SshKey(module)
    try:
        key.ensure()
    except (ClientError, BotoCoreError) as error:
        module.fail_json_aws(error, msg=f"Cannot bring the SSH key pair {key.name} to what it should be")
    except OSError as error:
        module.fail_json(msg=f"Cannot keep the private key in {module.params['private_key_file']}: {error}")
    module.exit_json(changed=key.changed, public_key=key.public_key())


if __name__ == "__main__":
    main()
