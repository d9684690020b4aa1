#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_controls
version_added: 0.3.0
short_description: Bring a host to a set of security controls
description:
  - Takes controls as data, each with what it demands (packages, files, settings, permissions, kernel values, units, accounts), and brings
    the host to all of them in one pass. A task for each setting would cost a host half a second each, also when nothing changes.
  - Each difference is reported with the control that it belongs to, each setting by itself.
  - What a change calls for (a reload, say) is one of O(effects), run once at the end. A run that is killed in between leaves a note
    behind, so that the next one makes up for it.
options:
  controls:
    description: The controls, in this order; packages of all of them come first, units last.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The control's identifier.
        type: str
        required: true
      title:
        description: What it is for.
        type: str
        required: true
      needs_kernel:
        description:
          - Whether a host shows it only on a kernel of its own.
          - A container gets the files, and the control is reported as not shown.
        type: bool
        default: false
      packages:
        description: Debian packages that are installed.
        type: list
        elements: str
        default: []
      absent:
        description: Debian packages that are not installed.
        type: list
        elements: str
        default: []
      files:
        description: Files and links, as M(indivillage.infra.host_files) has them.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Absolute path.
            type: path
            required: true
          content:
            description: The whole text. Exactly one of this and O(controls[].files[].link) is given.
            type: str
          link:
            description: Target of a symbolic link.
            type: str
          mode:
            description: Mode, as octal text.
            type: str
            default: "0644"
          owner:
            description: User that owns the file.
            type: str
            default: root
          group:
            description: Group that owns the file.
            type: str
            default: root
          validate:
            description: Command that accepts the new text, V(%s), before it takes the file's place.
            type: str
          effect:
            description: One of O(effects).
            type: str
      no_files:
        description: Patterns of files that must not be there.
        type: list
        elements: path
        default: []
      settings:
        description: Keys of files that belong to packages; their other lines stay.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Absolute path.
            type: path
            required: true
          values:
            description: Values by key. An empty value demands a bare key.
            type: dict
            required: true
          separator:
            description: What stands between key and value in a new line.
            type: str
            default: " = "
          validate:
            description: Command that accepts the new text, V(%s), before it takes the file's place.
            type: str
          effect:
            description: One of O(effects).
            type: str
      lines:
        description: Single lines of files that belong to packages.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Absolute path.
            type: path
            required: true
          line:
            description: The line.
            type: str
            required: true
          instead_of:
            description: Regular expression of the lines whose place it takes.
            type: str
          before:
            description: Regular expression of the line before which it stands, where nothing is replaced. At the end without it.
            type: str
          validate:
            description: Command that accepts the new text, V(%s), before it takes the file's place.
            type: str
          effect:
            description: One of O(effects).
            type: str
      permissions:
        description: Owners, groups and modes of paths. What does not exist is passed over.
        type: list
        elements: dict
        default: []
        suboptions:
          paths:
            description: Patterns of paths.
            type: list
            elements: path
            required: true
          owner:
            description: User that owns them.
            type: str
          group:
            description: Groups that may own them; the first is given to a path that has another.
            type: list
            elements: str
            default: []
          mode:
            description: The mode, as octal text.
            type: str
          at_most:
            description: The mode bits that may be set, as octal text.
            type: str
          but:
            description: Regular expression of file names that are left alone.
            type: str
          recurse:
            description: Whether the files below the paths are meant, at any depth, and not the paths.
            type: bool
            default: false
      kernel:
        description: Kernel settings by key, which the running kernel has, where it is the host's own. A leading V(-) lets a key be missing.
        type: dict
        default: {}
      units:
        description: Units by name, each V(enabled), V(disabled) or V(masked).
        type: dict
        default: {}
      locked:
        description: Accounts that no password opens.
        type: list
        elements: str
        default: []
      assured:
        description: Texts that a command has left in files, or taken out of them; where that is not so, the command is run.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Absolute path.
            type: path
            required: true
          contains:
            description: Regular expression that a line of the file matches.
            type: str
          lacks:
            description: Regular expression that no line of the file matches.
            type: str
          effect:
            description: One of O(effects).
            type: str
            required: true
  excepted:
    description: Identifiers of controls that are left out.
    type: list
    elements: str
    default: []
  effects:
    description: Commands by the word that files and settings give, run in this order when one of them changed.
    type: dict
    default: {}
  kernel_effects:
    description: Those of O(effects) that need a kernel of the host's own; a container goes without.
    type: list
    elements: str
    default: []
  login_groups:
    description:
      - Groups of which whoever has called this by sudo has to be a member, or nothing is written.
      - Keeps a run from shutting out those who made it.
    type: list
    elements: str
    default: []
  lock_timeout_seconds:
    description: How long to wait while another process holds dpkg's lock.
    type: int
    default: 180
attributes:
  check_mode:
    description: Reports everything that would change.
    support: full
  diff_mode:
    description: Returns each setting before and after, under its control.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Harden accounts
  indivillage.infra.host_controls:
    controls:
      - id: CIS 5.4.1.1
        title: Passwords get old
        settings:
          - path: /etc/login.defs
            separator: " "
            values: {PASS_MAX_DAYS: 365}
      - id: CIS 5.1.10
        title: No host is trusted for its name
        files:
          - path: /etc/ssh/sshd_config.d/10-hostbased.conf
            content: "HostbasedAuthentication no\n"
            validate: sshd -t -f %s
            effect: ssh
    effects:
      ssh: systemctl reload ssh.service
  register: accounts
"""

RETURN = r"""
controls:
  description: The controls, each with its state.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The control's identifier.
      type: str
      returned: always
      sample: CIS 5.4.1.1
    title:
      description: What it is for.
      type: str
      returned: always
      sample: Passwords get old
    state:
      description:
        - V(met) on this host, now or after the changes; V(excepted); or V(unshown), its files are there, but this container has no
          kernel of its own to show it.
      type: str
      returned: always
      sample: met
changes:
  description: What was, or would be, changed, by control.
  returned: always
  type: dict
  sample: {"CIS 5.4.1.1": ["/etc/login.defs: PASS_MAX_DAYS: 99999 -> 365"]}
effects:
  description: The effects that were, or would be, run.
  returned: always
  type: list
  elements: str
  sample: [ssh]
"""

import grp
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils import host_demands
from ansible_collections.indivillage.infra.plugins.module_utils.host_demands import Difference
from ansible_collections.indivillage.infra.plugins.module_utils.host_files import FILE_OPTIONS, FILE_RULES, make_folder, read

PENDING = Path("/var/lib/indivillage/effects.json")


class Effects:
    """The commands that changes call for; those that a killed run still owes are run by the next one."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._commands: dict[str, str] = module.params["effects"]
        self._due: set[str] = set(json.loads(read(PENDING) or "[]")) & set(self._commands)
        self._kernel_is_ours = host_demands.kernel_is_ours()

    def note(self, effect: str | None) -> None:
        """Have an effect run at the end, whatever happens to this run."""
        if effect is None or effect in self._due:
            return
        if effect not in self._commands:
            self._module.fail_json(msg=f"the effect '{effect}' is none of effects: {', '.join(self._commands) or 'none is given'}")
        self._due.add(effect)
        if not self._module.check_mode:
            make_folder(PENDING)
            PENDING.write_text(json.dumps(sorted(self._due)), encoding="utf-8")

    def run(self) -> list[str]:
        """Run what is due, in the order in which the effects are declared; return their words."""
        away = set() if self._kernel_is_ours else set(self._module.params["kernel_effects"])
        due = [name for name in self._commands if name in self._due and name not in away]
        if not self._module.check_mode:
            for name in due:
                code, out, err = self._module.run_command(self._commands[name], use_unsafe_shell=True)
                if code:
                    self._module.fail_json(msg=f"'{self._commands[name]}' failed, which {name} calls for: {(err or out).strip()}")
            PENDING.unlink(missing_ok=True)
        return due


def differences(module: AnsibleModule, control: dict[str, Any], effects: Effects, *, new_packages: bool) -> Iterator[Difference]:
    """What one control demands beside packages and units, and the host does not have."""
    for demand in control["files"]:
        yield from host_demands.keep_file(module, demand)
    yield from host_demands.drop_files(module, control["no_files"])
    for demand in control["settings"]:
        yield from host_demands.keep_settings(module, demand)
    for demand in control["lines"]:
        yield from host_demands.keep_line(module, demand)
    for demand in control["permissions"]:
        yield from host_demands.keep_permissions(module, demand)
    yield from host_demands.keep_accounts(module, control["locked"])
    if host_demands.kernel_is_ours():
        yield from host_demands.keep_kernel(module, control["kernel"])
    for demand in control["assured"]:
        yield from host_demands.look_for(demand)
    yield from host_demands.keep_units(module, control["units"], may_be_missing=module.check_mode and new_packages)


def main() -> None:
    """Run the module."""
    text = {"type": "str"}
    setting_options: dict[str, Any] = {
        "path": {"type": "path", "required": True},
        "values": {"type": "dict", "required": True},
        "separator": {"type": "str", "default": " = "},
        "validate": text,
        "effect": text,
    }
    permission_options: dict[str, Any] = {
        "paths": {"type": "list", "elements": "path", "required": True},
        "owner": text,
        "group": {"type": "list", "elements": "str", "default": []},
        "mode": text,
        "at_most": text,
        "but": text,
        "recurse": {"type": "bool", "default": False},
    }
    assured_options: dict[str, Any] = {
        "path": {"type": "path", "required": True},
        "contains": text,
        "lacks": text,
        "effect": {"type": "str", "required": True},
    }
    line_options: dict[str, Any] = {
        "path": {"type": "path", "required": True},
        "line": {"type": "str", "required": True},
        "instead_of": text,
        "before": text,
        "validate": text,
        "effect": text,
    }
    control_options: dict[str, Any] = {
        "id": {"type": "str", "required": True},
        "title": {"type": "str", "required": True},
        "needs_kernel": {"type": "bool", "default": False},
        "packages": {"type": "list", "elements": "str", "default": []},
        "absent": {"type": "list", "elements": "str", "default": []},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE_OPTIONS, **FILE_RULES},
        "no_files": {"type": "list", "elements": "path", "default": []},
        "settings": {"type": "list", "elements": "dict", "default": [], "options": setting_options},
        "lines": {"type": "list", "elements": "dict", "default": [], "options": line_options},
        "permissions": {"type": "list", "elements": "dict", "default": [], "options": permission_options},
        "kernel": {"type": "dict", "default": {}},
        "units": {"type": "dict", "default": {}},
        "locked": {"type": "list", "elements": "str", "default": []},
        "assured": {"type": "list", "elements": "dict", "default": [], "options": assured_options},
    }
    module = AnsibleModule(
        argument_spec={
            "controls": {"type": "list", "elements": "dict", "required": True, "options": control_options},
            "excepted": {"type": "list", "elements": "str", "default": []},
            "effects": {"type": "dict", "default": {}},
            "kernel_effects": {"type": "list", "elements": "str", "default": []},
            "login_groups": {"type": "list", "elements": "str", "default": []},
            "lock_timeout_seconds": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # what is given no mode is for everybody to read, whatever the caller's own files are
    require_login(module)
    module.exit_json(**bring(module))


def require_login(module: AnsibleModule) -> None:
    """End the module when whoever called it could not come in again."""
    caller, groups = os.environ.get("SUDO_USER"), module.params["login_groups"]
    if not caller or caller == "root" or not groups:
        return
    members = {grp.getgrgid(number).gr_name for number in os.getgrouplist(caller, pwd.getpwnam(caller).pw_gid)}
    if not members & set(groups):
        module.fail_json(
            msg=f"{caller}, by whom Ansible has come, is in none of the groups that may log in ({', '.join(groups)}): "
            f"nothing was written. Add one of its own groups ({', '.join(sorted(members))}) to login_groups."
        )


def bring(module: AnsibleModule) -> dict[str, Any]:
    """Bring the host to the controls; the module's result."""
    excepted = set(module.params["excepted"])
    controls = [control for control in module.params["controls"] if control["id"] not in excepted]
    effects = Effects(module)
    found: dict[str, list[Difference]] = {}
    names = {name: control["id"] for control in reversed(controls) for name in (*control["packages"], *control["absent"])}
    packages = (
        [name for control in controls for name in control["packages"]],
        [name for control in controls for name in control["absent"]],
    )
    for difference in host_demands.keep_packages(module, *packages):
        found.setdefault(names[difference.what.partition(" ")[2]], []).append(difference)
    new_packages = bool(found)
    for control in controls:
        for difference in differences(module, control, effects, new_packages=new_packages):
            effects.note(difference.effect)
            found.setdefault(control["id"], []).append(difference)
    due = effects.run()
    return {
        "changed": bool(found or due),
        "effects": due,
        "changes": {name: [_told(one) for one in all_of_it] for name, all_of_it in found.items()},
        "controls": [_state(control, excepted) for control in module.params["controls"]],
        "diff": [_diff(name, one) for name, all_of_it in found.items() for one in all_of_it],
    }


def _diff(control: str, difference: Difference) -> dict[str, str]:
    where = f"{control} {difference.what}"
    before, after = (f"{text.rstrip()}\n" if text else "" for text in (difference.before, difference.after))
    return {"before_header": where, "after_header": where, "before": before, "after": after}


def _told(difference: Difference) -> str:
    before, after = difference.before.strip(), difference.after.strip()
    return f"{difference.what}: " + ("new text" if "\n" in before + after else f"{before or '(nothing)'} -> {after or '(nothing)'}")


def _state(control: dict[str, Any], excepted: set[str]) -> dict[str, str]:
    unshown = control["needs_kernel"] and not host_demands.kernel_is_ours()
    state = "excepted" if control["id"] in excepted else "unshown" if unshown else "met"
    return {"id": control["id"], "title": control["title"], "state": state}


if __name__ == "__main__":
    main()
