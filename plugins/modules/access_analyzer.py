#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: access_analyzer
version_added: 0.3.0
short_description: Manage an IAM Access Analyzer
description:
  - Creates, changes and deletes one analyzer of a region. Deleting it deletes its findings.
  - AWS allows one analyzer for external access in each region of an account.
options:
  name:
    description: Name of the analyzer.
    type: str
    required: true
  type:
    description:
      - What it looks for. V(ACCOUNT), which is free, what can be reached from outside the account.
      - V(ACCOUNT_UNUSED_ACCESS), which AWS charges for by role and user, permissions and identities that nobody uses.
    type: str
    choices: [ACCOUNT, ACCOUNT_UNUSED_ACCESS]
    default: ACCOUNT
  unused_days:
    description: After how many days without use an unused access is found, V(1) to V(365). For V(ACCOUNT_UNUSED_ACCESS) only.
    type: int
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Find what can be reached from outside the account
  indivillage.infra.access_analyzer:
    name: indivillage-production-external-access
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The analyzer. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the analyzer.
      type: str
      returned: when the analyzer exists
      sample: arn:aws:access-analyzer:us-east-1:123456789012:analyzer/indivillage-production-external-access
    type:
      description: What it looks for.
      type: str
      returned: when the analyzer exists
  sample: {name: indivillage-production-external-access, type: ACCOUNT}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

UNUSED = "ACCOUNT_UNUSED_ACCESS"


class Analyzer(Resource):
    service = "accessanalyzer"
    kind = "access analyzer"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "type": {"choices": ["ACCOUNT", UNUSED], "default": "ACCOUNT"},
        "unused_days": {"type": "int"},
    }
    properties = ("type", "unused_days")
    immutable = frozenset({"type"})

    def declared(self) -> Properties:
        wanted = super().declared()
        days = wanted["unused_days"]
        if days is not None and wanted["type"] != UNUSED:
            raise ResourceError(f"unused_days is for the type {UNUSED} only: leave it out, or change the type.")
        if days is not None and not 1 <= days <= 365:
            raise ResourceError(f"unused_days is {days}; it can be 1 to 365.")
        return wanted

    def find(self) -> Properties | None:
        try:
            analyzer = self.client.get_analyzer(analyzerName=self.name)["analyzer"]
        except self.client.exceptions.ResourceNotFoundException:
            return None
        return {
            "name": self.name,
            "arn": analyzer["arn"],
            "type": analyzer["type"],
            "unused_days": analyzer.get("configuration", {}).get("unusedAccess", {}).get("unusedAccessAge"),
            "tags": analyzer.get("tags", {}),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_analyzer(analyzerName=self.name, type=wanted["type"], tags=tags, **self._configuration(wanted))

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_analyzer(analyzerName=self.name, **self._configuration(changes))

    @staticmethod
    def _configuration(wanted: Properties) -> dict[str, Any]:
        days = wanted.get("unused_days")
        return {"configuration": {"unusedAccess": {"unusedAccessAge": days}}} if days else {}

    def delete(self, current: Properties) -> None:
        self.client.delete_analyzer(analyzerName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(resourceArn=current["arn"], tagKeys=remove)
        if add:
            self.client.tag_resource(resourceArn=current["arn"], tags=add)


def main() -> None:
    run(Analyzer)


if __name__ == "__main__":
    main()
