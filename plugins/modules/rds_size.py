#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rds_size
version_added: 0.2.0
short_description: Give an RDS instance another class or more storage, now
description:
  - Changes class and storage at once, outside of the maintenance window, and waits until the instance has them and is available.
  - Says how long nobody can ask it. With a standby in another zone RDS fails over, which takes one or two minutes; without one the
    instance is away for minutes, which O(accept_downtime) has to agree to. More storage interrupts nothing.
  - Refuses less storage, which RDS cannot give back, and an instance that is at work on something else.
options:
  name:
    description: Identifier of the instance.
    type: str
    required: true
  instance_class:
    description: The class.
    type: str
  storage_gib:
    description: The storage. RDS takes no further change of it for six hours after one.
    type: int
  accept_downtime:
    description: Whether an instance without a standby may be away.
    type: bool
    default: false
  wait_timeout_seconds:
    description: How long it may take.
    type: int
    default: 3600
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have a larger database
  indivillage.infra.rds_size:
    name: indivillage-production-db
    instance_class: db.m5.xlarge
"""

RETURN = r"""
resource:
  description: What it has, and what a change of it means for those who ask it.
  returned: always
  type: dict
  sample: {instance_class: db.m5.xlarge, storage_gib: 100, status: available, downtime: "one or two minutes, while it fails over"}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    Properties,
    Resource,
    ResourceError,
    differences,
    run,
    wait_until,
)

WITH_STANDBY = "one or two minutes, while it fails over to the other zone"
WITHOUT = "several minutes, for it has no standby"


class Size(Resource):
    service = "rds"
    kind = "size of database"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "instance_class": {},
        "storage_gib": {"type": "int"},
        "accept_downtime": {"type": "bool", "default": False},
        "wait_timeout_seconds": {"type": "int", "default": 3600},
        "poll_seconds": {"type": "int", "default": 5},
    }
    properties = ("instance_class", "storage_gib")
    deferred = frozenset(properties)
    taggable = False
    lasting = True
    asked = False
    """Whether this run has changed it."""

    def find(self) -> Properties | None:
        try:
            instance = self.client.describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"][0]
        except self.client.exceptions.DBInstanceNotFoundFault as error:
            raise ResourceError("there is no instance of that name in this region.") from error
        self.current = {
            "instance_class": instance["DBInstanceClass"],
            "storage_gib": instance["AllocatedStorage"],
            "status": instance["DBInstanceStatus"],
            "pending": sorted(instance.get("PendingModifiedValues") or {}),
            "downtime": WITH_STANDBY if instance["MultiAZ"] else WITHOUT,
        }
        return dict(self.current)

    def declared(self) -> Properties:
        wanted = super().declared()
        changes = differences(type(self), {key: value for key, value in wanted.items() if value is not None}, self.current)
        if "storage_gib" in changes and changes["storage_gib"] < self.current["storage_gib"]:
            raise ResourceError(f"it has {self.current['storage_gib']} GiB, and RDS takes none back.")
        if changes and self.current["status"] != "available":
            raise ResourceError(f"it is {self.current['status']}: wait until it is available.")
        if "instance_class" in changes and self.current["downtime"] == WITHOUT and not self.params["accept_downtime"]:
            raise ResourceError(f"nobody could ask it for {WITHOUT}. Agree to that with resize_accept_downtime=true, at a quiet hour.")
        return wanted

    def update(self, current: Properties, changes: Properties) -> None:
        self.asked = True
        named = {"instance_class": "DBInstanceClass", "storage_gib": "AllocatedStorage"}
        self.client.modify_db_instance(
            DBInstanceIdentifier=self.name, ApplyImmediately=True, **{named[name]: value for name, value in changes.items()}
        )

    def settle(self, current: Properties) -> Properties:
        if not self.asked:
            return current
        wanted = {key: value for key, value in super().declared().items() if value is not None}

        def done() -> bool:
            self.find()
            return {key: self.current[key] for key in wanted} == wanted and self.current["status"] == "available"

        wait_until(done, "it to be available with all of it", self.params["wait_timeout_seconds"], self.params["poll_seconds"])
        return dict(self.current)


def main() -> None:
    run(Size)


if __name__ == "__main__":
    main()
