# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian packages of a host, asked of dpkg and changed by apt-get."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible.module_utils.basic import AnsibleModule

ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
# A settings file of ours that changed is kept, and apt asks nobody.
KEEP_SETTINGS = ("--option", "Dpkg::Options::=--force-confdef", "--option", "Dpkg::Options::=--force-confold")


def installed(module: AnsibleModule, names: Iterable[str]) -> set[str]:
    """Return those of the names that dpkg knows as installed."""
    wanted = list(names)
    if not wanted:
        return set()
    # dpkg-query fails when it does not know one of the names; what it prints about the others is true all the same.
    _code, out, _err = module.run_command(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *wanted])
    return {line.split()[0] for line in out.splitlines() if line.endswith(" installed")}


def version(module: AnsibleModule, name: str) -> str | None:
    """Return the version of a package that dpkg knows as installed, None of others."""
    _code, out, _err = module.run_command(["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", name])
    status, _space, number = out.partition(" ")
    return number.strip() if status == "installed" else None


def install(module: AnsibleModule, names: Iterable[str], *options: str) -> None:
    """Install packages, or files of packages by their paths, with the package index of this moment."""
    apt_get(module, "update")
    apt_get(module, "install", "--yes", "--no-install-recommends", *KEEP_SETTINGS, *options, *names)


def remove(module: AnsibleModule, names: Iterable[str]) -> None:
    """Remove packages with their settings."""
    apt_get(module, "purge", "--yes", *names)


def apt_get(module: AnsibleModule, *arguments: str) -> str:
    """Run apt-get and return what it says; end the module with its own words if it fails."""
    timeout = module.params["lock_timeout_seconds"]
    command = ["apt-get", "--quiet", "--quiet", "--option", f"DPkg::Lock::Timeout={timeout}", *arguments]
    code, out, err = module.run_command(command, environ_update=ENVIRONMENT)
    if code:
        module.fail_json(msg=f"'{' '.join(arguments)}' failed: {(err or out).strip()}", rc=code)
    return str(out)
