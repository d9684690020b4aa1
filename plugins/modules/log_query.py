#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: log_query
version_added: 0.3.0
short_description: Manage a saved query of CloudWatch Logs Insights
description:
  - Creates, changes and deletes one saved query. It is known by its name; in the console, where people find it, V(/) makes folders.
  - AWS gives saved queries no tags, and takes several of one name. Where there are, the task fails and says so.
options:
  name:
    description: Name of the query.
    type: str
    required: true
  query:
    description: What is asked, in the language of Logs Insights. Needed unless O(state=absent).
    type: str
  log_groups:
    description: Names of the log groups that are asked; their order does not matter. Needed unless O(state=absent).
    type: list
    elements: str
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Keep at hand what finds the errors of the application
  indivillage.infra.log_query:
    name: indivillage-production/app/errors
    log_groups: [/aws/ec2/indivillage-production-app]
    query: |
      fields @timestamp, message, request_id
      | filter level = "error"
      | sort @timestamp desc
      | limit 100
"""

RETURN = r"""
resource:
  description: The saved query. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    query_id:
      description: By what AWS knows it.
      type: str
      returned: when the query exists
      sample: 12345678-1234-1234-1234-123456789012
  sample: {name: indivillage-production/app/errors, log_groups: [/aws/ec2/indivillage-production-app]}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.log_queries import queries


class Query(Resource):
    service = "logs"
    kind = "saved query"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "query": {},
        "log_groups": {"type": "list", "elements": "str"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("query", "log_groups"))]}
    properties = ("query", "log_groups")

    def declared(self) -> Properties:
        wanted = super().declared()
        return {"query": wanted["query"].strip(), "log_groups": sorted(wanted["log_groups"])}

    def find(self) -> Properties | None:
        found = [one for one in queries(self.client) if one["name"] == self.name]
        if len(found) > 1:
            raise ResourceError(
                f"there are {len(found)} of that name, and nothing tells which is meant. Delete all but one in the console."
            )
        return next((self._told(one) for one in found), None)

    def _told(self, found: dict[str, Any]) -> Properties:
        return {
            "name": self.name,
            "query_id": found["queryDefinitionId"],
            "query": found["queryString"].strip(),
            "log_groups": sorted(found.get("logGroupNames", [])),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._put(wanted)

    def update(self, current: Properties, changes: Properties) -> None:
        self._put(current | changes, queryDefinitionId=current["query_id"])

    def delete(self, current: Properties) -> None:
        self.client.delete_query_definition(queryDefinitionId=current["query_id"])

    def _put(self, wanted: Properties, **more: str) -> None:
        self.client.put_query_definition(name=self.name, queryString=wanted["query"], logGroupNames=wanted["log_groups"], **more)


def main() -> None:
    run(Query)


if __name__ == "__main__":
    main()
