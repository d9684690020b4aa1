#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evidence
version_added: 0.3.0
short_description: Write a signed bundle of evidence for auditors
description:
  - Reads what the sources tell, and writes to C(evidence/<environment>/<time>/) of a bucket one file for each, the control matrix with what
    speaks for each measure, and a signed manifest. Nothing is written when a source cannot be read.
  - Each manifest holds the digest of the one before, so that a bundle that is taken away is missed.
  - Every run makes a new bundle.
options:
  environment_name:
    description: Whose evidence.
    type: str
    required: true
  name_prefix:
    description: What the names of the environment's resources begin with.
    type: str
    required: true
  account_id:
    description: The account.
    type: str
    required: true
  sources:
    description: What is read.
    type: list
    elements: str
    choices: [access, backups, compliance, findings, images, proofs, runs, trail]
    required: true
  days:
    description: How far back runs, backups and proofs go.
    type: int
    default: 31
  measures:
    description: The measures of the control matrix, as in C(docs/controls/controls.yml).
    type: list
    elements: dict
    default: []
  bucket:
    description: The bucket of the bundles.
    type: str
    required: true
  runs_table:
    description: The DynamoDB table of the runs.
    type: str
    required: true
  key:
    description: The KMS key that signs, by its id, ARN or alias; an ECC_NIST_P256 key.
    type: str
    required: true
  about:
    description: What else the manifest says, such as the commit and who collects.
    type: dict
    default: {}
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Reads the sources, but for IAM's report, which would have to be made, and writes nothing.
    support: full
  diff_mode:
    description: A bundle is always new.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Write the evidence of a month
  indivillage.infra.evidence:
    environment_name: production
    name_prefix: indivillage-production
    account_id: "123456789012"
    sources: [access, runs]
    bucket: indivillage-production-operations
    runs_table: indivillage-production-deployments
    key: alias/indivillage-production-evidence
"""

RETURN = r"""
place:
  description: Where the bundle is, or in check mode would be.
  returned: always
  type: str
  sample: s3://indivillage-production-operations/evidence/production/20260102T030405Z/
manifest:
  description: The manifest that was signed. Left out in check mode.
  returned: when a bundle was written
  type: dict
  sample: {format: 1, environment: production, files: {runs.json: {sha256: 5f70..., bytes: 2048}}}
"""

import datetime

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.evidence import CONTROLS, SOURCES, TIME, Bundles, Scope, mapped
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory


def main() -> None:
    """Read all sources, and then write."""
    required = ("environment_name", "name_prefix", "account_id", "bucket", "runs_table", "key")
    module = AnsibleAWSModule(
        argument_spec={
            **{name: {"required": True, "no_log": False} for name in required},
            "sources": {"type": "list", "elements": "str", "choices": sorted(SOURCES), "required": True},
            "days": {"type": "int", "default": 31},
            "measures": {"type": "list", "elements": "dict", "default": []},
            "about": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["days"] < 1:
        module.fail_json(msg=f"days is {given['days']}: give 1 or more.")
    now = datetime.datetime.now(datetime.UTC)
    begin = now - datetime.timedelta(days=given["days"])
    scope = Scope(given["environment_name"], given["name_prefix"], begin, given["bucket"], module.check_mode)

    def client(service: str) -> object:
        return aws_client(module, service)

    history = RunHistory(client("dynamodb"), client("s3"), given["runs_table"], given["bucket"])
    bundles = Bundles(client("s3"), client("kms"), given["bucket"], given["environment_name"], given["key"])
    name, collected = now.strftime(TIME), {}
    for source in given["sources"]:
        with reporting(module, f"read the evidence '{source}'; nothing was written"):
            collected[source] = SOURCES[source](client, scope, history)
    if module.check_mode:
        module.exit_json(changed=True, place=bundles.place(name))
    files = {f"{source}.json": document for source, document in collected.items()}
    files[CONTROLS] = {"measures": mapped(given["measures"], collected)}
    about = {
        "environment": scope.environment,
        "account": given["account_id"],
        "begin": begin.isoformat(),
        "end": now.isoformat(),
        "left_out": sorted(set(SOURCES) - set(collected)),
        **given["about"],
    }
    with reporting(module, f"write {bundles.place(name)}"):
        manifest = bundles.write(name, files, about)
    module.exit_json(changed=True, place=bundles.place(name), manifest=manifest)


if __name__ == "__main__":
    main()
