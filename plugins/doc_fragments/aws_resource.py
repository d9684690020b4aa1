# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the collection's modules for AWS share."""

from __future__ import annotations


class ModuleDocFragment:
    # What every module that creates, changes and deletes a resource has.
    DOCUMENTATION = r"""
options:
  state:
    description: Whether the resource exists.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Reads what there is and reports what would be written.
    support: full
  diff_mode:
    description: Returns every property that differs, before and after.
    support: full
"""

    # What every module has that changes settings, which are always there.
    SETTINGS = r"""
options: {}
attributes:
  check_mode:
    description: Reads what there is and reports what would be written.
    support: full
  diff_mode:
    description: Returns every setting that differs, before and after.
    support: full
"""

    # What every module has that puts one rule of a listener before all others.
    LISTENER_RULE = r"""
options:
  name:
    description: Name of the load balancer.
    type: str
    required: true
  port:
    description: Port of the listener.
    type: int
    default: 443
  priority:
    description: Priority of the rule, by which it is known; that of every other rule is a higher number.
    type: int
    default: 1
"""

    # What every module that watches a process of AWS has.
    WATCH = r"""
options:
  poll_seconds:
    description: Time between two looks.
    type: int
    default: 5
"""
