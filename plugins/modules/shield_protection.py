#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: shield_protection
version_added: 0.2.0
short_description: Protect a resource with Shield Advanced
description:
  - Subscribes the account to Shield Advanced if it is not yet, and protects one distribution, zone, load balancer or address.
  - "B(Shield Advanced costs 3000 USD a month, and a subscription is a commitment for one year.) AWS takes none back: deleting the last
    protection ends no payment. So the module subscribes only with O(accept_price)."
options:
  name:
    description: Name of the protection.
    type: str
    required: true
  resource_arn:
    description: ARN of what is protected. Cannot be changed; another resource is another protection.
    type: str
    required: true
  accept_price:
    description: Whether to subscribe an account that is not subscribed, for 3000 USD a month and one year.
    type: bool
    default: false
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
- name: Protect the distribution
  indivillage.infra.shield_protection:
    name: indivillage-production-site
    resource_arn: "{{ distribution.resource.distribution_arn }}"
    accept_price: true
    region: us-east-1 # Shield's only one
"""

RETURN = r"""
resource:
  description: The protection. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    protection_arn:
      description: Its ARN.
      type: str
      returned: when it exists
      sample: arn:aws:shield::123456789012:protection/12345678-1234-1234-1234-123456789012
  sample: {name: indivillage-production-site}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


class Protection(Resource):
    service = "shield"
    kind = "protection by Shield Advanced"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "resource_arn": {"required": True},
        "accept_price": {"type": "bool", "default": False},
    }

    def find(self) -> Properties | None:
        try:
            protection = self.client.describe_protection(ResourceArn=self.params["resource_arn"])["Protection"]
        except is_boto3_error_code("ResourceNotFoundException"):
            return None
        arn = protection["ProtectionArn"]
        return {
            "name": protection["Name"],
            "protection_id": protection["Id"],
            "protection_arn": arn,
            "tags": boto3_tag_list_to_ansible_dict(self.client.list_tags_for_resource(ResourceARN=arn)["Tags"]),
        }

    def declared(self) -> Properties:
        # Told before anything is planned, and not only by the run that would pay.
        if not self.params["accept_price"] and not self._is_subscribed():
            raise ResourceError(
                "the account is not subscribed to Shield Advanced, which costs 3000 USD a month for one year at least, whatever is deleted "
                "later. Set accept_price (aws_edge_shield_advanced_price_accepted) if that is wanted, or aws_edge_shield_advanced to false."
            )
        return {}

    def _is_subscribed(self) -> bool:
        try:
            self.client.describe_subscription()
        except is_boto3_error_code("ResourceNotFoundException"):
            return False
        return True

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        if not self._is_subscribed():
            self.client.create_subscription()
        self.client.create_protection(Name=self.name, ResourceArn=self.params["resource_arn"], Tags=ansible_dict_to_boto3_tag_list(tags))

    def delete(self, current: Properties) -> None:
        self.client.delete_protection(ProtectionId=current["protection_id"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceARN=current["protection_arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceARN=current["protection_arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Protection)


if __name__ == "__main__":
    main()
