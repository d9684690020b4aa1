#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: detect_drift
version_added: 0.2.0
short_description: Say whether an environment is as it is declared
description:
  - Runs C(site.yml --check) in a process of its own, with this run's inventory, limit, tags and variables, and reads the plan that it
    leaves. What a plan would change although nobody has changed the declaration is drift.
options:
  environment_name:
    description: The environment.
    type: str
    required: true
  directory:
    description: Where the plan's files go, in a folder called like the environment. The plan that lies there is compared with the new one.
    type: path
    required: true
  last_run:
    description: The record of the environment's last run, as M(indivillage.infra.run_info) returns it. Empty when there is none.
    type: dict
    default: {}
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
- name: Detect drift
  indivillage.infra.detect_drift:
    environment_name: staging
    directory: .plans/drift
  register: drift
"""

RETURN = r"""
exit_code:
  description: 0 when there is no drift, 2 when there is, 1 when that cannot be told.
  returned: always
  type: int
text:
  description: What has drifted, for people.
  returned: always
  type: str
report:
  description: The folder with the plan as JSON, Markdown and HTML.
  returned: when there is a plan
  type: str
"""
