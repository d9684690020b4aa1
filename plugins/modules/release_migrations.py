#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_migrations
version_added: 0.2.0
short_description: Read what a release does to the database
description:
  - Reads the files C(migrations/*.sql) of a release's archive, which has to be the one that was kept.
options:
  artifact:
    description: Where the environment's copy of the archive lies, C(s3://<bucket>/<key>).
    type: str
    required: true
  sha256:
    description: Its checksum.
    type: str
    required: true
  kind:
    description: Those that are read.
    type: str
    choices: [expand, contract]
    required: true
attributes:
  check_mode:
    description: Only reads.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Read what the release needs of the database
  indivillage.infra.release_migrations:
    artifact: s3://indivillage-staging-operations/releases/9f86d081884c.tar.gz
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    kind: expand
"""

RETURN = r"""
migrations:
  description: The migrations in their order, each with its C(name), C(kind), C(sha256) and C(sql).
  returned: success
  type: list
  elements: dict
  sample: [{name: 0001_visits, kind: expand, sha256: 5891b5b522d5, sql: CREATE TABLE IF NOT EXISTS visits (at timestamptz)}]
"""

import hashlib
import io

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.migrations import MigrationError, migrations_in


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "artifact": {"required": True},
            "sha256": {"required": True},
            "kind": {"required": True, "choices": ["expand", "contract"]},
        },
        supports_check_mode=True,
    )
    artifact, sha256 = module.params["artifact"], module.params["sha256"]
    bucket, _slash, key = artifact.removeprefix("s3://").partition("/")
    with reporting(module, f"read the migrations of {artifact}"):
        content = aws_client(module, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ResourceError(f"its checksum is {found} and not {sha256}.")
        try:
            migrations = migrations_in(io.BytesIO(content))
        except MigrationError as error:
            raise ResourceError(f"{error}.") from error
    module.exit_json(changed=False, migrations=[one for one in migrations if one["kind"] == module.params["kind"]])


if __name__ == "__main__":
    main()
