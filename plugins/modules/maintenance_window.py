#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# The documentation of the action plugin of the same name, which does the work on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: maintenance_window
version_added: 0.2.0
short_description: Refuse maintenance that would come at a bad time
description:
  - Fails unless a window is open for as long as the work will take, no freeze holds, and no backup or maintenance of the database meets it.
  - In check mode it only says what it would refuse, since a plan is made before its window.
options:
  windows:
    description: Windows as O(ignore:aws_patching_windows) has them, with C(name), C(schedule) (cron, UTC) and C(duration_hours).
    type: list
    elements: dict
    required: true
  freezes:
    description: Times in which nothing is changed, each with C(name), C(from) and C(until), UTC, such as V(2026-12-20T00:00:00Z).
    type: list
    elements: dict
    default: []
  busy:
    description: The variables C(aws_database_backup_window), C(aws_database_maintenance_window) and C(aws_backup_plans).
    type: dict
    default: {}
  minutes:
    description: How long the work will take.
    type: int
    required: true
  out_of_turn:
    description: Whether it cannot wait for a window or the end of a freeze. Backups are respected all the same.
    type: bool
    default: false
attributes:
  check_mode:
    description: Refuses nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Refuse to patch at a bad time
  indivillage.infra.maintenance_window:
    windows:
      - {name: patching, schedule: "cron(0 2 ? * TUE *)", duration_hours: 1}
    minutes: 30
"""
