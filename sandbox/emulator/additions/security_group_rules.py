# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that name a security group, and descriptions that are taken away.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupIngress.html (a description need not match)
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UpdateSecurityGroupRuleDescriptionsIngress.html (left out, it is removed)
moto 5.2.5 takes rules by reference with different descriptions for different rules: it neither revokes one without its description, nor
describes it anew, nor refuses a second one.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(SecurityGroupRule, "__eq__")
    def same(_original: Any, self: Any, other: Any) -> bool:
        return _identity(self) == _identity(other)

    @wrap(SecurityGroupBackend, "_sg_update_description")
    def update_description(_original: Any, _self: Any, given: Any, rule: Any) -> None:
        told, kept = (one.source_group or one.ip_range for one in (given, rule))
        kept.pop("Description", None)
        kept.update({name: text for name, text in told.items() if name == "Description"})


def _identity(rule: Any) -> tuple[Any, ...]:
    peer = [rule.ip_range.get("CidrIp"), rule.ip_range.get("CidrIpv6"), *map(rule.source_group.get, ("UserId", "GroupId"))]
    return (rule.ip_protocol, rule.from_port, rule.to_port, rule.prefix_list_id, *peer)
