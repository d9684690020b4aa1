#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan_runbook
version_added: 0.2.0
short_description: Plan a runbook and tell the plan's digest
description:
  - Runs the runbook's playbook with C(--check) in a process of its own, with this run's inventory, limit, tags and variables, and reads the
    plan that it leaves.
  - What C(--check) of the playbook itself prints at its very end, a run can hand on by this module, such as to the next node of a workflow.
options:
  runbook:
    description: The runbook's name. Its manifest has to say that it has a plan.
    type: str
    required: true
  environment_name:
    description: The environment.
    type: str
    required: true
  directory:
    description: Where the plan's files go, in a folder called like the environment.
    type: path
    required: true
attributes:
  check_mode:
    description: Reads only, in any mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Plan it
  indivillage.infra.plan_runbook:
    runbook: prune
    environment_name: staging
    directory: .plans
  register: plan
"""

RETURN = r"""
approved_plan:
  description: The plan's digest, as the run that carries it out wants it.
  returned: success
  type: str
  sample: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
text:
  description: The plan, for people.
  returned: success
  type: str
entries:
  description: How many things the run would change.
  returned: success
  type: int
  sample: 3
"""
