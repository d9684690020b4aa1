#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reach
version_added: 0.2.0
short_description: Run a module on a host that may be lost
description:
  - A host that cannot be reached fails the task, as a module does, so that C(rescue) can take back what others have. Ansible itself
    would drop the host from the run, and end the run when no other host takes part at that moment, as in a play with C(serial=1).
options:
  module:
    description: The module's name. One that needs an action plugin of its own cannot be run.
    type: str
    required: true
  arguments:
    description: The module's arguments.
    type: dict
    default: {}
attributes:
  check_mode:
    description: The module's own.
    support: full
  diff_mode:
    description: The module's own.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Restart the application, and go on when the host is lost
  block:
    - name: Restart it
      indivillage.infra.reach:
        module: ansible.builtin.systemd_service
        arguments: {name: indivillage-app.service, state: restarted}
  rescue:
    - name: Say which one
      ansible.builtin.debug:
        msg: "{{ inventory_hostname }}: {{ ansible_failed_result.msg }}"
"""

RETURN = r"""
lost:
  description: Whether the host could not be reached. Everything else is the module's own.
  returned: always
  type: bool
  sample: false
"""
