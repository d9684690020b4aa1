#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: each
version_added: 0.2.0
short_description: Run a module for each item of a list, several items at a time
description:
  - Does what O(ignore:loop) does with a module, with the same results, events and failures, but side by side. For lists whose items
    do not depend on one another.
  - Needs the connection P(indivillage.infra.aws_worker#connection). On any other one the items run one after another, as in a loop.
  - "All items are tried. When one fails the task fails, with the message C(One or more items failed)."
  - The item's variable is always C(item). The task's own C(vars) may speak of it. Variables that do not, neither by themselves nor by
    what they are made of, are evaluated once for all items.
options:
  module:
    description: The module's name. One that has an action plugin, such as P(ansible.builtin.copy#module), needs a loop.
    type: str
    required: true
  items:
    description: The list.
    type: list
    elements: raw
    required: true
  arguments:
    description: The module's arguments, evaluated for each item. C(module_defaults) hold as for the module's own task.
    type: dict
    default: {}
  label:
    description: What stands for the item in the output, as C(label) of C(loop_control). The item itself when left out.
    type: raw
  when:
    description: Conditions without braces, evaluated for each item; it is skipped unless all hold.
    type: list
    elements: raw
    default: []
  concurrency:
    description: How many items are under way at most. The variable C(stack_concurrency) when left out, or else 8.
    type: int
notes:
  - "The task's C(changed_when) and C(failed_when) judge each item. Its C(when), C(environment) and C(delegate_to) hold for the task
    as a whole. C(until), C(retries), C(async) and C(loop) are refused, and facts that a module returns are not kept: use a loop."
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
- name: Make the subnets
  indivillage.infra.each:
    module: amazon.aws.ec2_vpc_subnet
    items: "{{ subnets }}"
    label: "{{ item.name }}"
    arguments:
      vpc_id: "{{ vpc.vpc.id }}"
      cidr: "{{ item.cidr }}"
      tags:
        Name: "{{ item.name }}"
  register: made

- name: Show the identifiers
  ansible.builtin.debug:
    msg: "{{ dict(made.results | map(attribute='item.name') | zip(made.results | map(attribute='subnet.id'))) }}"
"""

RETURN = r"""
results:
  description: The result of each item, in the order of the items, as registered by a loop.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The item.
      type: raw
      returned: always
    ansible_loop_var:
      description: Name of the item's variable.
      type: str
      returned: always
      sample: item
msg:
  description: How the whole ended.
  returned: when there are items
  type: str
  sample: All items completed
"""
