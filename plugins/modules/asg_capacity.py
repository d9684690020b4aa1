#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_capacity
version_added: 0.2.0
short_description: Set the limits and the capacity of an Auto Scaling group
description:
  - Changes the group's least, most and desired number of instances and nothing else of it. What is left out stays.
  - Refuses numbers that do not fit together, with those that stay.
options:
  name:
    description: Name of the group.
    type: str
    required: true
  min_size:
    description: The least number.
    type: int
  max_size:
    description: The greatest number.
    type: int
  desired_capacity:
    description: The number now. The group's scaling policies may change it within the limits at any time.
    type: int
  highest:
    description: More instances than this are refused, whatever is asked for.
    type: int
    default: 50
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells what would be written.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have more web servers
  indivillage.infra.asg_capacity:
    name: indivillage-production-web
    max_size: 14
    desired_capacity: 8
"""

RETURN = r"""
resource:
  description: The group's numbers, and the numbers of its instances in service.
  returned: always
  type: dict
  sample: {min_size: 3, max_size: 14, desired_capacity: 8, in_service: 5}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

NUMBERS = {"min_size": "MinSize", "max_size": "MaxSize", "desired_capacity": "DesiredCapacity"}


class Capacity(Resource):
    service = "autoscaling"
    kind = "capacity of Auto Scaling group"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        **{name: {"type": "int"} for name in NUMBERS},
        "highest": {"type": "int", "default": 50},
    }
    properties = tuple(NUMBERS)
    taggable = False
    lasting = True

    def find(self) -> Properties | None:
        groups = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        if not groups:
            raise ResourceError("there is no group of that name in this region.")
        serving = [one for one in groups[0]["Instances"] if (one["LifecycleState"], one["HealthStatus"]) == ("InService", "Healthy")]
        self.current = {name: groups[0][key] for name, key in NUMBERS.items()}
        return {**self.current, "in_service": len(serving)}

    def declared(self) -> Properties:
        wanted = super().declared()
        whole = self.current | {name: number for name, number in wanted.items() if number is not None}
        if not 0 <= whole["min_size"] <= whole["desired_capacity"] <= whole["max_size"]:
            raise ResourceError(
                "the least, the desired and the greatest number would be"
                f" {whole['min_size']}, {whole['desired_capacity']} and {whole['max_size']}, which do not fit. Give the others as well."
            )
        if whole["max_size"] > self.params["highest"]:
            raise ResourceError(
                f"{whole['max_size']} instances are more than the {self.params['highest']} that aws_compute_highest allows."
            )
        return wanted

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_auto_scaling_group(AutoScalingGroupName=self.name, **{NUMBERS[name]: number for name, number in changes.items()})


def main() -> None:
    run(Capacity)


if __name__ == "__main__":
    main()
