#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_files
version_added: 0.1.0
short_description: Keep a set of text files and links on a host
description:
  - Writes many files, links and their owners and modes in one task. One module start costs a host more than all the files of a
    role; a role that keeps ten files with M(ansible.builtin.template) pays it ten times, also when nothing changes.
  - Each file is compared first, checked by its own validator if it has one, and replaced atomically.
  - What a change calls for is given per file with O(files[].effect) and returned as RV(effects), for the handlers.
options:
  files:
    description: The files, written in this order. Missing parent directories are made for root with mode 0755.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file or link.
        type: path
        required: true
      content:
        description: The whole text of the file. Exactly one of O(files[].content) and O(files[].link) is given.
        type: str
      link:
        description: Target of a symbolic link, made instead of a file.
        type: str
      mode:
        description: Mode of the file, as octal text.
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
        description:
          - Command that accepts the new text before it takes the file's place; V(%s) stands for the path of the new text.
          - Not run in check mode, since the command may come with a package that is not installed yet.
        type: str
      effect:
        description: A word for what must happen when this file changes.
        type: str
  purge:
    description: Patterns of the host's own paths; a file that matches one and is not among O(files) is removed.
    type: list
    elements: path
    default: []
  purge_effect:
    description: A word for what must happen when a file was removed.
    type: str
attributes:
  check_mode:
    description: Reports every file that would change.
    support: full
  diff_mode:
    description: Returns the text before and after.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Write the settings
  indivillage.infra.host_files:
    files:
      - path: /etc/ssh/sshd_config.d/50-base.conf
        content: "{{ lookup('ansible.builtin.template', 'sshd.conf.j2') }}"
        mode: "0600"
        validate: sshd -t -f %s
        effect: ssh
      - path: /opt/example/current
        link: releases/3
  register: base_settings
  notify: Apply changed settings
"""

RETURN = r"""
effects:
  description: The effects of the files that changed, each once.
  returned: always
  type: list
  elements: str
  sample: [ssh]
paths:
  description: The files that were written, changed or removed.
  returned: always
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.d/50-base.conf]
created:
  description: Those of RV(paths) that did not exist before. In check mode they still do not exist.
  returned: always
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.d/50-base.conf]
"""

import glob
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.host_files import FILE_OPTIONS, FILE_RULES, keep, read


def purge(module: AnsibleModule, kept: set[str]) -> list[dict[str, Any]]:
    """Remove the files that match a pattern and are not kept; return the differences."""
    diffs = []
    for name in sorted(name for pattern in module.params["purge"] for name in glob.glob(pattern)):  # noqa: PTH207 the patterns are absolute
        if name not in kept:
            diffs.append({"before_header": name, "after_header": name, "before": read(Path(name)) or "", "after": ""})
            if not module.check_mode:
                Path(name).unlink()
    return diffs


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS, **FILE_RULES},
            "purge": {"type": "list", "elements": "path", "default": []},
            "purge_effect": {"type": "str"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # folders and packages' files are for everybody to read, whatever the caller's own files are
    diffs, effects, created = [], [], []
    for entry in module.params["files"]:
        is_new = not os.path.lexists(entry["path"])
        if diff := keep(module, entry):
            diffs.append(diff)
            effects.append(entry["effect"])
            created += [entry["path"]] * is_new
    removed = purge(module, {entry["path"] for entry in module.params["files"]})
    if removed:
        effects.append(module.params["purge_effect"])
    diffs += removed
    module.exit_json(
        changed=bool(diffs),
        effects=sorted({effect for effect in effects if effect}),
        paths=[diff["after_header"] for diff in diffs],
        created=created,
        diff=diffs,
    )


if __name__ == "__main__":
    main()
