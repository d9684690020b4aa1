# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the collection's modules for incidents share."""

from __future__ import annotations


class ModuleDocFragment:
    # Where the timeline lies, for every module that writes or reads it.
    DOCUMENTATION = r"""
options:
  environment_name:
    description: Whose incident.
    type: str
    required: true
  table:
    description: The DynamoDB table of the incidents.
    type: str
    required: true
"""
