#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: lease_release
version_added: 0.1.0
short_description: Take an environment's lease away from the run that holds it
description:
  - Frees the lease and records who did that and why. A run that still holds it is stopped by its keeper at its next heartbeat, within
    seconds, and may leave work half done, which the next run completes.
  - Meant for a run that cannot end by itself; a lease whose holder died ends by itself and is taken over by the next run.
options:
  environment_name:
    description: Whose lease.
    type: str
    required: true
  lease_table:
    description: The DynamoDB table of the leases.
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
  reason:
    description: Why the lease is taken away; at least a word.
    type: str
    required: true
  record:
    description: The record of this release, as far as the control node knows it; see the action plugin of the same name.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says who holds the lease.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Free the lease of a run that hangs
  indivillage.infra.lease_release:
    environment_name: staging
    region: us-east-1
    lease_table: indivillage-staging-leases
    runs_table: indivillage-staging-deployments
    bucket: indivillage-staging-operations
    reason: the job runner lost its network, and its job waits for ever
"""

RETURN = r"""
holder:
  description: Who held the lease; empty when nobody did.
  returned: always
  type: dict
  sample: {run_id: 20260102T030405Z-1a2b3c, who: ada@desk, commit: 0123abc, reason: site.yml, since: 1767323045, token: 17}
msg:
  description: The same for people.
  returned: always
  type: str
"""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.lease import LeaseError, LeaseTable, LostError, ServerClock, describe
from ansible_collections.indivillage.infra.plugins.module_utils.run_history import RunHistory

with suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{key: {"required": True} for key in ("environment_name", "lease_table", "runs_table", "bucket", "reason")},
            "record": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    if not module.params["reason"].strip():
        module.fail_json(
            msg="Nothing was released: say why, with -e reason='<why>'. The reason is recorded, and read by whoever loses the lease."
        )
    try:
        module.exit_json(**release(module))
    except (LeaseError, BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not release the lease of {module.params['environment_name']}")


def release(module: AnsibleAWSModule) -> dict[str, Any]:
    """Free the lease and record it; the module's result."""
    environment, reason = module.params["environment_name"], module.params["reason"].strip()
    dynamodb = module.client("dynamodb")
    clock = ServerClock(dynamodb)
    leases = LeaseTable(dynamodb, module.params["lease_table"], clock)
    holder = leases.holder(environment)
    if holder is None:
        return {"changed": False, "holder": {}, "msg": f"Nobody holds the lease of {environment}."}
    told = describe(holder, clock())
    if module.check_mode:
        return {"changed": True, "holder": asdict(holder), "msg": f"The lease of {environment} is held.\n{told}"}
    try:
        leases.release(environment, holder)
    except LostError as error:
        raise LeaseError(f"The lease of {environment} changed hands in this moment: look again who holds it.") from error
    history = RunHistory(dynamodb, module.client("s3"), module.params["runs_table"], module.params["bucket"])
    record = {**module.params["record"], "result": "released", "token": holder.token}
    record["note"] = f"took the lease from run {holder.run_id} of {holder.who}: {reason}"
    history.put(record)
    history.close(environment, holder.run_id, f"its lease was taken away by {record['who']}: {reason}")
    return {"changed": True, "holder": asdict(holder), "msg": f"The lease of {environment} is free. It was held.\n{told}"}


if __name__ == "__main__":
    main()
