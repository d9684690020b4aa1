# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of ACM that are known by their tag C(Name): ACM has no other name for them."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource


class NamedCertificate(Resource):
    """What requested and imported certificates have in common; the name is added to declared tags."""

    def __init__(self, module: AnsibleAWSModule, client: Any) -> None:
        super().__init__(module, client)
        if self.params["tags"] is not None:
            self.params["tags"] |= {"Name": self.name}

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of a certificate."""
        return dict(boto3_tag_list_to_ansible_dict(self.client.list_tags_for_certificate(CertificateArn=arn)["Tags"]))

    def tag_list(self, tags: dict[str, str]) -> list[dict[str, str]]:
        """The tags of a new certificate, as AWS takes them."""
        return list(ansible_dict_to_boto3_tag_list({**tags, "Name": self.name}))

    def delete(self, current: Properties) -> None:
        self.client.delete_certificate(CertificateArn=current["arn"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.remove_tags_from_certificate(CertificateArn=current["arn"], Tags=[{"Key": key} for key in remove])
        if add:
            self.client.add_tags_to_certificate(CertificateArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))
