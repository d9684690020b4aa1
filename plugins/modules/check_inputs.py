#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_inputs
version_added: 0.2.0
short_description: Refuse what a runbook does not take, before anything is written
description:
  - Compares the variables of a run with the runbook's manifest, C(runbooks/<runbook>.yml), and fails with one message that names every
    input that is missing, of the wrong type, beyond its limits, or known to nobody, and says how to give it.
  - An empty text counts as not given, which is what AWX makes of a question that nobody answered.
  - In check mode an input that is required may be missing, since it confirms what a plan does not do.
  - Meant for C(run_once).
options:
  runbook:
    description: The runbook's name.
    type: str
    required: true
  environment_name:
    description: The environment it runs in, which the manifest has to allow.
    type: str
    required: true
attributes:
  check_mode:
    description: Only looks.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Check the inputs of this run
  indivillage.infra.check_inputs:
    runbook: show_runs
    environment_name: staging
  run_once: true
"""

RETURN = r"""
msg:
  description: Every fault in one numbered list, or how much was checked.
  returned: always
  type: str
  sample: |-
    One problem with the inputs of show_runs; nothing was changed.
    1. runbooks/show_runs.yml: last is 'many' and not of type int. Give it with -e last=<value>, or in AWX's survey.
    It is: How many runs to list.
"""
