#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: log_delivery
version_added: 0.2.0
short_description: Manage where an AWS service delivers the logs of a resource
description:
  - Makes a delivery source, a delivery destination and the delivery between them, as CloudFront's standard logging needs them. The two have
    the same name.
  - AWS cannot change them; where something differs they are deleted and made anew. What was delivered stays.
  - The bucket's policy has to let C(delivery.logs.amazonaws.com) write.
options:
  name:
    description: Name of source and destination.
    type: str
    required: true
  resource_arn:
    description: The resource whose logs are delivered. CloudFront's deliveries are managed in us-east-1.
    type: str
  log_type:
    description: Which of its logs.
    type: str
    default: ACCESS_LOGS
  destination_arn:
    description: The bucket, followed by the folder if there is one, C(arn:aws:s3:::<bucket>/<folder>).
    type: str
  output_format:
    description: Form of the logs.
    type: str
    choices: [json, plain, w3c, raw, parquet]
    default: json
  suffix_path:
    description: Folders below O(destination_arn), of words such as C({DistributionId}/{yyyy}/{MM}/{dd}).
    type: str
  fields:
    description: What of a record is delivered, as AWS calls it. AWS's own choice for the resource when left out.
    type: list
    elements: str
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
- name: Deliver the access logs of the distribution
  indivillage.infra.log_delivery:
    name: indivillage-staging-site
    resource_arn: "{{ distribution.resource.distribution_arn }}"
    destination_arn: arn:aws:s3:::indivillage-staging-logs/cloudfront
    region: us-east-1
"""

RETURN = r"""
resource:
  description: The delivery. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    source_arn:
      description: ARN of the delivery source.
      type: str
      returned: when it exists
      sample: arn:aws:logs:us-east-1:123456789012:delivery-source:indivillage-staging-site
    delivery_destination_arn:
      description: ARN of the delivery destination.
      type: str
      returned: when it exists
      sample: arn:aws:logs:us-east-1:123456789012:delivery-destination:indivillage-staging-site
    delivery_arn:
      description: ARN of the delivery between them.
      type: str
      returned: when it exists
      sample: arn:aws:logs:us-east-1:123456789012:delivery:a1B2c3D4e5F6g7H8
  sample: {name: indivillage-staging-site, log_type: ACCESS_LOGS, output_format: json}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run


class Delivery(Resource):
    service = "logs"
    kind = "log delivery"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "resource_arn": {},
        "log_type": {"default": "ACCESS_LOGS"},
        "destination_arn": {},
        "output_format": {"choices": ["json", "plain", "w3c", "raw", "parquet"], "default": "json"},
        "suffix_path": {},
        "fields": {"type": "list", "elements": "str"},
    }
    properties = ("resource_arn", "log_type", "destination_arn", "output_format", "suffix_path", "fields", "delivers")
    immutable = frozenset(properties)
    replaceable = True

    def declared(self) -> Properties:
        return {key: self.params[key] for key in self.properties if key != "delivers"} | {"delivers": True}

    def find(self) -> Properties | None:
        source, destination = self._source(), self._destination()
        if source is None and destination is None:
            return None
        delivery = self._delivery() or {}
        arns = [part["arn"] for part in (source, destination, delivery) if part and "arn" in part]
        return {
            "name": self.name,
            "source_arn": source and source["arn"],
            "delivery_destination_arn": destination and destination["arn"],
            "delivery_arn": delivery.get("arn"),
            "delivery_id": delivery.get("id"),
            "resource_arn": next(iter(source["resourceArns"]), "") if source else "",
            "log_type": source["logType"] if source else "",
            "destination_arn": destination["deliveryDestinationConfiguration"]["destinationResourceArn"] if destination else "",
            "output_format": destination.get("outputFormat", "") if destination else "",
            "suffix_path": delivery.get("s3DeliveryConfiguration", {}).get("suffixPath", ""),
            "fields": delivery.get("recordFields", []),
            "delivers": bool(destination and delivery.get("deliveryDestinationArn") == destination["arn"]),
            "tags": self._shared_tags(arns),
        }

    def _source(self) -> dict[str, Any] | None:
        try:
            return dict(self.client.get_delivery_source(name=self.name)["deliverySource"])
        except is_boto3_error_code("ResourceNotFoundException"):
            return None

    def _destination(self) -> dict[str, Any] | None:
        try:
            return dict(self.client.get_delivery_destination(name=self.name)["deliveryDestination"])
        except is_boto3_error_code("ResourceNotFoundException"):
            return None

    def _delivery(self) -> dict[str, Any] | None:
        found = [item for page in self.client.get_paginator("describe_deliveries").paginate() for item in page["deliveries"]]
        return next((item for item in found if item["deliverySourceName"] == self.name), None)

    def _shared_tags(self, arns: list[str]) -> dict[str, str]:
        """The tags that all three parts have, so that one without them is seen."""
        carried = [self.client.list_tags_for_resource(resourceArn=arn)["tags"] for arn in arns]
        return {key: value for key, value in carried[0].items() if all(tags.get(key) == value for tags in carried)}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        missing = [option for option in ("resource_arn", "destination_arn") if not wanted.get(option)]
        if missing:
            raise ResourceError(f"{' and '.join(missing)} are needed to create it.")
        tagged = {"tags": tags} if tags else {}
        self.client.put_delivery_source(name=self.name, resourceArn=wanted["resource_arn"], logType=wanted["log_type"], **tagged)
        destination = self.client.put_delivery_destination(
            name=self.name,
            outputFormat=wanted["output_format"],
            deliveryDestinationConfiguration={"destinationResourceArn": wanted["destination_arn"]},
            **tagged,
        )["deliveryDestination"]
        fields = {"recordFields": wanted["fields"]} if wanted.get("fields") else {}
        path = {"s3DeliveryConfiguration": {"suffixPath": wanted["suffix_path"]}} if wanted.get("suffix_path") else {}
        self.client.create_delivery(deliverySourceName=self.name, deliveryDestinationArn=destination["arn"], **fields, **path, **tagged)

    def delete(self, current: Properties) -> None:
        if current["delivery_id"]:
            self.client.delete_delivery(id=current["delivery_id"])
        if current["source_arn"]:
            self.client.delete_delivery_source(name=self.name)
        if current["delivery_destination_arn"]:
            self.client.delete_delivery_destination(name=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        for arn in (current["source_arn"], current["delivery_destination_arn"], current["delivery_arn"]):
            if remove:
                self.client.untag_resource(resourceArn=arn, tagKeys=remove)
            if add:
                self.client.tag_resource(resourceArn=arn, tags=add)


def main() -> None:
    run(Delivery)


if __name__ == "__main__":
    main()
