#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_catalogue
version_added: 0.2.0
short_description: Complete, find, check and expire the backups of an environment
description:
  - V(complete) writes the document that makes a backup one, after each of its objects was seen to be there with its size.
  - V(find) reads one, the newest when no O(backup_id) is given.
  - V(check) reads every byte of it as well, and fails with each object that is gone or is not what it was.
  - V(expire) forgets the backups of a kind whose time is over.
options:
  action:
    description: What to do.
    type: str
    choices: [complete, find, check, expire]
    default: find
  bucket:
    description: The bucket of the backups.
    type: str
    required: true
  kind:
    description: What is backed up.
    type: str
    choices: [database, uploads, configuration, content]
    required: true
  backup_id:
    description: The backup, by the moment at which it was begun. Needed to complete one.
    type: str
  objects:
    description: For V(complete), the objects with C(key), C(sha256) and C(bytes).
    type: list
    elements: dict
    default: []
  files:
    description: For V(complete), files of this machine, each with C(path) and C(name), that become objects.
    type: list
    elements: dict
    default: []
  details:
    description: For V(complete), what a restore of it must hold, and where it is from.
    type: dict
    default: {}
  keep_days:
    description: For V(expire), how long one is kept.
    type: int
    default: 30
  legal_days:
    description: For V(expire), how long the first one of each month is kept.
    type: int
    default: 2555
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Writes nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Read every byte of the newest dump
  indivillage.infra.backup_catalogue:
    action: check
    bucket: indivillage-production-backups
    kind: database
"""

RETURN = r"""
backup:
  description: The backup's document.
  returned: unless it expires others, or is completed in check mode
  type: dict
  sample: {kind: database, id: 20260301T020304Z, objects: [], details: {}, sha256: 9f86d081}
expired:
  description: The ids of those that were forgotten, or would be.
  returned: with O(action=expire)
  type: list
  elements: str
seconds:
  description: How long reading every byte took.
  returned: with O(action=check)
  type: float
"""

import base64
import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.backups import FOLDERS, ID, KINDS, Backup, Catalogue, expired, faults


def complete(catalogue: Catalogue, params: dict[str, Any]) -> Backup:
    """Write the document, when all that it names is there."""
    kind, identifier = params["kind"], params["backup_id"]
    objects = list(params["objects"])
    for file in params["files"]:
        data = Path(file["path"]).read_bytes()
        sha256, key = hashlib.sha256(data), f"{FOLDERS[kind]}/{identifier}/{file['name']}"
        checksum = base64.b64encode(sha256.digest()).decode()
        catalogue.s3.put_object(Bucket=catalogue.bucket, Key=key, Body=data, ChecksumSHA256=checksum)
        objects.append({"key": key, "sha256": sha256.hexdigest(), "bytes": len(data)})
    for item in objects:
        if params["kind"] == "uploads":
            continue  # they were seen one by one when they were copied
        there = catalogue.s3.head_object(Bucket=catalogue.bucket, Key=item["key"])["ContentLength"]
        if there != int(item["bytes"]):
            raise ResourceError(f"s3://{catalogue.bucket}/{item['key']} has {there} bytes and not {item['bytes']}. Back it up again.")
    return catalogue.write({"format": 1, "kind": kind, "id": identifier, "objects": objects, "details": params["details"]})


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "action": {"choices": ["complete", "find", "check", "expire"], "default": "find"},
            "bucket": {"required": True},
            "kind": {"choices": list(KINDS), "required": True},
            "backup_id": {},
            "objects": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "dict", "default": []},
            "details": {"type": "dict", "default": {}},
            "keep_days": {"type": "int", "default": 30},
            "legal_days": {"type": "int", "default": 2555},
        },
        required_if=[("action", "complete", ["backup_id"])],
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    action, kind, began = params["action"], params["kind"], time.monotonic()
    if params["backup_id"] and not ID.fullmatch(params["backup_id"]):
        module.fail_json(msg=f"backup_id is '{params['backup_id']}', which is no moment such as 20260301T020304Z.")
    catalogue = Catalogue(aws_client(module, "s3"), params["bucket"])
    with reporting(module, f"{action} {kind} backup {params['backup_id'] or ''}".rstrip()):
        if action == "complete":
            if module.check_mode:
                module.exit_json(changed=True)
            module.exit_json(changed=True, backup=complete(catalogue, params))
        if action == "expire":
            known = [catalogue.read(kind, identifier) for identifier in catalogue.ids(kind)]
            over = expired(known, params["keep_days"], params["legal_days"], datetime.now(UTC))
            for backup in [] if module.check_mode else over:
                catalogue.forget(backup)
            module.exit_json(changed=bool(over), expired=[backup["id"] for backup in over])
        backup = catalogue.read(kind, params["backup_id"]) if params["backup_id"] else catalogue.newest(kind)
        if action == "check":
            found = list(faults(catalogue.s3, catalogue.bucket, backup))
            if found:
                raise ResourceError(f"backup {backup['id']} cannot be restored: {' '.join(found)}")
    module.exit_json(changed=False, backup=backup, seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    main()
