#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_mirrored_package
version_added: 0.3.0
short_description: Have a package installed that Debian does not have
description:
  - Fetches a package from the mirror that is declared, and installs it once its checksum, its signature and the fingerprint of the key
    behind the signature are those that were declared. If one is not, nothing is installed and nothing stays behind.
  - Where no mirror is declared nothing is done either, but loudly - a warning tells it, and so does O(report).
  - What O(report) says of the last installation is compared, so a host that has the package fetches nothing.
options:
  name:
    description: The package's name, which the fetched file must bear.
    type: str
    required: true
  mirror:
    description: Where the package lies, and how it is known. Empty where it cannot be had.
    type: dict
    default: {}
    suboptions:
      url:
        description: URL of the package. Its detached signature lies at the same with V(.sig) behind.
        type: str
      sha256:
        description: Its checksum, 64 hexadecimal digits.
        type: str
      key_url:
        description: URL of the public key that signs it, armoured or not.
        type: str
      key_fingerprint:
        description: Fingerprint of that key, 40 hexadecimal digits, with or without spaces.
        type: str
  declared_in:
    description: The variable that O(mirror) comes from, for messages.
    type: str
    required: true
  report:
    description: Where the state of the package is written, as JSON. By default a file below C(/var/lib/indivillage/packages).
    type: path
  timeout_seconds:
    description: How long to wait for an answer of the mirror.
    type: int
    default: 30
  lock_timeout_seconds:
    description: How long to wait while another process holds dpkg's lock.
    type: int
    default: 180
attributes:
  check_mode:
    description: Fetches nothing, and reports that the package would be installed.
    support: full
  diff_mode:
    description: Returns the report before and after.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Install the agent
  indivillage.infra.host_mirrored_package:
    name: amazon-ssm-agent
    declared_in: ssm_agent_package
    mirror:
      url: https://mirror.example.com/amazon-ssm-agent.deb
      sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
      key_url: https://mirror.example.com/amazon-ssm-agent.gpg
      key_fingerprint: 0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567
  register: ssm_agent
"""

RETURN = r"""
available:
  description: Whether a mirror is declared, so that the package is there, or would be after a run without check mode.
  returned: always
  type: bool
state:
  description: What O(report) says.
  returned: always
  type: dict
  sample: {"package": "amazon-ssm-agent", "state": "skipped", "reason": "no mirror is declared in ssm_agent_package"}
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.host_files import keep
from ansible_collections.indivillage.infra.plugins.module_utils.host_packages import install, version
from ansible_collections.indivillage.infra.plugins.module_utils.mirrored_package import MIRROR_OPTIONS, check_mirror, fetched

REPORTS = Path("/var/lib/indivillage/packages")


def last_report(path: Path) -> dict[str, Any]:
    """Return what was reported before; nothing if that was lost or cannot be read."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "mirror": {"type": "dict", "default": {}, "options": MIRROR_OPTIONS},
            "declared_in": {"type": "str", "required": True},
            "report": {"type": "path"},
            "timeout_seconds": {"type": "int", "default": 30},
            "lock_timeout_seconds": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # folders and packages' files are for everybody to read, whatever the caller's own files are
    name, source = module.params["name"], module.params["declared_in"]
    mirror = check_mirror(module, module.params["mirror"], source)
    path = Path(module.params["report"] or REPORTS / f"{name}.json")
    if mirror:
        state = {"package": name, "state": "installed", **mirror}
        before = last_report(path)
        number = version(module, name)
        missing = number is None or before != {**state, "version": number}
        if missing and not module.check_mode:
            with fetched(module, mirror, source) as package:
                install(module, [str(package)], "--reinstall", "--allow-downgrades")
            number = version(module, name)
        # A plan cannot know the version of what it has not fetched.
        state["version"] = before.get("version") if missing and module.check_mode else number
    else:
        reason = f"no mirror is declared in {source}"
        module.warn(f"{name} is NOT installed, and what it would do is not done: {reason}.")
        state = {"package": name, "state": "skipped", "reason": reason}
        missing = False
    text = json.dumps(state, indent=2, sort_keys=True) + "\n"
    entry = {"path": str(path), "content": text, "link": None, "mode": "0644", "owner": "root", "group": "root", "validate": None}
    diff = keep(module, entry)
    module.exit_json(changed=missing or bool(diff), available=bool(mirror), state=state, diff=diff or [])


if __name__ == "__main__":
    main()
