#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: begin_run
version_added: 0.1.0
short_description: Take an environment's lease and begin the record of this run
description:
  - Starts the keeper of this run, one process that takes the lease of the environment, renews it, and releases it when the run ends in any
    way, also by C(kill -9). It writes the record of the run, once now and once at the end.
  - Fails when another run holds the lease, and says who, since when, and how to take it over. A lease that has expired is taken over.
  - With I(approval=required) it makes the plan again, by running the same command line with C(--check) while it holds the lease, and fails
    with the difference unless that plan has the digest I(approved_plan). A plan without any change needs no approval.
  - The run is stopped when the lease cannot be kept.
  - Once per run; later tasks of the same run find it begun. Does nothing in check mode.
  - The credentials and the endpoint are those of the task's C(environment).
options:
  environment_name:
    description: Whose lease.
    type: str
    required: true
  region:
    description: Where the tables and the bucket are.
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
    description: Why this run is made, for its record and for whoever meets its lease. The playbooks' or job template's name when left out.
    type: str
    default: ""
  approval:
    description: Whether this run needs an approved plan.
    type: str
    choices: [required, none]
    default: none
  approved_plan:
    description: The digest that was approved, with or without C(sha256:) before it.
    type: str
    default: ""
  plan_directory:
    description: Where plans of this checkout are, for telling what has moved since the approved one was made.
    type: path
    required: true
attributes:
  check_mode:
    description: A plan takes no lease and leaves no record.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Take the lease, and begin the record of this run
  indivillage.infra.begin_run:
    environment_name: staging
    region: us-east-1
    lease_table: indivillage-staging-leases
    runs_table: indivillage-staging-deployments
    bucket: indivillage-staging-operations
    plan_directory: .plans
  run_once: true
"""

RETURN = r"""
run_id:
  description: The id of this run; empty in check mode.
  returned: success
  type: str
  sample: 20260102T030405Z-1a2b3c
token:
  description: The fencing token of the lease, which grows with every acquisition; 0 in check mode.
  returned: success
  type: int
  sample: 17
"""
