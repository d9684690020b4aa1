#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: s3_account_public_access
version_added: 0.3.0
short_description: Manage what S3 refuses to make public in an account
description:
  - Sets or deletes the public access block of a whole account, which holds beside that of each bucket; the stricter one counts.
options:
  account_id:
    description: The account, which must be that of the credentials.
    type: str
    required: true
  block_public_acls:
    description: Whether ACLs that allow public access are refused.
    type: bool
    default: true
  ignore_public_acls:
    description: Whether ACLs that allow public access have no effect.
    type: bool
    default: true
  block_public_policy:
    description: Whether bucket policies that allow public access are refused.
    type: bool
    default: true
  restrict_public_buckets:
    description: Whether a bucket with a public policy answers only to its own account and to AWS's services.
    type: bool
    default: true
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let no bucket of the account become public
  indivillage.infra.s3_account_public_access:
    account_id: "123456789012"
"""

RETURN = r"""
resource:
  description: The public access block. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {block_public_acls: true, ignore_public_acls: true, block_public_policy: true, restrict_public_buckets: true}
"""

import ipaddress
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

FIELDS = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}


class PublicAccessBlock(Resource):
    service = "s3control"
    kind = "public access block of the account"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "account_id": {"required": True},
        **{option: {"type": "bool", "default": True} for option in FIELDS},
    }
    properties = tuple(FIELDS)

    def __init__(self, module: AnsibleAWSModule, client: Any) -> None:
        super().__init__(module, client)
        client.meta.events.register("before-sign.s3-control", address_without_prefix)

    @property
    def name(self) -> str:
        return str(self.params["account_id"])

    def find(self) -> Properties | None:
        try:
            block = self.client.get_public_access_block(AccountId=self.name)["PublicAccessBlockConfiguration"]
        except self.client.exceptions.NoSuchPublicAccessBlockConfiguration:
            return None
        return {option: block.get(field, False) for option, field in FIELDS.items()}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        block = {field: wanted[option] for option, field in FIELDS.items()}
        self.client.put_public_access_block(AccountId=self.name, PublicAccessBlockConfiguration=block)

    def update(self, current: Properties, changes: Properties) -> None:
        self.create({**current, **changes}, {})

    def delete(self, current: Properties) -> None:
        self.client.delete_public_access_block(AccountId=self.name)


def address_without_prefix(request: Any, **_event: Any) -> None:
    """botocore puts the account in front of the host's name, also where that is an address, which then names nobody."""
    url = urlsplit(request.url)
    _account, _dot, host = (url.hostname or "").partition(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    request.url = urlunsplit(url._replace(netloc=url.netloc.partition(".")[2]))


def main() -> None:
    run(PublicAccessBlock)


if __name__ == "__main__":
    main()
