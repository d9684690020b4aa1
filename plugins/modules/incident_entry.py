#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_entry
version_added: 0.2.0
short_description: Record in an open incident's timeline what was done, with its evidence
description:
  - Adds one entry. An entry that is there stays as it is, so a repeated run adds nothing.
  - With O(bucket) files are kept below C(incidents/<incident>/<key>/), each with its SHA-256, which S3 checks on the way, and
    C(custody.json), the record of the chain of custody. The record names the digest of the record before it, and the entry names the
    digest of the record. Whoever changes one has to change all that follow, in the bucket and in the table.
options:
  incident:
    description: Name of the incident.
    type: str
    required: true
  key:
    description: What tells this entry from others of the incident.
    type: str
    required: true
  kind:
    description: What kind of entry it is.
    type: str
    required: true
  text:
    description: One sentence for people.
    type: str
    required: true
  details:
    description: What programs read of it.
    type: dict
    default: {}
  bucket:
    description: The bucket that keeps evidence.
    type: str
  files:
    description: Files of this machine to keep there, each with its C(path) and the C(sha256) that it has to have.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      sha256:
        description: What it was where it was made.
        type: str
        required: true
  run_id:
    description: The run that did it.
    type: str
    default: ''
extends_documentation_fragment:
  - indivillage.infra.incidents
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells whether the entry would be added.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Record what was done
  indivillage.infra.incident_entry:
    environment_name: production
    table: indivillage-production-incidents
    incident: 2026-03-01-web-probe
    key: isolated-i-0123456789abcdef0
    kind: isolated
    text: Isolated i-0123456789abcdef0
    details: {instance_id: i-0123456789abcdef0}
"""

RETURN = r"""
record:
  description: Where the record of the chain of custody lies, and its digest. Empty without evidence, or when the entry was there.
  returned: always
  type: dict
  sample: {place: s3://indivillage-production-operations/incidents/2026-03-01-web-probe/evidence-1/custody.json, sha256: 9f86d081}
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.incidents import Entry, IncidentLog, digest, now


def keep(s3: Any, bucket: str, key: str, data: bytes) -> dict[str, Any]:
    """Write one object, which S3 compares with its checksum; its place, size and digest."""
    sha256 = hashlib.sha256(data)
    s3.put_object(Bucket=bucket, Key=key, Body=data, ChecksumSHA256=base64.b64encode(sha256.digest()).decode())
    return {"place": f"s3://{bucket}/{key}", "bytes": len(data), "sha256": sha256.hexdigest()}


def custody(module: AnsibleAWSModule, entries: list[Entry], by: str) -> Entry:
    """Keep the files and the record of who took them when; details of the entry. ResourceError when a file is not what it was."""
    params, s3 = module.params, aws_client(module, "s3")
    folder = f"incidents/{params['incident']}/{params['key']}"
    kept = []
    for file in params["files"]:
        data = Path(file["path"]).read_bytes()
        if digest(data) != file["sha256"]:
            raise ResourceError(f"{file['path']} has not the digest {file['sha256']} that it had where it was made. Collect it again.")
        kept.append(keep(s3, params["bucket"], f"{folder}/{Path(file['path']).name}", data))
    before = [entry["details"]["record"]["sha256"] for entry in entries if entry["details"].get("record")]
    record = {
        "format": 1,
        "environment": params["environment_name"],
        "incident": params["incident"],
        "key": params["key"],
        "taken": now(),
        "by": by,
        "run": params["run_id"],
        "what": params["text"],
        "details": params["details"],
        "files": kept,
        "before": before[-1] if before else "",
    }
    written = keep(s3, params["bucket"], f"{folder}/custody.json", json.dumps(record, indent=1, sort_keys=True).encode())
    return {"files": kept, "record": written}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{key: {"required": True} for key in ("environment_name", "table", "incident", "kind", "text")},
            "key": {"required": True, "no_log": False},  # a name
            "details": {"type": "dict", "default": {}},
            "bucket": {},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "sha256": {"required": True}},
            },
            "run_id": {"default": ""},
        },
        supports_check_mode=True,
    )
    params, sts = module.params, aws_client(module, "sts")
    log = IncidentLog(aws_client(module, "dynamodb"), sts, params["table"], params["environment_name"])
    details: Entry = dict(params["details"])
    with reporting(module, f"record '{params['text']}' in incident '{params['incident']}'"):
        entries = log.of_open(params["incident"])
        new = not any(entry["key"] == params["key"] for entry in entries)
        if new and not module.check_mode:
            if params["bucket"]:
                details |= custody(module, entries, sts.get_caller_identity()["Arn"])
            log.append(params["incident"], params["key"], params["kind"], params["text"], details)
    module.exit_json(
        changed=new,
        record=details.get("record", {}),
        diff={"before": {}, "after": {"text": params["text"], **details}} if new else {"before": {}, "after": {}},
    )


if __name__ == "__main__":
    main()
