#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_updates
version_added: 0.2.0
short_description: Install the updates of a host's Debian packages
description:
  - Updates what is installed, and says for each package from which version to which, and which vulnerabilities that mends, as its Debian
    changelog names them. No package is added or removed.
  - In check mode it reads the package index as it is on the host, which may be old, and installs nothing.
options:
  scope:
    description: V(security) are updates of Debian's security archive alone, V(all) every one.
    type: str
    choices: [security, all]
    default: security
  lock_timeout_seconds:
    description: How long to wait while another process holds dpkg's lock.
    type: int
    default: 180
attributes:
  check_mode:
    description: Reports what would be updated.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Install security updates
  indivillage.infra.host_updates:
  register: updates
"""

RETURN = r"""
updates:
  description: What was updated. C(cves) is null in check mode, and when the package's file has no changelog.
  returned: success
  type: list
  elements: dict
  sample: [{name: libssl3t64, from: 3.5.1-1, to: 3.5.1-1+deb13u1, security: true, cves: [CVE-2025-9230]}]
left:
  description: Names of the packages that O(scope) has left as they are, though there is a newer version.
  returned: success
  type: list
  elements: str
open_cves:
  description: Vulnerabilities of installed packages for which there is a newer version, as debsecan finds them; null when it cannot tell.
  returned: success
  type: list
  elements: str
open_cves_unknown:
  description: Why O(ignore:open_cves) is null; empty when it is not.
  returned: success
  type: str
reboot:
  description: Why the host has to be rebooted; empty when it need not.
  returned: success
  type: list
  elements: str
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.host_packages import ENVIRONMENT, KEEP_SETTINGS, apt_get
from ansible_collections.indivillage.infra.plugins.module_utils.host_updates import Update, archive_pattern, mended, reboot_reasons, updates

DOWNLOADED = Path("/var/cache/apt/archives")
# A host may leave out what is below /usr/share/doc when it unpacks; the package's file has its changelog all the same.
CHANGELOG = (
    "dpkg-deb --fsys-tarfile \"$1\" | tar --extract --to-stdout --wildcards './usr/share/doc/*/changelog*.gz' | gzip --decompress --stdout"
)
REBOOT_MARKER = Path("/run/reboot-required")


def open_cves(module: AnsibleModule) -> tuple[list[str] | None, str]:
    """What debsecan says is open and can be mended, or None and why that is not known."""
    debsecan = module.get_bin_path("debsecan")
    if not debsecan:
        return None, "debsecan is not installed"
    _code, suite, _err = module.run_command(["sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"])
    code, out, err = module.run_command([debsecan, "--suite", suite.strip(), "--only-fixed"], environ_update=ENVIRONMENT)
    if code:
        return None, f"debsecan failed: {err.strip()[:200]}"
    return sorted({match[0] for line in out.splitlines() if (match := re.match(r"CVE-\d+-\d+", line))}), ""


def fixed(module: AnsibleModule, update: Update) -> list[str] | None:
    """The vulnerabilities that an update mends, by the changelog in its downloaded file; None when there is none in it."""
    for archive in DOWNLOADED.glob(archive_pattern(update)):
        _code, out, _err = module.run_command(["sh", "-c", CHANGELOG, "changelog", str(archive)])
        if out:
            return mended(out.splitlines(), update.now)
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "scope": {"choices": ["security", "all"], "default": "security"},
            "lock_timeout_seconds": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    if not module.check_mode:
        apt_get(module, "update")
    found = updates(apt_get(module, "--simulate", "upgrade"))
    wanted = [update for update in found if update.security or module.params["scope"] == "all"]
    cves: dict[str, list[str] | None] = {}
    if wanted and not module.check_mode:
        options = ["--yes", "--only-upgrade", "--no-install-recommends", *KEEP_SETTINGS]
        targets = [f"{update.name}={update.then}" for update in wanted]
        apt_get(module, "install", "--download-only", *options, *targets)
        cves = {update.name: fixed(module, update) for update in wanted}
        apt_get(module, "install", *options, *targets)
        apt_get(module, "clean")
    still_open, unknown = open_cves(module)
    module.exit_json(
        changed=bool(wanted),
        updates=[
            {
                "name": update.name,
                "from": update.now,
                "to": update.then,
                "security": update.security,
                "cves": cves.get(update.name),
            }
            for update in wanted
        ],
        left=[update.name for update in found if update not in wanted],
        open_cves=still_open,
        open_cves_unknown=unknown,
        reboot=reboot_reasons([update.name for update in wanted], REBOOT_MARKER),
    )


if __name__ == "__main__":
    main()
