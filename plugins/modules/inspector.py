#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: inspector
version_added: 0.3.0
short_description: Manage what Amazon Inspector scans in a region
description:
  - Has Inspector scan exactly the declared types of resources of an account for known vulnerabilities, or none.
  - Types that AWS adds later are left alone.
options:
  account_id:
    description: The account, which must be that of the credentials.
    type: str
    required: true
  resource_types:
    description:
      - What is scanned. V(LAMBDA_CODE) needs V(LAMBDA).
      - Needed unless O(state=absent), with which nothing is scanned any more.
    type: list
    elements: str
    choices: [EC2, ECR, LAMBDA, LAMBDA_CODE]
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Scan instances and images
  indivillage.infra.inspector:
    account_id: "123456789012"
    resource_types: [EC2, ECR]
"""

RETURN = r"""
resource:
  description: What is scanned. Empty when nothing is. In check mode as it would become.
  returned: always
  type: dict
  sample: {resource_types: [EC2, ECR]}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

# Type -> what its state is called.
TYPES = {"EC2": "ec2", "ECR": "ecr", "LAMBDA": "lambda", "LAMBDA_CODE": "lambdaCode"}
ON = ("ENABLED", "ENABLING")


class Scans(Resource):
    service = "inspector2"
    kind = "Inspector"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "account_id": {"required": True},
        "resource_types": {"type": "list", "elements": "str", "choices": list(TYPES)},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("resource_types",))]}
    properties = ("resource_types",)

    def __str__(self) -> str:
        return f"{self.kind} of {self.module.region}"

    def declared(self) -> Properties:
        types = set(self.params["resource_types"])
        if not types:
            raise ResourceError("resource_types is empty: give state=absent to have nothing scanned.")
        if "LAMBDA_CODE" in types and "LAMBDA" not in types:
            raise ResourceError("LAMBDA_CODE needs LAMBDA.")
        return {"resource_types": sorted(types)}

    def find(self) -> Properties | None:
        types = [
            name
            for account in self.client.batch_get_account_status(accountIds=[self.params["account_id"]])["accounts"]
            for name, member in TYPES.items()
            if account.get("resourceState", {}).get(member, {}).get("status") in ON
        ]
        return {"resource_types": sorted(types)} if types else None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._change("enable", wanted["resource_types"])

    def update(self, current: Properties, changes: Properties) -> None:
        had, wanted = set(current["resource_types"]), set(changes["resource_types"])
        if missing := sorted(wanted - had):
            self._change("enable", missing)
        if surplus := sorted(had - wanted):
            self._change("disable", surplus)

    def delete(self, current: Properties) -> None:
        self._change("disable", current["resource_types"])

    def _change(self, operation: str, types: list[str]) -> None:
        answer = getattr(self.client, operation)(accountIds=[self.params["account_id"]], resourceTypes=types)
        for failed in answer.get("failedAccounts", []):
            raise ResourceError(f"AWS did not {operation} {', '.join(types)}: {failed['errorCode']}, {failed['errorMessage']}")


def main() -> None:
    run(Scans)


if __name__ == "__main__":
    main()
