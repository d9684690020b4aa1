#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecr_repository
version_added: 0.3.0
short_description: Manage a repository of container images
description:
  - Creates, changes and deletes one ECR repository with its scanning, tag rules, encryption, lifecycle and tags.
  - O(state=absent) deletes its images too.
  - Use it instead of M(community.aws.ecs_ecr), which knows neither tags nor encryption.
options:
  name:
    description: Name of the repository.
    type: str
    required: true
  scan_on_push:
    description: Whether ECR looks for known vulnerabilities in every image that is pushed.
    type: bool
    default: true
  immutable_tags:
    description: Whether a tag, once pushed, stays with its image.
    type: bool
    default: true
  kms_key_arn:
    description: ARN of the KMS key that encrypts the images. Cannot be changed. ECR's own AES256 when left out.
    type: str
  keep_images:
    description: How many images are kept; the oldest go first. V(0) keeps all.
    type: int
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
- name: Keep the last five images of the worker
  indivillage.infra.ecr_repository:
    name: indivillage/staging/worker
    keep_images: 5
    kms_key_arn: arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The repository. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the repository.
      type: str
      sample: indivillage/staging/worker
    arn:
      description: ARN of the repository.
      type: str
      returned: when the repository exists
      sample: arn:aws:ecr:us-east-1:123456789012:repository/indivillage/staging/worker
    keep_images:
      description: How many images are kept, or the whole lifecycle policy where somebody else wrote it.
      type: raw
      sample: 5
  sample: {name: indivillage/staging/worker, scan_on_push: true, immutable_tags: true, keep_images: 5}
"""

import json
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run

ALL_IMAGES = {"tagStatus": "any", "countType": "imageCountMoreThan"}


class Repository(Resource):
    service = "ecr"
    kind = "image repository"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "scan_on_push": {"type": "bool", "default": True},
        "immutable_tags": {"type": "bool", "default": True},
        "kms_key_arn": {"no_log": False},
        "keep_images": {"type": "int"},
    }
    properties = ("scan_on_push", "immutable_tags", "kms_key_arn", "keep_images")
    immutable = frozenset({"kms_key_arn"})

    def find(self) -> Properties | None:
        try:
            repository = self.client.describe_repositories(repositoryNames=[self.name])["repositories"][0]
            tags = self.client.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        except self.client.exceptions.RepositoryNotFoundException:
            return None
        return {
            "name": self.name,
            "arn": repository["repositoryArn"],
            "scan_on_push": repository["imageScanningConfiguration"]["scanOnPush"],
            "immutable_tags": repository["imageTagMutability"] == "IMMUTABLE",
            "kms_key_arn": repository.get("encryptionConfiguration", {}).get("kmsKey", ""),
            "keep_images": self._kept(),
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def _kept(self) -> Any:
        """The number of images that are kept; a lifecycle policy that says anything else, as it is."""
        try:
            policy = json.loads(self.client.get_lifecycle_policy(repositoryName=self.name)["lifecyclePolicyText"])
        except self.client.exceptions.LifecyclePolicyNotFoundException:
            return 0
        number = policy["rules"][0]["selection"].get("countNumber")
        return number if policy == self._policy(number) else policy

    @staticmethod
    def _policy(number: Any) -> dict[str, Any]:
        selection = {**ALL_IMAGES, "countNumber": number}
        return {"rules": [{"rulePriority": 1, "description": "Keep the newest", "selection": selection, "action": {"type": "expire"}}]}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        key = wanted.get("kms_key_arn")
        self.client.create_repository(
            repositoryName=self.name,
            imageScanningConfiguration={"scanOnPush": wanted["scan_on_push"]},
            imageTagMutability=self._mutability(wanted),
            tags=ansible_dict_to_boto3_tag_list(tags),
            **({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key}} if key else {}),
        )
        if wanted.get("keep_images"):
            self._keep(wanted["keep_images"])

    def update(self, current: Properties, changes: Properties) -> None:
        if "scan_on_push" in changes:
            configuration = {"scanOnPush": changes["scan_on_push"]}
            self.client.put_image_scanning_configuration(repositoryName=self.name, imageScanningConfiguration=configuration)
        if "immutable_tags" in changes:
            self.client.put_image_tag_mutability(repositoryName=self.name, imageTagMutability=self._mutability(changes))
        if "keep_images" in changes:
            self._keep(changes["keep_images"])

    def _keep(self, number: int) -> None:
        if number:
            self.client.put_lifecycle_policy(repositoryName=self.name, lifecyclePolicyText=json.dumps(self._policy(number)))
        else:
            self.client.delete_lifecycle_policy(repositoryName=self.name)

    def delete(self, current: Properties) -> None:
        self.client.delete_repository(repositoryName=self.name, force=True)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(resourceArn=current["arn"], tagKeys=remove)
        if add:
            self.client.tag_resource(resourceArn=current["arn"], tags=ansible_dict_to_boto3_tag_list(add))

    @staticmethod
    def _mutability(properties: Properties) -> str:
        return "IMMUTABLE" if properties["immutable_tags"] else "MUTABLE"


def main() -> None:
    run(Repository)


if __name__ == "__main__":
    main()
