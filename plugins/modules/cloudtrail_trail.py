#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudtrail_trail
version_added: 0.3.0
short_description: Manage a CloudTrail trail
description:
  - Creates, changes and deletes one trail of an account in its home region. The log files that it has delivered stay.
  - It records all management events, those of global services among them, and of S3 objects those that are named.
  - Use it instead of M(amazon.aws.cloudtrail), which does not look at event selectors, so that a trail from which somebody has taken the
    events that matter looks as it should.
options:
  name:
    description: Name of the trail.
    type: str
    required: true
  bucket:
    description: The bucket that log files go to. Its policy must let CloudTrail check and write. Needed unless O(state=absent).
    type: str
  prefix:
    description: Folder in the bucket, in which CloudTrail makes C(AWSLogs/<account>/).
    type: str
    default: ""
  multi_region:
    description: Whether it records the events of all regions.
    type: bool
    default: true
  log_file_validation:
    description: Whether CloudTrail delivers signed digests by which a changed or deleted log file is found out.
    type: bool
    default: true
  kms_key_id:
    description: Id, ARN or alias of the key that encrypts log files. The empty string leaves that to the bucket.
    type: str
    default: ""
  log_group_arn:
    description: ARN of the log group that gets each event too, without the trailing C(:*). None when empty.
    type: str
    default: ""
  role_arn:
    description: The role with which CloudTrail writes to the log group.
    type: str
    default: ""
  data_arns:
    description:
      - Beginnings of the ARNs of S3 objects, such as V(arn:aws:s3:::bucket/), whose reads and writes are recorded too.
      - AWS charges for these events.
    type: list
    elements: str
    default: []
  logging:
    description: Whether it records.
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
- name: Record what is done in the account
  indivillage.infra.cloudtrail_trail:
    name: indivillage-production-trail
    bucket: indivillage-production-logs
    prefix: cloudtrail
    kms_key_id: alias/indivillage-production-audit
    log_group_arn: arn:aws:logs:us-east-1:123456789012:log-group:/aws/cloudtrail/indivillage-production
    role_arn: arn:aws:iam::123456789012:role/indivillage-production-cloudtrail
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The trail. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the trail.
      type: str
      returned: when the trail exists
      sample: arn:aws:cloudtrail:us-east-1:123456789012:trail/indivillage-production-trail
    logging:
      description: Whether it records.
      type: bool
      returned: when the trail exists
  sample: {name: indivillage-production-trail, bucket: indivillage-production-logs, multi_region: true, logging: true}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, aws_client, run

# Option -> what a trail calls it when it is written, and when it is read where that differs.
FIELDS = {
    "bucket": ("S3BucketName", "S3BucketName"),
    "prefix": ("S3KeyPrefix", "S3KeyPrefix"),
    "multi_region": ("IsMultiRegionTrail", "IsMultiRegionTrail"),
    "log_file_validation": ("EnableLogFileValidation", "LogFileValidationEnabled"),
    "kms_key_id": ("KmsKeyId", "KmsKeyId"),
    "log_group_arn": ("CloudWatchLogsLogGroupArn", "CloudWatchLogsLogGroupArn"),
    "role_arn": ("CloudWatchLogsRoleArn", "CloudWatchLogsRoleArn"),
}
OBJECTS = "AWS::S3::Object"
ALL_STREAMS = ":*"


class Trail(Resource):
    service = "cloudtrail"
    kind = "trail"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "bucket": {},
        "prefix": {"default": ""},
        "multi_region": {"type": "bool", "default": True},
        "log_file_validation": {"type": "bool", "default": True},
        "kms_key_id": {"default": "", "no_log": False},
        "log_group_arn": {"default": ""},
        "role_arn": {"default": ""},
        "data_arns": {"type": "list", "elements": "str", "default": []},
        "logging": {"type": "bool", "default": True},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("bucket",))]}
    properties = (*FIELDS, "selectors", "logging")

    def declared(self) -> Properties:
        if bool(self.params["log_group_arn"]) != bool(self.params["role_arn"]):
            raise ResourceError("log_group_arn and role_arn belong together: give both or none.")
        return {
            **{key: self.params[key] for key in FIELDS},
            "kms_key_id": self._key_arn(self.params["kms_key_id"]),
            "selectors": selectors(self.params["data_arns"]),
            "logging": self.params["logging"],
        }

    def find(self) -> Properties | None:
        try:
            trail = self.client.get_trail(Name=self.name)["Trail"]
            arn = trail["TrailARN"]
            recorded = self.client.get_event_selectors(TrailName=arn)
            logging = self.client.get_trail_status(Name=arn)["IsLogging"]
        except self.client.exceptions.TrailNotFoundException:
            return None
        tags = [tag for one in self.client.list_tags(ResourceIdList=[arn])["ResourceTagList"] for tag in one.get("TagsList", [])]
        found = {option: trail.get(field) or self.options[option].get("default", "") for option, (_written, field) in FIELDS.items()}
        switches = {option: trail.get(FIELDS[option][1], False) for option in ("multi_region", "log_file_validation")}
        return {
            "name": self.name,
            "arn": arn,
            **found,
            **switches,
            "log_group_arn": found["log_group_arn"].removesuffix(ALL_STREAMS),
            # A trail has selectors of one kind or the other.
            "selectors": recorded.get("AdvancedEventSelectors") or recorded.get("EventSelectors", []),
            "logging": logging,
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        fields = {name: value for name, value in self._fields(wanted).items() if value != ""}
        self.client.create_trail(Name=self.name, IncludeGlobalServiceEvents=True, TagsList=ansible_dict_to_boto3_tag_list(tags), **fields)
        self._finish({key: wanted[key] for key in ("selectors", "logging")}, selectors([]), False)

    def update(self, current: Properties, changes: Properties) -> None:
        if fields := self._fields(changes):
            # AWS takes the log group and its role together.
            both = self._fields({key: (current | changes)[key] for key in ("log_group_arn", "role_arn")})
            together = both if fields.keys() & both.keys() else {}
            self.client.update_trail(Name=self.name, IncludeGlobalServiceEvents=True, **{**fields, **together})
        self._finish(changes, current["selectors"], current["logging"])

    def _finish(self, wanted: Properties, had: list[Any], logged: bool) -> None:
        """What a trail has calls of their own for."""
        if wanted.get("selectors", had) != had:
            self.client.put_event_selectors(TrailName=self.name, EventSelectors=wanted["selectors"])
        if wanted.get("logging", logged) != logged:
            (self.client.start_logging if wanted["logging"] else self.client.stop_logging)(Name=self.name)

    @staticmethod
    def _fields(properties: Properties) -> dict[str, Any]:
        fields = {written: properties[option] for option, (written, _read) in FIELDS.items() if option in properties}
        if fields.get("CloudWatchLogsLogGroupArn"):
            fields["CloudWatchLogsLogGroupArn"] += ALL_STREAMS
        return fields

    def delete(self, current: Properties) -> None:
        self.client.delete_trail(Name=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.remove_tags(ResourceId=current["arn"], TagsList=[{"Key": key} for key in remove])
        if add:
            self.client.add_tags(ResourceId=current["arn"], TagsList=ansible_dict_to_boto3_tag_list(add))

    def _key_arn(self, name: str) -> str:
        """What AWS calls a key of any name."""
        if not name:
            return ""
        kms = aws_client(self.module, "kms")
        try:
            return str(kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"])
        except kms.exceptions.NotFoundException as error:
            raise ResourceError(f"kms_key_id names {name}, which is no key of {self.module.region}: make the key first.") from error


def selectors(data_arns: list[str]) -> list[dict[str, Any]]:
    """Every management event, and the events of the named objects."""
    data = [{"Type": OBJECTS, "Values": sorted(data_arns)}] if data_arns else []
    return [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": data, "ExcludeManagementEventSources": []}]


def main() -> None:
    run(Trail)


if __name__ == "__main__":
    main()
