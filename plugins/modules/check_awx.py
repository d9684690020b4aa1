#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_awx
version_added: 0.2.0
short_description: Find every fault of the declaration of AWX without a server
description:
  - Reads the lists in C(awx/) and the manifests in C(runbooks/), and fails with one message that names every fault with its file and key.
  - "Finds: names that refer to nothing, or to two things; playbooks that do not exist, or that AWX would not list; surveys that do not fit
    the runbook; rules of schedules that AWX refuses; schedules and workflows that leave a required question unanswered; ways to an apply
    that needs an approval and does not get one; templates that write and may run twice at a time, have no plan, no timeout or not the
    label; secrets."
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
- name: Check the declaration of AWX
  indivillage.infra.check_awx:
  register: declared
"""

RETURN = r"""
configuration:
  description: The lists, as M(indivillage.infra.awx_configuration) takes them.
  returned: success
  type: dict
organization:
  description: The organization that they configure.
  returned: success
  type: str
  sample: IndiVillage
label:
  description: The label of what they may remove.
  returned: success
  type: str
  sample: indivillage-infra
"""
