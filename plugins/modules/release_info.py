#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_info
version_added: 0.1.0
short_description: Read the releases of an environment
description:
  - Lists what an environment knows of its releases, and chooses the one that a way back leads to.
options:
  environment_name:
    description: Whose releases.
    type: str
    required: true
  runs_table:
    description: The DynamoDB table of the environment's runs.
    type: str
    required: true
  back_from:
    description: What the environment's parameter names; then RV(target) is the release to go back to. Empty while it names none.
    type: str
  release:
    description: With O(back_from), the release to go back to. It fails when it is not known, known as bad, or never served.
    type: str
attributes:
  check_mode:
    description: Only reads.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Read the releases
  indivillage.infra.release_info:
    environment_name: staging
    region: us-east-1
    runs_table: indivillage-staging-deployments
  register: releases
"""

RETURN = r"""
releases:
  description: What is known of each, that of the latest event first; C(docs/releases.md) describes the keys.
  returned: success
  type: list
  elements: dict
  sample: [{release: 9f86d081884c, verdict: good}]
table:
  description: The same as a table for people, one text a row.
  returned: success
  type: list
  elements: str
target:
  description: The release to go back to, what of it hosts are told.
  returned: with O(back_from)
  type: dict
left:
  description: Name of the release that the way back leaves; empty when it has none.
  returned: with O(back_from)
  type: str
"""

from contextlib import suppress

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client
from ansible_collections.indivillage.infra.plugins.module_utils.releases import DOCUMENT, ReleaseError, Releases, table, way_back

with suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={"environment_name": {"required": True}, "runs_table": {"required": True}, "back_from": {}, "release": {}},
        supports_check_mode=True,
    )
    params = module.params
    environment = params["environment_name"]
    result: dict[str, object] = {"changed": False}
    try:
        found = Releases(aws_client(module, "dynamodb"), params["runs_table"], environment).all()
        if params["back_from"] is not None:
            target, left = way_back(found, params["back_from"], params["release"] or "")
            result |= {"target": {name: target[name] for name in DOCUMENT}, "left": left}
    except ReleaseError as error:
        module.fail_json(msg=f"{environment}: {error}")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not read the releases of {environment}")
    module.exit_json(**result, releases=found, table=table(found))


if __name__ == "__main__":
    main()
