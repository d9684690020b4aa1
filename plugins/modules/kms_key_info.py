#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kms_key_info
version_added: 0.2.0
short_description: Tell the ARN of the KMS key that has an alias
description:
  - Asks AWS once, for services that take the ARN of a key and no alias. M(amazon.aws.kms_key_info) reads all that there is about the
    key, and about every alias of the account.
options:
  alias:
    description: Alias of the key, with or without V(alias/).
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Find the key of the logs
  indivillage.infra.kms_key_info:
    alias: indivillage-production-logs
  register: key
"""

RETURN = r"""
key_arn:
  description: ARN of the key.
  returned: always
  type: str
  sample: arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef
key_id:
  description: Id of the key.
  returned: always
  type: str
  sample: 01234567-89ab-cdef-0123-456789abcdef
"""

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting


def main() -> None:
    module = AnsibleAWSModule(argument_spec={"alias": {"required": True}}, supports_check_mode=True)
    alias = f"alias/{module.params['alias'].removeprefix('alias/')}"
    client = aws_client(module, "kms")
    with reporting(module, f"find the KMS key {alias}"):
        try:
            key = client.describe_key(KeyId=alias)["KeyMetadata"]
        except is_boto3_error_code("NotFoundException") as error:
            raise ResourceError("no key has this alias here. Make it first; the role aws_keys makes those of a stack.") from error
    module.exit_json(changed=False, key_arn=key["Arn"], key_id=key["KeyId"])


if __name__ == "__main__":
    main()
