#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: run_info
version_added: 0.1.0
short_description: Read the records of an environment's runs
description:
  - Lists the latest runs, or gives the whole record of one.
options:
  environment_name:
    description: Whose runs.
    type: str
    required: true
  runs_table:
    description: The DynamoDB table of the runs.
    type: str
    required: true
  bucket:
    description: The S3 bucket of the records.
    type: str
    required: true
  run_id:
    description: The one run whose whole record is wanted. It fails when there is none of that id.
    type: str
  last:
    description: How many runs to list.
    type: int
    default: 20
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
- name: Read the last runs
  indivillage.infra.run_info:
    environment_name: staging
    region: us-east-1
    runs_table: indivillage-staging-deployments
    bucket: indivillage-staging-operations
  register: runs
"""

RETURN = r"""
runs:
  description: One entry for each run, the latest first; C(docs/runs.md) describes the keys. With I(run_id) the whole record of that run.
  returned: success
  type: list
  elements: dict
  sample:
    - {run_id: 20260102T030405Z-1a2b3c, who: ada@desk, commit: 0123abc, result: succeeded, seconds: 62.4, changed: 3}
table:
  description: The same as a table for people, one text a row. Empty with I(run_id).
  returned: success
  type: list
  elements: str
"""

from contextlib import suppress

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory, table

with suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{key: {"required": True} for key in ("environment_name", "runs_table", "bucket")},
            "run_id": {},
            "last": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    environment, run_id = module.params["environment_name"], module.params["run_id"]
    history = RunHistory(module.client("dynamodb"), module.client("s3"), module.params["runs_table"], module.params["bucket"])
    try:
        if run_id:
            record = history.whole(environment, run_id)
            if record is None:
                module.fail_json(
                    msg=f"{environment} has no run {run_id}: playbooks/show_runs.yml without run_id lists those that there are."
                )
            module.exit_json(changed=False, runs=[record], table=[])
        lines = history.last(environment, module.params["last"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not read the runs of {environment}")
    module.exit_json(changed=False, runs=lines, table=table(lines))


if __name__ == "__main__":
    main()
