#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_password_policy
version_added: 0.3.0
short_description: Manage the password policy of an account
description:
  - Sets, changes and deletes the policy that the passwords of IAM users have to meet.
  - Use it instead of M(amazon.aws.iam_password_policy), which writes in check mode.
options:
  minimum_length:
    description: Least number of characters, V(6) to V(128).
    type: int
    default: 14
  require_symbols:
    description: Whether a password needs a character that is neither letter nor digit.
    type: bool
    default: true
  require_numbers:
    description: Whether a password needs a digit.
    type: bool
    default: true
  require_uppercase:
    description: Whether a password needs an upper-case letter.
    type: bool
    default: true
  require_lowercase:
    description: Whether a password needs a lower-case letter.
    type: bool
    default: true
  users_may_change:
    description: Whether users may change their own passwords.
    type: bool
    default: true
  maximum_age_days:
    description: After how many days a password must be changed, V(1) to V(1095); V(0) for never.
    type: int
    default: 90
  reuse_prevention:
    description: How many earlier passwords cannot be used again, up to V(24); V(0) for none.
    type: int
    default: 24
  hard_expiry:
    description: Whether a user whose password has expired is locked out until an administrator sets another one.
    type: bool
    default: false
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Ask for long passwords that change four times a year
  indivillage.infra.iam_password_policy:
    minimum_length: 14
    maximum_age_days: 90
    reuse_prevention: 24
"""

RETURN = r"""
resource:
  description: The policy. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {minimum_length: 14, require_symbols: true, maximum_age_days: 90, reuse_prevention: 24}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

# Option -> the field that holds it, and what it is when AWS leaves the field out.
FIELDS: dict[str, tuple[str, int | bool]] = {
    "minimum_length": ("MinimumPasswordLength", 6),
    "require_symbols": ("RequireSymbols", False),
    "require_numbers": ("RequireNumbers", False),
    "require_uppercase": ("RequireUppercaseCharacters", False),
    "require_lowercase": ("RequireLowercaseCharacters", False),
    "users_may_change": ("AllowUsersToChangePassword", False),
    "maximum_age_days": ("MaxPasswordAge", 0),
    "reuse_prevention": ("PasswordReusePrevention", 0),
    "hard_expiry": ("HardExpiry", False),
}
LIMITS = {"minimum_length": (6, 128), "maximum_age_days": (0, 1095), "reuse_prevention": (0, 24)}


class PasswordPolicy(Resource):
    service = "iam"
    kind = "password policy"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "minimum_length": {"type": "int", "default": 14},
        "require_symbols": {"type": "bool", "default": True},
        "require_numbers": {"type": "bool", "default": True},
        "require_uppercase": {"type": "bool", "default": True},
        "require_lowercase": {"type": "bool", "default": True},
        "users_may_change": {"type": "bool", "default": True},
        "maximum_age_days": {"type": "int", "default": 90, "no_log": False},
        "reuse_prevention": {"type": "int", "default": 24, "no_log": False},
        "hard_expiry": {"type": "bool", "default": False},
    }
    properties = tuple(FIELDS)

    def __str__(self) -> str:
        return f"the {self.kind} of the account"

    def declared(self) -> Properties:
        wanted = super().declared()
        for option, (low, high) in LIMITS.items():
            if not low <= wanted[option] <= high:
                raise ResourceError(f"{option} is {wanted[option]}; it can be {low} to {high}.")
        return wanted

    def find(self) -> Properties | None:
        try:
            policy = self.client.get_account_password_policy()["PasswordPolicy"]
        except self.client.exceptions.NoSuchEntityException:
            return None
        return {option: policy.get(field, default) for option, (field, default) in FIELDS.items()}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        # A limit that is 0 is none at all: AWS knows no such number and sets nothing when it is left out.
        fields = {field: wanted[option] for option, (field, _default) in FIELDS.items() if wanted[option] or option not in LIMITS}
        self.client.update_account_password_policy(**fields)

    def update(self, current: Properties, changes: Properties) -> None:
        self.create({**current, **changes}, {})  # AWS sets to its default whatever it is not told

    def delete(self, current: Properties) -> None:
        self.client.delete_account_password_policy()


def main() -> None:
    run(PasswordPolicy)


if __name__ == "__main__":
    main()
