#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_recorder
version_added: 0.3.0
short_description: Manage the AWS Config recorder of a region
description:
  - Creates, changes, starts, stops and deletes the recorder of a region, of which an account has one. It records all types of resources.
  - Use it instead of M(community.aws.config_recorder), which has no check mode, never starts the recorder, and changes it in every run.
  - A recorder can be started only once there is a delivery channel, see M(indivillage.infra.config_delivery_channel).
options:
  name:
    description: Name of the recorder.
    type: str
    required: true
  role_arn:
    description: The role with which AWS Config reads. Needed to create the recorder.
    type: str
  global_types:
    description: Whether it records resources that have no region, such as IAM roles. One region should.
    type: bool
  recording:
    description: Whether it records. A new recorder does not until it is started.
    type: bool
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
- name: Have a recorder of everything
  indivillage.infra.config_recorder:
    name: indivillage-production-recorder
    role_arn: arn:aws:iam::123456789012:role/indivillage-production-config
    global_types: true

- name: Start it, once there is a delivery channel
  indivillage.infra.config_recorder:
    name: indivillage-production-recorder
    recording: true
"""

RETURN = r"""
resource:
  description: The recorder. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn: {description: ARN of the recorder., type: str, returned: when the recorder exists}
    recording: {description: Whether it records., type: bool, returned: when the recorder exists}
  sample: {name: indivillage-production-recorder, global_types: true, recording: true}
"""

from contextlib import suppress
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


class Recorder(Resource):
    service = "config"
    kind = "recorder"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "role_arn": {},
        "global_types": {"type": "bool"},
        "recording": {"type": "bool"},
    }
    properties = ("role_arn", "everything", "global_types", "recording")

    def declared(self) -> Properties:
        given = {key: self.params[key] for key in ("role_arn", "global_types", "recording")}
        return {**given, "everything": True}

    def find(self) -> Properties | None:
        names = [self.name]
        try:
            (recorder,) = self.client.describe_configuration_recorders(ConfigurationRecorderNames=names)["ConfigurationRecorders"]
            status = self.client.describe_configuration_recorder_status(ConfigurationRecorderNames=names)["ConfigurationRecordersStatus"]
        except self.client.exceptions.NoSuchConfigurationRecorderException:
            return None
        group, arn = recorder.get("recordingGroup", {}), recorder.get("arn", "")
        tags = self.client.list_tags_for_resource(ResourceArn=arn).get("Tags", []) if arn else []
        return {
            "name": self.name,
            "arn": arn,
            "role_arn": recorder.get("roleARN", ""),
            "everything": group.get("allSupported", False),
            "global_types": group.get("includeGlobalResourceTypes", False),
            "recording": any(one.get("recording") for one in status),
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        if not wanted.get("role_arn"):
            raise ResourceError("there is none, and role_arn is needed to create it.")
        try:
            self._put(wanted, Tags=ansible_dict_to_boto3_tag_list(tags))
        except self.client.exceptions.MaxNumberOfConfigurationRecordersExceededException as error:
            raise ResourceError("the region has another one, and AWS allows no second. Delete that, or declare it by its name.") from error
        if wanted.get("recording"):
            self.client.start_configuration_recorder(ConfigurationRecorderName=self.name)

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.keys() - {"recording"}:
            self._put(current | changes)
        if "recording" in changes:
            switch = self.client.start_configuration_recorder if changes["recording"] else self.client.stop_configuration_recorder
            switch(ConfigurationRecorderName=self.name)

    def _put(self, wanted: Properties, **more: Any) -> None:
        group = {"allSupported": True, "includeGlobalResourceTypes": wanted.get("global_types") or False}
        recorder = {"name": self.name, "roleARN": wanted["role_arn"], "recordingGroup": group}
        self.client.put_configuration_recorder(ConfigurationRecorder=recorder, **more)

    def delete(self, current: Properties) -> None:
        with suppress(self.client.exceptions.NoSuchConfigurationRecorderException):
            self.client.stop_configuration_recorder(ConfigurationRecorderName=self.name)
        self.client.delete_configuration_recorder(ConfigurationRecorderName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def main() -> None:
    run(Recorder)


if __name__ == "__main__":
    main()
