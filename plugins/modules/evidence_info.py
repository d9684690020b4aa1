#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evidence_info
version_added: 0.3.0
short_description: Verify bundles of evidence
description:
  - Verifies the signature of each bundle, the digest of each of its files, and that none between the first and the last is gone.
  - A bundle without a signature was never whole, and is not looked at.
options:
  environment_name:
    description: Whose evidence.
    type: str
    required: true
  bucket:
    description: The bucket of the bundles.
    type: str
    required: true
  key:
    description: The KMS key that has signed.
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Verify the evidence
  indivillage.infra.evidence_info:
    environment_name: production
    bucket: indivillage-production-operations
    key: alias/indivillage-production-evidence
  register: evidence
"""

RETURN = r"""
bundles:
  description: The bundles, the oldest first.
  returned: success
  type: list
  elements: str
  sample: [20260102T030405Z, 20260202T030405Z]
faults:
  description: Everything that speaks against them; empty when all is as it was signed.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.evidence import Bundles


def main() -> None:
    """Verify all there are."""
    module = AnsibleAWSModule(
        argument_spec={name: {"required": True, "no_log": False} for name in ("environment_name", "bucket", "key")},
        supports_check_mode=True,
    )
    given = module.params
    bundles = Bundles(aws_client(module, "s3"), aws_client(module, "kms"), given["bucket"], given["environment_name"], given["key"])
    with reporting(module, f"verify the evidence of {given['environment_name']}"):
        names = bundles.names()
        faults = [fault for name in names for fault in bundles.faults(name)]
    module.exit_json(changed=False, bundles=names, faults=faults)


if __name__ == "__main__":
    main()
