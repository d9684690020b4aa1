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

from ansible.module_utils.basic import AnsibleModule

ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def missing(module: AnsibleModule, names: list[str]) -> list[str]:
    """Return the names that dpkg does not know as installed."""
    # dpkg-query fails when it does not know one of the names; what it prints about the others is true all the same
    _code, out, _err = module.run_command(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names])
    installed = {line.split()[0] for line in out.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def apt_get(module: AnsibleModule, *arguments: str) -> None:
    """Run apt-get; end the module with its own words if it fails."""
    timeout = module.params["lock_timeout_seconds"]
    command = ["apt-get", "--quiet", "--quiet", "--option", f"DPkg::Lock::Timeout={timeout}", *arguments]
    code, out, err = module.run_command(command, environ_update=ENVIRONMENT)
    if code:
        module.fail_json(msg=f"'{' '.join(arguments)}' failed: {(err or out).strip()}", rc=code)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "lock_timeout_seconds": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    names = missing(module, module.params["name"])
    if names and not module.check_mode:
        apt_get(module, "update")
        # a changed settings file of ours is kept, and apt asks nobody
        options = ["--option", "Dpkg::Options::=--force-confdef", "--option", "Dpkg::Options::=--force-confold"]
        apt_get(module, "install", "--yes", "--no-install-recommends", *options, *names)
    diff = {"before": "", "after": "".join(f"{name}\n" for name in names), "after_header": "packages", "before_header": "packages"}
    module.exit_json(changed=bool(names), installed=names, diff=diff)


if __name__ == "__main__":
    main()
