#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: elb_shares
version_added: 0.2.0
short_description: Have an application load balancer share its requests out between target groups
description:
  - Gives a listener a rule before all others that forwards every request to one of several target groups, each for its share of them, or
    takes the rule away, after which the listener's default action stands again. Targets stay as they are.
  - Each request is drawn anew; nobody sticks to a target group.
  - M(amazon.aws.elb_application_lb) can do the same, but only together with the whole declaration of the load balancer.
options:
  shares:
    description: Name of each target group and its part of all requests, in percent; together they are 100. Needed with O(state=present).
    type: dict
    default: {}
  state:
    description: Whether requests are shared out.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - indivillage.infra.aws_resource.listener_rule
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let every tenth request try the next release
  indivillage.infra.elb_shares:
    name: indivillage-production-internal
    shares: {indivillage-production-app: 90, indivillage-production-app-next: 10}

- name: Have one side serve all again
  indivillage.infra.elb_shares:
    name: indivillage-production-internal
    state: absent
"""

RETURN = r"""
resource:
  description: The rule. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {name: indivillage-production-internal, shares: {indivillage-production-app: 90, indivillage-production-app-next: 10}}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.listener_rules import ListenerRule

ALL = 100


class Shares(ListenerRule):
    kind = "shares of the requests of"
    action = "forward"
    options: ClassVar[dict[str, Any]] = {**ListenerRule.options, "shares": {"type": "dict", "default": {}}}
    properties = ("shares",)
    exact = frozenset({"shares"})

    def declared(self) -> Properties:
        given = {name: str(share) for name, share in self.params["shares"].items()}
        shares = {name: int(share) for name, share in given.items() if share.isdigit()}
        if self.params["state"] == "present" and (len(shares) != len(given) or sum(shares.values()) != ALL):
            raise ResourceError(f"its shares are {given or 'not given'}; they are whole numbers that make {ALL} together")
        return {"shares": shares}

    def read(self, action: dict[str, Any]) -> Properties:
        groups = {group["TargetGroupArn"]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}
        return {"shares": {arn.split("/")[1]: weight for arn, weight in groups.items()}}

    def actions(self, wanted: Properties) -> list[dict[str, Any]]:
        shares = wanted["shares"]
        try:
            found = self.client.describe_target_groups(Names=sorted(shares))["TargetGroups"]
        except self.client.exceptions.TargetGroupNotFoundException as error:
            raise ResourceError(f"one of {', '.join(sorted(shares))} is no target group of this region") from error
        arns = {group["TargetGroupName"]: group["TargetGroupArn"] for group in found}
        groups = [{"TargetGroupArn": arns[name], "Weight": share} for name, share in sorted(shares.items())]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


def main() -> None:
    run(Shares)


if __name__ == "__main__":
    main()
