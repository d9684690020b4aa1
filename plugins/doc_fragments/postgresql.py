# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the collection's modules for PostgreSQL share."""

from __future__ import annotations


class ModuleDocFragment:
    # How every module that speaks to a server reaches it: CONNECTION of module_utils/postgresql.py.
    DOCUMENTATION = r"""
options:
  host:
    description: The server's name, which its certificate has.
    type: str
    required: true
  port:
    description: The server's port.
    type: int
    default: 5432
  user:
    description: Who logs in, and owns what the module makes.
    type: str
    required: true
  password:
    description: The password.
    type: str
    required: true
  ca_file:
    description: The authorities that the server's certificate may come from. V(system) are those of the host.
    type: str
    default: system
"""
