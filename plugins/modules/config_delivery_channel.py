#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_delivery_channel
version_added: 0.3.0
short_description: Manage where AWS Config delivers what it has recorded
description:
  - Creates, changes and deletes the delivery channel of a region, of which an account has one. Needs a recorder.
  - The last channel cannot be deleted while the recorder records.
options:
  name:
    description: Name of the channel.
    type: str
    required: true
  bucket:
    description: The bucket. Its policy, or the recorder's role, must let AWS Config check and write. Needed unless O(state=absent).
    type: str
  prefix:
    description: Folder in the bucket. None when empty.
    type: str
    default: ""
  topic_arn:
    description: The SNS topic that hears of each change. None when empty.
    type: str
    default: ""
  frequency:
    description: How often the state of everything is delivered.
    type: str
    choices: [One_Hour, Three_Hours, Six_Hours, Twelve_Hours, TwentyFour_Hours]
    default: TwentyFour_Hours
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Deliver the state of everything four times a day
  indivillage.infra.config_delivery_channel:
    name: indivillage-production-recorder
    bucket: indivillage-production-logs
    prefix: config
    frequency: Six_Hours
"""

RETURN = r"""
resource:
  description: The channel. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {name: indivillage-production-recorder, bucket: indivillage-production-logs, prefix: config, frequency: Six_Hours}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

FREQUENCIES = ["One_Hour", "Three_Hours", "Six_Hours", "Twelve_Hours", "TwentyFour_Hours"]
FIELDS = {"bucket": "s3BucketName", "prefix": "s3KeyPrefix", "topic_arn": "snsTopicARN"}


class Channel(Resource):
    service = "config"
    kind = "delivery channel"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "bucket": {},
        "prefix": {"default": ""},
        "topic_arn": {"default": ""},
        "frequency": {"choices": FREQUENCIES, "default": "TwentyFour_Hours"},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("bucket",))]}
    properties = (*FIELDS, "frequency")

    def find(self) -> Properties | None:
        try:
            found = self.client.describe_delivery_channels(DeliveryChannelNames=[self.name])["DeliveryChannels"]
        except self.client.exceptions.NoSuchDeliveryChannelException:
            return None
        for channel in found:
            return {
                "name": self.name,
                **{option: channel.get(field, "") for option, field in FIELDS.items()},
                "frequency": channel.get("configSnapshotDeliveryProperties", {}).get("deliveryFrequency", "TwentyFour_Hours"),
            }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        channel = {
            "name": self.name,
            **{field: wanted[option] for option, field in FIELDS.items() if wanted[option]},
            "configSnapshotDeliveryProperties": {"deliveryFrequency": wanted["frequency"]},
        }
        try:
            self.client.put_delivery_channel(DeliveryChannel=channel)
        except self.client.exceptions.MaxNumberOfDeliveryChannelsExceededException as error:
            raise ResourceError("the region has another one, and AWS allows no second. Delete that, or declare it by its name.") from error
        except self.client.exceptions.NoAvailableConfigurationRecorderException as error:
            raise ResourceError("the region has no recorder yet: make that first (indivillage.infra.config_recorder).") from error

    def update(self, current: Properties, changes: Properties) -> None:
        self.create(current | changes, {})  # AWS drops what it is not told

    def delete(self, current: Properties) -> None:
        self.client.delete_delivery_channel(DeliveryChannelName=self.name)


def main() -> None:
    run(Channel)


if __name__ == "__main__":
    main()
