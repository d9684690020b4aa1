#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: undeclared_resources
version_added: 0.2.0
short_description: Choose what exists, is ours, and is declared no more
description:
  - In check mode plans the whole environment (C(site.yml --check), in a process of its own, with this run's inventory and variables) and
    chooses the resources that no task of it has named.
  - It refuses to choose when the plan failed, has changes, or has not looked at every layer of every stack. What a plan has not seen would
    look as if nobody declared it.
  - Otherwise chooses what the plan names with which M(indivillage.infra.begin_run) has just compared the approved one.
options:
  environment_name:
    description: The environment.
    type: str
    required: true
  resources:
    description: What M(indivillage.infra.owned_resources_info) has listed, by stack.
    type: dict
    required: true
  layers:
    description: The layers that each stack consists of, by stack.
    type: dict
    required: true
  kept_kinds:
    description: Kinds that are left alone.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Plans the environment.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Find what is declared no more
  indivillage.infra.undeclared_resources:
    environment_name: staging
    resources: {staging-us-east-1: "{{ ours.resources }}"}
    layers: {staging-us-east-1: [aws_network, aws_storage]}
  register: undeclared
"""

RETURN = r"""
resources:
  description: The chosen resources by stack, as they were given.
  returned: always
  type: dict
"""
