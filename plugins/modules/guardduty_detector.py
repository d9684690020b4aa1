#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: guardduty_detector
version_added: 0.3.0
short_description: Manage the GuardDuty detector of a region
description:
  - Creates, changes and deletes the detector of a region, of which an account has one. One that is there is taken over.
  - Deleting it deletes its findings.
options:
  enabled:
    description: Whether it looks for threats.
    type: bool
    default: true
  frequency:
    description: How often new occurrences of a known finding are told.
    type: str
    choices: [FIFTEEN_MINUTES, ONE_HOUR, SIX_HOURS]
    default: SIX_HOURS
  features:
    description:
      - What it looks at besides what every detector does, such as V(S3_DATA_EVENTS), and whether it does.
      - Features that are not named are left alone.
    type: dict
    default: {}
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
- name: Look for threats, also in what is done to objects
  indivillage.infra.guardduty_detector:
    frequency: FIFTEEN_MINUTES
    features:
      S3_DATA_EVENTS: true
      EKS_AUDIT_LOGS: false
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The detector. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    id: {description: Id of the detector., type: str, returned: when the detector exists}
    arn: {description: ARN of the detector., type: str, returned: when the detector exists}
    features: {description: Each feature that AWS knows and whether it is on., type: dict, returned: when the detector exists}
  sample: {enabled: true, frequency: FIFTEEN_MINUTES, features: {S3_DATA_EVENTS: true}}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

STATUS = {True: "ENABLED", False: "DISABLED"}


class Detector(Resource):
    service = "guardduty"
    kind = "detector"
    options: ClassVar[dict[str, Any]] = {
        "enabled": {"type": "bool", "default": True},
        "frequency": {"choices": ["FIFTEEN_MINUTES", "ONE_HOUR", "SIX_HOURS"], "default": "SIX_HOURS"},
        "features": {"type": "dict", "default": {}},
    }
    properties = ("enabled", "frequency", "features")

    def __str__(self) -> str:
        return f"the {self.kind} of {self.module.region}"

    def declared(self) -> Properties:
        wanted = super().declared()
        known = self._known_features()
        for name, value in wanted["features"].items():
            if name not in known:
                raise ResourceError(f"{name} is no feature. Features are: {', '.join(sorted(known))}.")
            if not isinstance(value, bool):
                raise ResourceError(f"the feature {name} is {value!r}; it can be true or false.")
        return wanted

    def find(self) -> Properties | None:
        for identifier in self.client.list_detectors()["DetectorIds"]:
            detector = self.client.get_detector(DetectorId=identifier)
            partition, account = (detector.get("ServiceRole", "").split(":") + [""] * 5)[1:5:3]
            return {
                "id": identifier,
                "arn": f"arn:{partition}:guardduty:{self.module.region}:{account}:detector/{identifier}",
                "enabled": detector["Status"] == STATUS[True],
                "frequency": detector.get("FindingPublishingFrequency"),
                "features": {feature["Name"]: feature["Status"] == STATUS[True] for feature in detector.get("Features", [])},
                "tags": detector.get("Tags", {}),
            }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_detector(**self._fields(wanted), Tags=tags)

    def update(self, current: Properties, changes: Properties) -> None:
        had = current["features"]
        features = {name: value for name, value in changes.get("features", {}).items() if had.get(name) is not value}
        self.client.update_detector(DetectorId=current["id"], **self._fields({**changes, "features": features}))

    @staticmethod
    def _fields(properties: Properties) -> dict[str, Any]:
        features = [{"Name": name, "Status": STATUS[value]} for name, value in sorted(properties["features"].items())]
        return {
            **({"Enable": properties["enabled"]} if "enabled" in properties else {}),
            **({"FindingPublishingFrequency": properties["frequency"]} if "frequency" in properties else {}),
            **({"Features": features} if features else {}),
        }

    def delete(self, current: Properties) -> None:
        self.client.delete_detector(DetectorId=current["id"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceArn=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceArn=current["arn"], Tags=add)

    def _known_features(self) -> set[str]:
        request = self.client.meta.service_model.operation_model("CreateDetector").input_shape
        return set(request.members["Features"].member.members["Name"].enum)


def main() -> None:
    run(Detector)


if __name__ == "__main__":
    main()
