#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: end_run
version_added: 0.1.0
short_description: End a run's record and lease before the run itself ends
description:
  - Writes the record with the result C(succeeded), releases the lease, and ends the process that kept both.
  - Runs need no such task, they are recorded and released when they end. It is for the run that deletes the tables of leases and runs,
    and has to be done with them before.
  - Does nothing in check mode, and in a run that has not begun.
options: {}
attributes:
  check_mode:
    description: A plan has no lease and no record.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Be done with the tables that the next task deletes
  indivillage.infra.end_run:
  register: run
  run_once: true
"""

RETURN = r"""
record:
  description: The record as it was written; C(docs/runs.md) describes the keys. Empty when there was none.
  returned: success
  type: dict
  sample: {run_id: 20260102T030405Z-1a2b3c, who: ada@desk, result: succeeded}
"""
