#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: validate_environment
version_added: 0.1.0
short_description: Find every fault of an environment's variables before anything is written
description:
  - Looks at all stacks of the play in one task and fails with one message that names every problem, its file and line, and
    how to mend it.
  - "Finds: names that no role and not C(inventories/_base/schema.yml) declares, with the nearest known name; values of the wrong
    type, also inside lists and dictionaries; variables that are missing, not yet set (C(CHANGE_ME)) or cannot be evaluated;
    networks that are none, overlap or are too small for their subnets; fewer than two availability zones; flows and network ACL
    rules that name unknown groups, networks or ports."
  - Reads the inventory alone, no AWS. Without inventory files, as in AWX, it says the same without the places.
  - Meant for C(run_once).
options:
  stacks:
    description: Inventory hosts to check. All hosts of the play when left out.
    type: list
    elements: str
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Check every variable of the environment
  indivillage.infra.validate_environment:
  run_once: true
"""

RETURN = r"""
msg:
  description: Every problem in one numbered list, or how much was checked.
  returned: always
  type: str
  sample: |-
    One problem in the declaration of production; nothing was changed.
    1. inventories/production/group_vars/primary/10_environment.yml:3: aws_netwrk_cidr is no variable of this project;
    nothing would read it. Did you mean aws_network_cidr?
"""
