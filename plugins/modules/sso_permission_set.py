#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sso_permission_set
version_added: 0.3.0
short_description: Manage a permission set of IAM Identity Center and who has it in an account
description:
  - Creates, changes and deletes one permission set with its policies and tags, and assigns it to groups in one account. Assignments in
    other accounts are left alone.
  - A change is rolled out to the accounts that have the permission set.
  - Needs credentials of the account that administers Identity Center.
options:
  name:
    description: Name of the permission set, at most 32 characters.
    type: str
    required: true
  description:
    description: What it is for.
    type: str
    default: ""
  session_duration:
    description: How long a session lasts, as in ISO 8601.
    type: str
    default: PT1H
  managed_policies:
    description: ARNs of policies of AWS that it gives.
    type: list
    elements: str
    default: []
  inline_policy:
    description: A policy of its own.
    type: dict
    default: {}
  account_id:
    description: The account in which groups have it.
    type: str
    required: true
  groups:
    description: Names of the groups that have it there.
    type: list
    elements: str
    default: []
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
- name: Let developers look at production
  indivillage.infra.sso_permission_set:
    name: production-developers
    managed_policies: [arn:aws:iam::aws:policy/ReadOnlyAccess]
    account_id: "123456789012"
    groups: [Developers]
"""

RETURN = r"""
resource:
  description: The permission set. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the permission set.
      type: str
      returned: when the permission set exists
      sample: arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef
  sample: {name: production-developers, session_duration: PT1H, groups: [Developers]}
"""

import json
from functools import cached_property
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    ResourceError,
    aws_client,
    run,
    wait_until,
)


class PermissionSet(Resource):
    service = "sso-admin"
    kind = "permission set"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {"default": ""},
        "session_duration": {"default": "PT1H"},
        "managed_policies": {"type": "list", "elements": "str", "default": []},
        "inline_policy": {"type": "dict", "default": {}},
        "account_id": {"required": True},
        "groups": {"type": "list", "elements": "str", "default": []},
    }
    properties = ("description", "session_duration", "managed_policies", "inline_policy", "groups")
    exact = frozenset({"inline_policy"})

    @cached_property
    def _instance(self) -> dict[str, Any]:
        instances = self.client.list_instances()["Instances"]
        if not instances:
            raise ResourceError("This account administers no Identity Center. Use credentials of the one that does, or enable it there.")
        return dict(instances[0])

    @property
    def _here(self) -> dict[str, str]:
        return {"InstanceArn": self._instance["InstanceArn"]}

    @cached_property
    def _groups(self) -> dict[str, str]:
        """Ids of the groups in the identity store, by name."""
        pages = (
            aws_client(self.module, "identitystore")
            .get_paginator("list_groups")
            .paginate(IdentityStoreId=self._instance["IdentityStoreId"])
        )
        return {group["DisplayName"]: group["GroupId"] for page in pages for group in page["Groups"]}

    def _pages(self, operation: str, key: str, **arguments: Any) -> list[Any]:
        return [item for page in self.client.get_paginator(operation).paginate(**self._here, **arguments) for item in page[key]]

    def declared(self) -> Properties:
        for name in self.params["groups"]:
            if name not in self._groups:
                raise ResourceError(f"Identity Center has no group '{name}'. Make it there, or correct groups.")
        return super().declared()

    def find(self) -> Properties | None:
        for arn in self._pages("list_permission_sets", "PermissionSets"):
            found = self.client.describe_permission_set(**self._here, PermissionSetArn=arn)["PermissionSet"]
            if found["Name"] == self.name:
                return self._read(arn, found)
        return None

    def _read(self, arn: str, found: dict[str, Any]) -> Properties:
        policy = self.client.get_inline_policy_for_permission_set(**self._here, PermissionSetArn=arn).get("InlinePolicy") or "{}"
        names = {identifier: name for name, identifier in self._groups.items()}
        assignments = self._pages(
            "list_account_assignments", "AccountAssignments", AccountId=self.params["account_id"], PermissionSetArn=arn
        )
        attached = self._pages("list_managed_policies_in_permission_set", "AttachedManagedPolicies", PermissionSetArn=arn)
        tags = self._pages("list_tags_for_resource", "Tags", ResourceArn=arn)
        return {
            "name": self.name,
            "arn": arn,
            "description": found.get("Description", ""),
            "session_duration": found.get("SessionDuration", "PT1H"),
            "managed_policies": [one["Arn"] for one in attached],
            "inline_policy": json.loads(policy),
            # A user, or a group that is gone, is called by its id: nobody can declare it, so it is taken away.
            "groups": [names.get(one["PrincipalId"], one["PrincipalId"]) for one in assignments],
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        arn = self.client.create_permission_set(
            **self._here,
            Name=self.name,
            SessionDuration=wanted["session_duration"],
            Tags=ansible_dict_to_boto3_tag_list(tags),
            **({"Description": wanted["description"]} if wanted["description"] else {}),
        )["PermissionSet"]["PermissionSetArn"]
        nothing = {"arn": arn, "managed_policies": [], "inline_policy": {}, "groups": []}
        self._give(nothing, {key: value for key, value in wanted.items() if nothing.get(key, value) != value})

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.keys() & {"description", "session_duration"}:
            whole = {**current, **changes}
            self.client.update_permission_set(
                **self._here,
                PermissionSetArn=current["arn"],
                SessionDuration=whole["session_duration"],
                Description=whole["description"] or " ",  # AWS takes no empty one
            )
        self._give(current, changes)

    def _give(self, current: Properties, changes: Properties) -> None:
        """Change policies and assignments, and roll the policies out to the accounts that have the permission set."""
        this = {**self._here, "PermissionSetArn": current["arn"]}
        before, after = set(current["managed_policies"]), set(changes.get("managed_policies", current["managed_policies"]))
        for policy in sorted(after - before):
            self.client.attach_managed_policy_to_permission_set(**this, ManagedPolicyArn=policy)
        for policy in sorted(before - after):
            self.client.detach_managed_policy_from_permission_set(**this, ManagedPolicyArn=policy)
        if changes.get("inline_policy"):
            self.client.put_inline_policy_to_permission_set(**this, InlinePolicy=json.dumps(changes["inline_policy"]))
        elif "inline_policy" in changes:
            self.client.delete_inline_policy_from_permission_set(**this)
        if changes.keys() - {"groups"} and current["groups"]:
            self.client.provision_permission_set(**this, TargetType="ALL_PROVISIONED_ACCOUNTS")
        self._assign(current, set(changes.get("groups", current["groups"])))

    def _assign(self, current: Properties, groups: set[str]) -> None:
        before = set(current["groups"])
        for name in sorted(groups - before):
            self.client.create_account_assignment(**self._assignment(current, name))
        for name in sorted(before - groups):
            self.client.delete_account_assignment(**self._assignment(current, name))

    def _assignment(self, current: Properties, name: str) -> dict[str, str]:
        return {
            **self._here,
            "PermissionSetArn": current["arn"],
            "TargetType": "AWS_ACCOUNT",
            "TargetId": self.params["account_id"],
            "PrincipalType": "GROUP" if name in self._groups else "USER",
            "PrincipalId": self._groups.get(name, name),
        }

    def delete(self, current: Properties) -> None:
        """Take it from everybody here; in other accounts nobody may have it, or AWS refuses."""
        self._assign(current, set())
        if not self.module.check_mode:
            account = {"AccountId": self.params["account_id"], "PermissionSetArn": current["arn"]}
            wait_until(
                lambda: not self._pages("list_account_assignments", "AccountAssignments", **account),
                f"{self} to be free",
                READ_BACK_SECONDS,
            )
        self.client.delete_permission_set(**self._here, PermissionSetArn=current["arn"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(**self._here, ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(**self._here, ResourceArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(PermissionSet)


if __name__ == "__main__":
    main()
