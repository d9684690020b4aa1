#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bucket_backup
version_added: 0.2.0
short_description: Copy the objects of a bucket into a store, and list them with their digests
description:
  - Reads each version that the backup before did not have, and keeps it in the store under its SHA-256. Equal objects are kept once.
  - Completes a backup of kind C(uploads) in the catalogue, which names each object by its key.
  - A run that was killed has kept what it has read; the same again goes on from there.
options:
  source:
    description: The bucket to back up. It has to keep versions.
    type: str
    required: true
  backup_id:
    description: The new backup, by the moment at which it is begun.
    type: str
    required: true
extends_documentation_fragment:
  - indivillage.infra.backups
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Copies nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Back the uploads up
  indivillage.infra.bucket_backup:
    source: indivillage-production-uploads
    bucket: indivillage-production-backups
    backup_id: 20260301T020304Z
"""

RETURN = r"""
objects:
  description: How many objects the backup has.
  returned: success
  type: int
copied:
  description: How many of them were read and kept anew.
  returned: success
  type: int
bytes:
  description: Size of all of them.
  returned: success
  type: int
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
from ansible_collections.indivillage.infra.plugins.module_utils.backups import FOLDERS, Catalogue, object_digest

STORE = f"{FOLDERS['uploads']}/objects"


def versions(s3: Any, bucket: str) -> dict[str, str]:
    """The newest version of each object that is there, by its key."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    found = {item["Key"]: item["VersionId"] for page in pages for item in page.get("Versions", []) if item["IsLatest"]}
    if "null" in found.values():
        raise ResourceError(f"{bucket} keeps no versions, so an object could change while it is read: apply site.yml --tags aws_storage.")
    return found


def keep(s3: Any, source: str, bucket: str, key: str, version: str) -> dict[str, Any]:
    """Have one version in the store; how the backup names it. What S3 copies is the version that was read."""
    sha256, size = object_digest(s3, source, key, version)
    place = f"{STORE}/{sha256}"
    if not s3.list_objects_v2(Bucket=bucket, Prefix=place).get("Contents"):
        s3.copy_object(Bucket=bucket, Key=place, CopySource={"Bucket": source, "Key": key, "VersionId": version})
    return {"name": key, "version": version, "key": place, "sha256": sha256, "bytes": size}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{name: {"required": True} for name in ("source", "bucket", "backup_id")},
            "concurrency": {"type": "int", "default": 8},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    s3, began = aws_client(module, "s3"), time.monotonic()
    catalogue = Catalogue(s3, params["bucket"])
    with reporting(module, f"back {params['source']} up"):
        there = versions(s3, params["source"])
        before: dict[tuple[str, str], dict[str, Any]] = {}
        if catalogue.ids("uploads"):
            before = {(item["name"], item["version"]): item for item in catalogue.newest("uploads")["objects"]}
        new = {key: version for key, version in there.items() if (key, version) not in before}
        kept = [before[key, version] for key, version in there.items() if key not in new]
        if not module.check_mode:
            with ThreadPoolExecutor(params["concurrency"]) as pool:
                kept += pool.map(lambda item: keep(s3, params["source"], params["bucket"], *item), new.items())
            objects = sorted(kept, key=lambda item: str(item["name"]))
            details = {"source": params["source"]}
            catalogue.write({"format": 1, "kind": "uploads", "id": params["backup_id"], "objects": objects, "details": details})
    seconds = round(time.monotonic() - began, 2)
    module.exit_json(changed=True, objects=len(there), copied=len(new), bytes=sum(item["bytes"] for item in kept), seconds=seconds)


if __name__ == "__main__":
    main()
