#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_role_policies
version_added: 0.1.0
short_description: Manage all inline policies of an IAM role
description:
  - Gives a role the inline policies that are declared, and no others but the one of M(indivillage.infra.iam_revocation).
  - Unlike M(amazon.aws.iam_policy), which manages one policy and cannot see what somebody has added beside it.
  - The role itself is made by M(amazon.aws.iam_role).
options:
  role:
    description: Name of the role.
    type: str
    required: true
  policies:
    description:
      - Name to policy document, as a dict or as JSON text. An empty dict leaves the role without inline policies.
      - With O(state=absent) all inline policies are removed.
    type: dict
    default: {}
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
notes:
  - Inline policies have no tags; O(tags) is refused.
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let the role read its bucket, and do nothing else
  indivillage.infra.iam_role_policies:
    role: indivillage-production-web
    policies:
      web:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Action: ["s3:GetObject"], Resource: ["arn:aws:s3:::indivillage-production-uploads/*"]}
"""

RETURN = r"""
resource:
  description: The role's inline policies. In check mode as they would become.
  returned: always
  type: dict
  contains:
    policies:
      description: Name to policy document.
      type: dict
      returned: when the role has inline policies or may have them
      sample: {web: {Version: "2012-10-17", Statement: []}}
  sample: {policies: {web: {Version: "2012-10-17", Statement: []}}}
"""

import json
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.incidents import REVOCATION_POLICY


class RolePolicies(Resource):
    service = "iam"
    kind = "inline policies of role"
    options: ClassVar[dict[str, Any]] = {"role": {"required": True}, "policies": {"type": "dict", "default": {}}}
    properties = ("policies",)
    exact = frozenset({"policies"})

    @property
    def name(self) -> str:
        return str(self.params["role"])

    def declared(self) -> Properties:
        if self.params["tags"]:
            raise ResourceError("inline policies have no tags; tag the role with amazon.aws.iam_role.")
        return {"policies": {name: self._document(name, policy) for name, policy in self.params["policies"].items()}}

    def _document(self, name: str, policy: Any) -> dict[str, Any]:
        try:
            document = json.loads(policy) if isinstance(policy, str) else policy
        except ValueError as error:
            raise ResourceError(f"policies.{name} is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise ResourceError(f"policies.{name} must be a policy document, a dict or its JSON text.")
        return document

    def find(self) -> Properties | None:
        pages = self.client.get_paginator("list_role_policies").paginate(RoleName=self.name)
        names = [name for page in pages for name in page["PolicyNames"] if name != REVOCATION_POLICY]
        if not names and self.params["state"] == "absent":
            return None
        documents = {name: self.client.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"] for name in names}
        return {"policies": documents, "tags": {}}

    def update(self, current: Properties, changes: Properties) -> None:
        wanted = changes["policies"]
        for name, document in wanted.items():
            if current["policies"].get(name) != document:
                self.client.put_role_policy(RoleName=self.name, PolicyName=name, PolicyDocument=json.dumps(document))
        self._remove(current["policies"].keys() - wanted.keys())

    def delete(self, current: Properties) -> None:
        self._remove(current["policies"])

    def _remove(self, names: Any) -> None:
        for name in sorted(names):
            self.client.delete_role_policy(RoleName=self.name, PolicyName=name)


def main() -> None:
    run(RolePolicies)


if __name__ == "__main__":
    main()
