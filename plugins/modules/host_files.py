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
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native


def read(path: Path) -> str | None:
    """Return the text of a file, or of a link its target; None if there is nothing."""
    if path.is_symlink():
        return str(path.readlink())
    return to_native(path.read_bytes()) if path.exists() else None


def write_file(module: AnsibleModule, path: Path, entry: dict[str, Any]) -> None:
    """Put the entry's text in the place of the file, once its validator accepts it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as new:
        new.write(entry["content"])
    module.add_cleanup_file(new.name)
    if entry["validate"]:
        code, out, err = module.run_command(entry["validate"].replace("%s", new.name))
        if code:
            module.fail_json(msg=f"{path}: the new text is refused by '{entry['validate']}': {(err or out).strip()}")
    if path.is_symlink():
        path.unlink()
    module.atomic_move(new.name, str(path))


def write_link(path: Path, target: str) -> None:
    """Point a link elsewhere without a moment in which it is missing."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def keep(module: AnsibleModule, entry: dict[str, Any]) -> dict[str, Any] | None:
    """Bring one path to what its entry says; return the difference, or None if there was none."""
    path = Path(entry["path"])
    if path.is_dir() and not path.is_symlink():
        module.fail_json(msg=f"{path}: a directory is in the way of the file; remove it")
    is_link = entry["link"] is not None
    before, after = read(path), entry["link"] if is_link else entry["content"]
    changed = before != after or path.is_symlink() != is_link
    if changed and not module.check_mode:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if is_link:
            write_link(path, after)
        else:
            write_file(module, path, entry)
    diff: dict[str, Any] = {"before_header": str(path), "after_header": str(path), "before": before or "", "after": after}
    if not is_link and path.is_file() and not path.is_symlink():
        attributes: dict[str, Any] = {}
        wanted = {name: entry[name] for name in ("mode", "owner", "group")}
        wanted.update(path=str(path), secontext=[None, None, None], attributes=None)
        touched = module.set_fs_attributes_if_different(wanted, False, attributes)
        if touched and not changed:
            diff.update({when: f"{attributes[when]}\n" for when in ("before", "after")})
        changed = changed or touched
    return diff if changed else None


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
    file_options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "link": {"type": "str"},
        "mode": {"type": "str", "default": "0644"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "validate": {"type": "str"},
        "effect": {"type": "str"},
    }
    rules = {"mutually_exclusive": [("content", "link")], "required_one_of": [("content", "link")]}
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": file_options, **rules},
            "purge": {"type": "list", "elements": "path", "default": []},
            "purge_effect": {"type": "str"},
        },
        supports_check_mode=True,
    )
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
