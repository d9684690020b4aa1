#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_managed_policy
version_added: 0.3.0
short_description: Manage an IAM policy of the account
description:
  - Creates, changes and deletes one managed policy with its tags. A change is a new version; AWS keeps five, so the oldest goes.
  - Use it instead of M(amazon.aws.iam_managed_policy), which knows no tags.
options:
  name:
    description: Name of the policy.
    type: str
    required: true
  path:
    description: Path of the policy. Cannot be changed.
    type: str
    default: /
  description:
    description: What it is for. Cannot be changed.
    type: str
  policy:
    description: The document.
    type: dict
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
- name: Say what people may do before they have proved who they are
  indivillage.infra.iam_managed_policy:
    name: indivillage-staging-require-mfa
    policy: "{{ lookup('ansible.builtin.file', 'require-mfa.json') | from_json }}"
"""

RETURN = r"""
resource:
  description: The policy. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the policy.
      type: str
      returned: when the policy exists
      sample: arn:aws:iam::123456789012:policy/indivillage-staging-require-mfa
  sample: {name: indivillage-staging-require-mfa, path: /}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

VERSIONS = 5  # AWS keeps no more


class Policy(Resource):
    service = "iam"
    kind = "policy"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "path": {"default": "/"},
        "description": {},
        "policy": {"type": "dict"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("policy",))]}
    properties = ("path", "description", "policy")
    exact = frozenset({"policy"})
    immutable = frozenset({"path", "description"})

    def find(self) -> Properties | None:
        for page in self.client.get_paginator("list_policies").paginate(Scope="Local"):
            for listed in page["Policies"]:
                if listed["PolicyName"] == self.name:
                    return self._read(listed["Arn"])
        return None

    def _read(self, arn: str) -> Properties:
        policy = self.client.get_policy(PolicyArn=arn)["Policy"]
        version = self.client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        document = version.get("Document") or {}
        return {
            "name": self.name,
            "arn": arn,
            "path": policy["Path"],
            "description": policy.get("Description", ""),
            "policy": json.loads(document) if isinstance(document, str) else document,
            "tags": boto3_tag_list_to_ansible_dict(policy.get("Tags", [])),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_policy(
            PolicyName=self.name,
            Path=wanted["path"],
            Description=wanted.get("description", ""),
            PolicyDocument=json.dumps(wanted["policy"]),
            Tags=ansible_dict_to_boto3_tag_list(tags),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        versions = self.client.list_policy_versions(PolicyArn=current["arn"])["Versions"]
        if len(versions) >= VERSIONS:
            self._forget(current["arn"], min((one for one in versions if not one["IsDefaultVersion"]), key=lambda one: one["CreateDate"]))
        self.client.create_policy_version(PolicyArn=current["arn"], PolicyDocument=json.dumps(changes["policy"]), SetAsDefault=True)

    def delete(self, current: Properties) -> None:
        for version in self.client.list_policy_versions(PolicyArn=current["arn"])["Versions"]:
            if not version["IsDefaultVersion"]:
                self._forget(current["arn"], version)
        self.client.delete_policy(PolicyArn=current["arn"])

    def _forget(self, arn: str, version: dict[str, Any]) -> None:
        self.client.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_policy(PolicyArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_policy(PolicyArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Policy)


if __name__ == "__main__":
    main()
