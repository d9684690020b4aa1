# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates: own tags, versions built on a source version, and deletion of versions.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html
moto 5.2.5 copies the template's own tags into version 1's data (so that a second run sees a difference), ignores
SourceVersion, fails on user data of versions after the first, finds versions by position, lists 15 of them at most,
cannot delete them, and goes on showing the tags that a template was made with.
"""

from __future__ import annotations

import functools
from copy import deepcopy
from typing import Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import InvalidLaunchTemplateVersionNotFound
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend, LaunchTemplateVersion
from moto.ec2.responses import EC2Response
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from sandbox.emulator.additions.patching import add, wrap

_ALL_VERSIONS = 10_000  # AWS keeps up to 10,000 versions of a template


def _template(response: Any) -> LaunchTemplate:
    backend = response.ec2_backend
    if template_id := response._get_param("LaunchTemplateId"):
        return backend.get_launch_template(template_id)
    return backend.get_launch_template_by_name(response._get_param("LaunchTemplateName"))


@functools.cache
def install() -> None:
    @wrap(LaunchTemplateVersion, "__init__")
    def version_init(original: Any, self: Any, template: Any, number: int, data: dict[str, Any], description: str) -> None:  # noqa: PLR0917 - moto's signature
        data = {key: value for key, value in data.items() if value is not None}
        if "UserData" in data and not isinstance(data["UserData"], Base64EncodedString):
            data["UserData"] = parse_user_data(data["UserData"])
        specifications = [spec for spec in data.get("TagSpecifications", []) if spec["ResourceType"] != "launch-template"]
        data.pop("TagSpecifications", None)
        if specifications:
            data["TagSpecifications"] = specifications
        original(self, template, number, data, description)

    @wrap(LaunchTemplate, "create_version")
    def create_version(_original: Any, self: Any, data: dict[str, Any], description: str) -> LaunchTemplateVersion:
        number = self.versions[-1].number + 1 if self.versions else 1
        self.versions.append(LaunchTemplateVersion(self, number, data, description))
        return self.versions[-1]

    @wrap(LaunchTemplate, "get_version")
    def get_version(original: Any, self: Any, num: Any) -> LaunchTemplateVersion:
        if str(num).startswith("$"):
            return original(self, num)
        for version in self.versions:
            if str(version.number) == str(num):
                return version
        raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=num)

    @wrap(LaunchTemplate, "default_version")
    def default_version(_original: Any, self: Any) -> LaunchTemplateVersion:
        return self.get_version(self.default_version_number)

    @wrap(LaunchTemplates, "create_launch_template_version")
    def create_launch_template_version(original: Any, self: Any) -> Any:
        if source := self._get_param("SourceVersion"):
            merged = deepcopy(_template(self).get_version(source).data) | self._get_param("LaunchTemplateData", {})
            self.params["LaunchTemplateData"] = merged
        return original(self)

    @wrap(LaunchTemplateBackend, "describe_launch_templates")
    def describe_launch_templates(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        templates = original(self, *arguments, **options)
        for template in templates:
            template.tags = template.get_tags()
        return templates

    @wrap(LaunchTemplateBackend, "describe_launch_template_versions")
    def describe_launch_template_versions(original: Any, self: Any, **arguments: Any) -> Any:
        return original(self, **arguments | {"max_results": _ALL_VERSIONS})

    @add(EC2Response, "delete_launch_template_versions")
    def delete_launch_template_versions(self: Any) -> ActionResult:
        template = _template(self)
        deleted, refused = [], []
        for number in (str(version) for version in self._get_param("Versions", [])):
            entry = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(number)}
            if number == str(template.default_version_number):
                error = {"Code": "unexpectedError", "Message": "The default version of a launch template cannot be deleted"}
                refused.append(entry | {"ResponseError": error})
            elif number not in {str(version.number) for version in template.versions}:
                error = {"Code": "launchTemplateVersionDoesNotExist", "Message": f"Version {number} does not exist"}
                refused.append(entry | {"ResponseError": error})
            else:
                template.versions = [version for version in template.versions if str(version.number) != number]
                deleted.append(entry)
        return ActionResult({"SuccessfullyDeletedLaunchTemplateVersions": deleted, "UnsuccessfullyDeletedLaunchTemplateVersions": refused})
