#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudfront_origin_access_control
version_added: 0.2.0
short_description: Manage how CloudFront proves itself to buckets
description:
  - Creates, changes and deletes one origin access control for buckets. CloudFront signs every request to an origin that has it, so that the
    bucket's policy can let CloudFront in and nobody else. CloudFront cannot tag it.
options:
  name:
    description: Its name.
    type: str
    required: true
  description:
    description: What it is for.
    type: str
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let CloudFront prove itself to the buckets
  indivillage.infra.cloudfront_origin_access_control:
    name: indivillage-staging-assets
  register: access_control
"""

RETURN = r"""
resource:
  description: The origin access control. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    access_control_id:
      description: The id by which a distribution names it.
      type: str
      returned: when it exists
      sample: E1A2B3C4D5E6F7
  sample: {name: indivillage-staging-assets, access_control_id: E1A2B3C4D5E6F7, signing: always}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run
from ansible_collections.indivillage.infra.plugins.module_utils.cloudfront import pages


class OriginAccessControl(Resource):
    service = "cloudfront"
    kind = "origin access control"
    taggable = False
    options: ClassVar[dict[str, Any]] = {"name": {"required": True}, "description": {}}
    properties = ("description", "signing", "origin_type")

    def declared(self) -> Properties:
        return {"description": self.params["description"], "signing": "always", "origin_type": "s3"}

    def find(self) -> Properties | None:
        for item in pages(self.client, "list_origin_access_controls", "OriginAccessControlList"):
            if item["Name"] == self.name:
                return {
                    "name": self.name,
                    "access_control_id": item["Id"],
                    "description": item.get("Description", ""),
                    "signing": item["SigningBehavior"],
                    "origin_type": item["OriginAccessControlOriginType"],
                }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_origin_access_control(OriginAccessControlConfig=self._config(wanted))

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_origin_access_control(
            Id=current["access_control_id"], IfMatch=self._version(current), OriginAccessControlConfig=self._config({**current, **changes})
        )

    def delete(self, current: Properties) -> None:
        self.client.delete_origin_access_control(Id=current["access_control_id"], IfMatch=self._version(current))

    def _version(self, current: Properties) -> str:
        return str(self.client.get_origin_access_control(Id=current["access_control_id"])["ETag"])

    def _config(self, properties: Properties) -> dict[str, str]:
        return {
            "Name": self.name,
            "Description": properties.get("description") or "",
            "SigningProtocol": "sigv4",
            "SigningBehavior": properties["signing"],
            "OriginAccessControlOriginType": properties["origin_type"],
        }


def main() -> None:
    run(OriginAccessControl)


if __name__ == "__main__":
    main()
