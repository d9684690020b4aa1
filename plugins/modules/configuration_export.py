#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: configuration_export
version_added: 0.2.0
short_description: Write down what an environment is configured with
description:
  - Writes the parameters below a path of Systems Manager, and what the caller declares, as one JSON document.
  - Of an encrypted parameter the name and version are written, and never the value. Secrets are Secrets Manager's to keep.
options:
  path:
    description: The path of the parameters.
    type: str
    required: true
  declaration:
    description: What else belongs to it, such as the commit from which the environment was made.
    type: dict
    default: {}
  dest:
    description: The file to write.
    type: path
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Writes nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Write down what is configured
  indivillage.infra.configuration_export:
    path: /indivillage/production
    declaration: {commit: 0123abc}
    dest: /var/tmp/configuration.json
"""

RETURN = r"""
parameters:
  description: How many parameters there are.
  returned: success
  type: int
"""

import json
from pathlib import Path

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting

ENCRYPTED = "SecureString"


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "path": {"required": True},
            "declaration": {"type": "dict", "default": {}},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    parameters = {}
    with reporting(module, f"read the parameters below {module.params['path']}"):
        pages = aws_client(module, "ssm").get_paginator("get_parameters_by_path").paginate(Path=module.params["path"], Recursive=True)
        for item in (item for page in pages for item in page["Parameters"]):
            value = {} if item["Type"] == ENCRYPTED else {"value": item["Value"]}
            parameters[item["Name"]] = {"type": item["Type"], "version": item["Version"], **value}
    document = {"format": 1, "declaration": module.params["declaration"], "parameters": parameters}
    if not module.check_mode:
        Path(module.params["dest"]).write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
    module.exit_json(changed=False, parameters=len(parameters))


if __name__ == "__main__":
    main()
