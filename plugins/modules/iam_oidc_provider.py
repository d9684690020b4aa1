#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iam_oidc_provider
version_added: 0.3.0
short_description: Manage an identity provider of OpenID Connect
description:
  - Creates, changes and deletes one provider whose tokens roles of the account may trust, with its audiences and tags.
  - AWS itself checks the certificates of the well-known providers, so there are no thumbprints.
options:
  name:
    description: The provider's host and path, without C(https://).
    type: str
    required: true
  audiences:
    description: For whom its tokens have to be made.
    type: list
    elements: str
    default: [sts.amazonaws.com]
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
- name: Trust GitHub's runners
  indivillage.infra.iam_oidc_provider:
    name: token.actions.githubusercontent.com
"""

RETURN = r"""
resource:
  description: The provider. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the provider.
      type: str
      returned: when the provider exists
      sample: arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com
  sample: {name: token.actions.githubusercontent.com, audiences: [sts.amazonaws.com]}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run


class Provider(Resource):
    service = "iam"
    kind = "identity provider"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "audiences": {"type": "list", "elements": "str", "default": ["sts.amazonaws.com"]},
    }
    properties = ("audiences",)

    def find(self) -> Properties | None:
        listed = self.client.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        arn = next((one["Arn"] for one in listed if one["Arn"].partition(":oidc-provider/")[2] == self.name), None)
        if arn is None:
            return None
        found = self.client.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        return {
            "name": self.name,
            "arn": arn,
            "audiences": found.get("ClientIDList", []),
            "tags": boto3_tag_list_to_ansible_dict(found.get("Tags", [])),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_open_id_connect_provider(
            Url=f"https://{self.name}", ClientIDList=wanted["audiences"], Tags=ansible_dict_to_boto3_tag_list(tags)
        )

    def update(self, current: Properties, changes: Properties) -> None:
        before, after = set(current["audiences"]), set(changes["audiences"])
        for audience in sorted(after - before):
            self.client.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=current["arn"], ClientID=audience)
        for audience in sorted(before - after):
            self.client.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=current["arn"], ClientID=audience)

    def delete(self, current: Properties) -> None:
        self.client.delete_open_id_connect_provider(OpenIDConnectProviderArn=current["arn"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_open_id_connect_provider(OpenIDConnectProviderArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_open_id_connect_provider(OpenIDConnectProviderArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Provider)


if __name__ == "__main__":
    main()
