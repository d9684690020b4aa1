# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the collection's modules for backups of buckets share."""

from __future__ import annotations


class ModuleDocFragment:
    # Where backups lie, and how hard their objects are worked at.
    DOCUMENTATION = r"""
options:
  bucket:
    description: The bucket of the backups.
    type: str
    required: true
  concurrency:
    description: How many objects are worked at at once.
    type: int
    default: 8
"""
