#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: presigned_url
version_added: 0.2.0
short_description: Let a host read or write one object for a while, without credentials of its own
description:
  - Signs an address with the caller's credentials. It asks AWS nothing and changes nothing.
  - An address to write holds the digest of what is written; S3 refuses anything else.
options:
  bucket:
    description: The bucket.
    type: str
    required: true
  key:
    description: The object.
    type: str
    required: true
  method:
    description: Whether it is read or written.
    type: str
    choices: [get, put]
    required: true
  sha256:
    description: Digest of what is written, as hexadecimal digits. Needed with V(put).
    type: str
  seconds:
    description: How long the address holds.
    type: int
    default: 3600
  host_endpoint_url:
    description: The address of AWS's API as the host sees it. AWS's own when empty.
    type: str
    default: ''
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Changes nothing anyway.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let the bastion write the dump
  indivillage.infra.presigned_url:
    bucket: indivillage-production-backups
    key: database/20260301T020304Z/database.dump
    method: put
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  no_log: true
"""

RETURN = r"""
url:
  description: The address.
  returned: always
  type: str
headers:
  description: What has to be sent with it.
  returned: always
  type: dict
"""

import base64
from contextlib import suppress

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import reporting

with suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.config import Config


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "bucket": {"required": True},
            "key": {"required": True, "no_log": False},  # a name
            "method": {"choices": ["get", "put"], "required": True},
            "sha256": {},
            "seconds": {"type": "int", "default": 3600},
            "host_endpoint_url": {"default": ""},
        },
        required_if=[("method", "put", ["sha256"])],
        supports_check_mode=True,
    )
    params = module.params
    if params["host_endpoint_url"]:
        module.params["endpoint_url"] = params["host_endpoint_url"]
    s3 = module.client("s3", config=Config(signature_version="s3v4"))
    named, headers = {"Bucket": params["bucket"], "Key": params["key"]}, {}
    if params["method"] == "put":
        checksum = base64.b64encode(bytes.fromhex(params["sha256"])).decode()
        named["ChecksumSHA256"], headers["x-amz-checksum-sha256"] = checksum, checksum
    with reporting(module, f"sign the address of s3://{params['bucket']}/{params['key']}"):
        url = s3.generate_presigned_url(f"{params['method']}_object", Params=named, ExpiresIn=params["seconds"])
    module.exit_json(changed=False, url=url, headers=headers)


if __name__ == "__main__":
    main()
