#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_document
version_added: 0.3.0
short_description: Manage a document of Systems Manager
description:
  - Creates, changes and deletes one document with its tags. A change becomes the document's default version.
options:
  name:
    description: Name of the document. C(SSM-SessionManagerRunShell) holds the preferences of Session Manager.
    type: str
    required: true
  type:
    description: What kind of document it is. Cannot be changed.
    type: str
    default: Command
    choices: [Command, Session, Automation]
  content:
    description: What it says. Needed unless O(state=absent).
    type: dict
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
- name: Encrypt and record sessions
  indivillage.infra.ssm_document:
    name: SSM-SessionManagerRunShell
    type: Session
    content: {schemaVersion: "1.0", sessionType: Standard_Stream, inputs: {idleSessionTimeout: "20"}}
"""

RETURN = r"""
resource:
  description: The document. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {name: SSM-SessionManagerRunShell, type: Session}
"""

import json
from contextlib import suppress
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


def canonical(content: dict[str, Any]) -> str:
    """The content as text in which only what it says makes a difference; in its lists, order does."""
    return json.dumps(content, sort_keys=True)


class Document(Resource):
    service = "ssm"
    kind = "SSM document"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "type": {"default": "Command", "choices": ["Command", "Session", "Automation"]},
        "content": {"type": "dict"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("content",))]}
    properties = ("type", "content")
    immutable = frozenset({"type"})

    def declared(self) -> Properties:
        return {"type": self.params["type"], "content": canonical(self.params["content"])}

    def find(self) -> Properties | None:
        try:
            found = self.client.get_document(Name=self.name, DocumentFormat="JSON")
            tags = self.client.list_tags_for_resource(ResourceType="Document", ResourceId=self.name)["TagList"]
        except (self.client.exceptions.InvalidDocument, self.client.exceptions.InvalidResourceId):
            return None
        return {
            "name": self.name,
            "type": found["DocumentType"],
            "content": canonical(json.loads(found["Content"])),
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_document(
            Name=self.name,
            DocumentType=wanted["type"],
            DocumentFormat="JSON",
            Content=wanted["content"],
            Tags=ansible_dict_to_boto3_tag_list(tags),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        key = {"Name": self.name}
        try:
            told = self.client.update_document(**key, Content=changes["content"], DocumentFormat="JSON", DocumentVersion="$LATEST")
            version = told["DocumentDescription"]["DocumentVersion"]
        except self.client.exceptions.DuplicateDocumentContent:  # an earlier version says it, and is not the default one
            version = self._version_of(changes["content"])
        self.client.update_document_default_version(**key, DocumentVersion=version)

    def _version_of(self, content: str) -> str:
        """The newest version that says this. Versions are numbered; some may have been deleted."""
        latest = int(self.client.describe_document(Name=self.name)["Document"]["LatestVersion"])
        for version in map(str, range(latest, 0, -1)):
            with suppress(self.client.exceptions.InvalidDocument, self.client.exceptions.InvalidDocumentVersion):
                found = self.client.get_document(Name=self.name, DocumentFormat="JSON", DocumentVersion=version)
                if canonical(json.loads(found["Content"])) == content:
                    return version
        raise ResourceError("SSM says that a version of the document has this content, and has none that does. Try again.")

    def delete(self, current: Properties) -> None:
        self.client.delete_document(Name=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        key = {"ResourceType": "Document", "ResourceId": self.name}
        if remove:
            self.client.remove_tags_from_resource(**key, TagKeys=remove)
        if add:
            self.client.add_tags_to_resource(**key, Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Document)


if __name__ == "__main__":
    main()
