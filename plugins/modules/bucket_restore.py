#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bucket_restore
version_added: 0.2.0
short_description: Restore the objects of a bucket to a new place, prove them, and put them back on demand
description:
  - Copies every object of a backup below C(restored/<id>/) in the bucket of the backups and reads each of them. One that is gone or
    corrupted ends it, before anything is put back.
  - With O(swap) each object that the target lacks, or has otherwise, is copied there. Nothing is deleted there, and what is
    overwritten stays as an older version.
  - With O(clean) the new place is emptied.
options:
  target:
    description: The bucket that was backed up.
    type: str
    required: true
  backup_id:
    description: The backup; the newest when left out.
    type: str
  swap:
    description: Whether the objects are put back.
    type: bool
    default: false
  clean:
    description: Whether the new place is emptied at the end.
    type: bool
    default: false
extends_documentation_fragment:
  - indivillage.infra.backups
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Copies nothing, and reads what the backup holds.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Restore the uploads beside the live ones
  indivillage.infra.bucket_restore:
    bucket: indivillage-production-backups
    target: indivillage-production-uploads
"""

RETURN = r"""
backup_id:
  description: The backup that was taken.
  returned: success
  type: str
proved:
  description: How many objects were restored, read and found equal.
  returned: success
  type: int
put_back:
  description: Names of the objects that the target lacked, or had otherwise.
  returned: success
  type: list
  elements: str
place:
  description: The new place.
  returned: success
  type: str
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.backups import Catalogue, faults, object_digest


class Restore:
    """The objects of one backup on their way back."""

    def __init__(self, s3: Any, params: dict[str, Any]) -> None:
        self.s3 = s3
        self.bucket: str = params["bucket"]
        self.target: str = params["target"]
        catalogue = Catalogue(s3, self.bucket)
        self.backup = catalogue.read("uploads", params["backup_id"]) if params["backup_id"] else catalogue.newest("uploads")
        if self.backup["details"]["source"] != self.target:
            raise ResourceError(f"backup {self.backup['id']} is one of {self.backup['details']['source']}, and not of {self.target}.")
        self.place = f"restored/{self.backup['id']}"
        self.pool = ThreadPoolExecutor(params["concurrency"])

    def prove(self) -> None:
        """Copy everything to the new place and read it there; ResourceError with each object that is not what it was."""
        found = [fault for fault in self.pool.map(self._restored, self.backup["objects"]) if fault]
        if found:
            raise ResourceError(f"backup {self.backup['id']} is corrupted, and nothing was put back. {' '.join(found)}")

    def _restored(self, item: dict[str, Any]) -> str:
        place = f"{self.place}/{item['name']}"
        try:
            object_digest(self.s3, self.bucket, item["key"])
            self.s3.copy_object(Bucket=self.bucket, Key=place, CopySource={"Bucket": self.bucket, "Key": item["key"]})
            copy = {**item, "key": place}
        except ResourceError as error:
            return str(error)
        return next(faults(self.s3, self.bucket, {"objects": [copy]}), "")

    def put_back(self, write: bool) -> list[str]:
        """Names of the objects that the target lacks or has otherwise; they are copied there if they are to be."""
        return sorted(name for name in self.pool.map(lambda item: self._returned(item, write), self.backup["objects"]) if name)

    def _returned(self, item: dict[str, Any], write: bool) -> str:
        try:
            if object_digest(self.s3, self.target, item["name"])[0] == item["sha256"]:
                return ""
        except ResourceError:
            pass  # it is gone, which is why it is restored
        if write:
            source = {"Bucket": self.bucket, "Key": f"{self.place}/{item['name']}"}
            self.s3.copy_object(Bucket=self.target, Key=item["name"], CopySource=source)
        return str(item["name"])

    def clean(self) -> None:
        """Empty the new place."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.place}/")
        for item in [item for page in pages for item in page.get("Contents", [])]:
            self.s3.delete_object(Bucket=self.bucket, Key=item["Key"])


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{name: {"required": True} for name in ("bucket", "target")},
            "backup_id": {},
            **{name: {"type": "bool", "default": False} for name in ("swap", "clean")},
            "concurrency": {"type": "int", "default": 8},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    began, put_back = time.monotonic(), list[str]()
    with reporting(module, f"restore {params['target']}"):
        restore = Restore(aws_client(module, "s3"), params)
        try:
            if not module.check_mode:
                restore.prove()
            put_back = restore.put_back(write=params["swap"] and not module.check_mode)
        finally:
            if params["clean"] and not module.check_mode:
                restore.clean()
    module.exit_json(
        changed=not module.check_mode or bool(put_back),
        backup_id=restore.backup["id"],
        proved=len(restore.backup["objects"]),
        put_back=put_back,
        place=f"s3://{params['bucket']}/{restore.place}/",
        seconds=round(time.monotonic() - began, 2),
    )


if __name__ == "__main__":
    main()
