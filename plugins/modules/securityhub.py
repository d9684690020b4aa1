#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: securityhub
version_added: 0.3.0
short_description: Manage Security Hub in a region
description:
  - Enables Security Hub with exactly the standards that are declared, changes and disables it. Disabling it deletes its findings.
  - Standards are judged by rules of AWS Config, which has to record, see M(indivillage.infra.config_recorder).
options:
  standards:
    description:
      - The standards, by what their ARNs end with, such as V(aws-foundational-security-best-practices/v/1.0.0).
      - Others that are enabled are disabled. Left alone when it is not given.
    type: list
    elements: str
  auto_enable_controls:
    description: Whether new controls of the standards are judged as soon as AWS has written them.
    type: bool
    default: true
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
- name: Judge the region by two standards
  indivillage.infra.securityhub:
    standards:
      - aws-foundational-security-best-practices/v/1.0.0
      - cis-aws-foundations-benchmark/v/3.0.0
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The hub. Empty after it was disabled. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn: {description: ARN of the hub., type: str, returned: when it is enabled}
    standards: {description: The enabled standards., type: list, elements: str, returned: when it is enabled}
  sample: {auto_enable_controls: true, standards: [aws-foundational-security-best-practices/v/1.0.0]}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

PATH = "/"
NOT_ENABLED = ["InvalidAccessException", "ResourceNotFoundException"]
LEAVING = "DELETING"


class Hub(Resource):
    service = "securityhub"
    kind = "Security Hub"
    options: ClassVar[dict[str, Any]] = {
        "standards": {"type": "list", "elements": "str"},
        "auto_enable_controls": {"type": "bool", "default": True},
    }
    properties = ("standards", "auto_enable_controls")

    def __str__(self) -> str:
        return f"{self.kind} of {self.module.region}"

    def find(self) -> Properties | None:
        try:
            hub = self.client.describe_hub()
            tags = self.client.list_tags_for_resource(ResourceArn=hub["HubArn"]).get("Tags", {})
        except is_boto3_error_code(NOT_ENABLED):
            return None
        return {
            "arn": hub["HubArn"],
            "auto_enable_controls": hub.get("AutoEnableControls", False),
            "standards": sorted(self._enabled()),
            "tags": tags,
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.enable_security_hub(EnableDefaultStandards=False, ControlFindingGenerator="SECURITY_CONTROL", Tags=tags)
        self._finish(wanted, {"auto_enable_controls": True}, {})

    def update(self, current: Properties, changes: Properties) -> None:
        self._finish(changes, current, self._enabled())

    def _finish(self, wanted: Properties, current: Properties, enabled: dict[str, str]) -> None:
        """What a hub has calls of their own for; enabled: the subscriptions of the standards that there are."""
        if wanted.get("auto_enable_controls", current["auto_enable_controls"]) != current["auto_enable_controls"]:
            self.client.update_security_hub_configuration(AutoEnableControls=wanted["auto_enable_controls"])
        standards = wanted.get("standards", list(enabled))
        if surplus := sorted(subscription for name, subscription in enabled.items() if name not in standards):
            self.client.batch_disable_standards(StandardsSubscriptionArns=surplus)
        if missing := sorted(set(standards) - set(enabled)):
            known = self._known()
            if unknown := [name for name in missing if name not in known]:
                raise ResourceError(f"{', '.join(unknown)} is no standard. Standards are: {', '.join(sorted(known))}.")
            self.client.batch_enable_standards(StandardsSubscriptionRequests=[{"StandardsArn": known[name]} for name in missing])

    def _enabled(self) -> dict[str, str]:
        """Subscriptions by the name of their standard."""
        pages = self.client.get_paginator("get_enabled_standards").paginate()
        subscriptions = [one for page in pages for one in page["StandardsSubscriptions"] if one.get("StandardsStatus") != LEAVING]
        return {name_of(one["StandardsArn"]): one["StandardsSubscriptionArn"] for one in subscriptions}

    def _known(self) -> dict[str, str]:
        """ARNs by the name of the standard."""
        pages = self.client.get_paginator("describe_standards").paginate()
        return {name_of(standard["StandardsArn"]): standard["StandardsArn"] for page in pages for standard in page["Standards"]}

    def delete(self, current: Properties) -> None:
        self.client.disable_security_hub()

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=add)


def name_of(arn: str) -> str:
    """What a standard's ARN ends with, behind the word for what it is."""
    return arn.partition(PATH)[2]


def main() -> None:
    run(Hub)


if __name__ == "__main__":
    main()
