#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_packages
version_added: 0.1.0
short_description: Have Debian packages installed
description:
  - Installs the packages that are missing, in one call of apt-get, and reads the package index anew just before that.
  - Use it instead of M(ansible.builtin.apt) where a plan has to be true. That module cannot plan on a host whose index was never
    read, its attempt makes the empty index look fresh, and the installation after it then finds no package.
  - Asks dpkg only, so a host that has everything answers without loading apt's cache.
options:
  name:
    description: Names of real packages (no virtual ones, no versions).
    type: list
    elements: str
    required: true
  lock_timeout_seconds:
    description: How long to wait while another process holds dpkg's lock.
    type: int
    default: 180
attributes:
  check_mode:
    description: Reports the packages that would be installed.
    support: full
  diff_mode:
    description: Returns the missing packages.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Install nginx
  indivillage.infra.host_packages:
    name: [nginx]
"""

RETURN = r"""
installed:
  description: The packages of O(name) that were missing and are installed now.
  returned: always
  type: list
  elements: str
  sample: [nginx]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.host_packages import install, installed


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "lock_timeout_seconds": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # folders and packages' files are for everybody to read, whatever the caller's own files are
    present = installed(module, module.params["name"])
    names = [name for name in module.params["name"] if name not in present]
    if names and not module.check_mode:
        install(module, names)
    diff = {"before": "", "after": "".join(f"{name}\n" for name in names), "after_header": "packages", "before_header": "packages"}
    module.exit_json(changed=bool(names), installed=names, diff=diff)


if __name__ == "__main__":
    main()
