#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_parameter_info
version_added: 0.1.0
short_description: Read Systems Manager parameters
description:
  - Reads parameters of type String and StringList. Unlike the lookup P(amazon.aws.ssm_parameter#lookup) it runs where the task runs,
    with the task's environment, and names what is missing.
options:
  names:
    description: Names of the parameters.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Read which images are current
  indivillage.infra.ssm_parameter_info:
    names: [/indivillage/production/images/web, /indivillage/production/images/app]
  register: images
"""

RETURN = r"""
parameters:
  description: Values by name; a parameter that does not exist is left out.
  returned: always
  type: dict
  sample: {/indivillage/production/images/web: ami-0123456789abcdef0}
missing:
  description: Names that do not exist.
  returned: always
  type: list
  elements: str
  sample: []
"""

from itertools import batched

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting

NAMES_PER_CALL = 10  # the limit of GetParameters


def main() -> None:
    module = AnsibleAWSModule(argument_spec={"names": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True)
    client = aws_client(module, "ssm")
    parameters: dict[str, str] = {}
    with reporting(module, f"read parameters {', '.join(module.params['names'])}"):
        for names in batched(module.params["names"], NAMES_PER_CALL):
            answer = client.get_parameters(Names=list(names))
            parameters |= {item["Name"]: item["Value"] for item in answer["Parameters"]}
    module.exit_json(changed=False, parameters=parameters, missing=[name for name in module.params["names"] if name not in parameters])


if __name__ == "__main__":
    main()
