#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_revocation
version_added: 0.2.0
short_description: Take a user's or a role's credentials away, with all sessions that they have
description:
  - An inline policy denies everything to sessions from before O(before). Whoever may begin a session begins a new one, so a role goes on.
  - Of a user the access keys become inactive and the password is deleted as well. Nothing of that is undone here; an administrator makes
    new ones once the user is known to be safe.
  - A policy that denies what is at least as new stays as it is, so a repeated run changes nothing.
  - M(indivillage.infra.iam_role_policies) leaves the policy alone.
options:
  principal:
    description: C(user/<name>) or C(role/<name>).
    type: str
    required: true
  before:
    description: Sessions from before this moment, UTC, ISO 8601, are refused.
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Refuse every session that a role has now
  indivillage.infra.iam_revocation:
    principal: role/indivillage-production-app
    before: "2026-03-01T02:03:04Z"
"""

RETURN = r"""
steps:
  description: What was done, or would be done. Empty when all was done before.
  returned: always
  type: list
  elements: str
  sample: [sessions from before 2026-03-01T02:03:04+00:00 are refused, key AKIAIOSFODNN7EXAMPLE is inactive]
before:
  description: The moment before which sessions are refused.
  returned: always
  type: str
  sample: "2026-03-01T02:03:04+00:00"
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.incidents import REVOCATION_POLICY

CONDITION = "DateLessThan"
ISSUED = "aws:TokenIssueTime"


class Revocation:
    """One user or role, and what is taken away from it."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        kind, _slash, self.name = module.params["principal"].partition("/")
        if kind not in {"user", "role"} or not self.name:
            raise ResourceError("it is neither user/<name> nor role/<name>.")
        try:
            before = datetime.fromisoformat(module.params["before"])
        except ValueError as error:
            raise ResourceError(f"before is '{module.params['before']}', which is no moment such as 2026-03-01T02:03:04Z.") from error
        self.before = before if before.tzinfo else before.replace(tzinfo=UTC)
        self.kind = kind.capitalize()
        self.check_mode: bool = module.check_mode
        self.iam = aws_client(module, "iam")
        caller = aws_client(module, "sts").get_caller_identity()["Arn"].split(":", 5)[5]
        if (kind == "user" and caller == f"user/{self.name}") or (
            kind == "role" and caller.startswith(f"assumed-role/{self.name.rpartition('/')[2]}/")
        ):
            raise ResourceError(f"this run is {caller} itself and would end in the middle. Run it as somebody else.")
        self.steps: list[str] = []

    def _step(self, text: str, write: Callable[[], Any]) -> None:
        self.steps.append(text)
        if not self.check_mode:
            write()

    def revoke(self) -> None:
        """Everything that has not been taken away yet. Keys first: who has one makes sessions of it."""
        who = {f"{self.kind}Name": self.name}
        try:
            getattr(self.iam, f"get_{self.kind.lower()}")(**who)
        except is_boto3_error_code("NoSuchEntity") as error:
            raise ResourceError("there is none of that name in this account.") from error
        if self.kind == "User":
            self._take_keys()
        self._refuse_sessions(who)

    def _take_keys(self) -> None:
        pages = self.iam.get_paginator("list_access_keys").paginate(UserName=self.name)
        for key in (key for page in pages for key in page["AccessKeyMetadata"] if key["Status"] == "Active"):
            off = {"UserName": self.name, "AccessKeyId": key["AccessKeyId"], "Status": "Inactive"}
            self._step(f"key {key['AccessKeyId']} is inactive", partial(self.iam.update_access_key, **off))
        try:
            self.iam.get_login_profile(UserName=self.name)
        except is_boto3_error_code("NoSuchEntity"):
            return
        self._step("password is deleted", lambda: self.iam.delete_login_profile(UserName=self.name))

    def _refuse_sessions(self, who: dict[str, str]) -> None:
        refused = self._refused(who)
        if refused and refused >= self.before:
            self.before = refused
            return
        moment = self.before.isoformat(timespec="seconds")
        statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {CONDITION: {ISSUED: moment}}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "RevokedSessions", **statement}]})
        put = getattr(self.iam, f"put_{self.kind.lower()}_policy")
        self._step(
            f"sessions from before {moment} are refused",
            lambda: put(**who, PolicyName=REVOCATION_POLICY, PolicyDocument=document),
        )

    def _refused(self, who: dict[str, str]) -> datetime | None:
        get = getattr(self.iam, f"get_{self.kind.lower()}_policy")
        try:
            (statement,) = get(**who, PolicyName=REVOCATION_POLICY)["PolicyDocument"]["Statement"]
        except is_boto3_error_code("NoSuchEntity"):
            return None
        return datetime.fromisoformat(statement["Condition"][CONDITION][ISSUED])


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={"principal": {"required": True}, "before": {"required": True}},
        supports_check_mode=True,
    )
    with reporting(module, f"take the credentials of '{module.params['principal']}' away"):
        revocation = Revocation(module)
        revocation.revoke()
    steps = revocation.steps
    module.exit_json(
        changed=bool(steps),
        steps=steps,
        before=revocation.before.isoformat(timespec="seconds"),
        diff={"before": {}, "after": {"steps": steps}} if steps else {"before": {}, "after": {}},
    )


if __name__ == "__main__":
    main()
