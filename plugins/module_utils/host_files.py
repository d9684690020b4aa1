# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text files and links of a host, compared first, validated, and replaced atomically."""

from __future__ import annotations

import grp
import pwd
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.text.converters import to_native

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.module_utils.basic import AnsibleModule

# The options of one file, as modules take them.
FILE_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "link": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "validate": {"type": "str"},
    "effect": {"type": "str"},
}
FILE_RULES: dict[str, Any] = {"mutually_exclusive": [("content", "link")], "required_one_of": [("content", "link")]}


def read(path: Path) -> str | None:
    """Return the text of a file, or of a link its target; None if there is nothing."""
    if path.is_symlink():
        return str(path.readlink())
    return to_native(path.read_bytes()) if path.exists() else None


def make_folder(path: Path) -> None:
    """Make the folder of a path, for everybody to read as far as the umask lets."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)


def write_text(module: AnsibleModule, path: Path, text: str, validate: str | None = None) -> None:
    """Put a text in the place of a file, once its validator accepts it; a file that was there keeps its owner and mode."""
    make_folder(path)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as new:
        new.write(text)
    module.add_cleanup_file(new.name)
    if validate:
        code, out, err = module.run_command(validate.replace("%s", new.name))
        if code:
            module.fail_json(msg=f"{path}: the new text is refused by '{validate}': {(err or out).strip()}")
    if path.is_symlink():
        path.unlink()
    module.atomic_move(new.name, str(path))


def write_link(path: Path, target: str) -> None:
    """Point a link elsewhere without a moment in which it is missing."""
    make_folder(path)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def difference(module: AnsibleModule, entry: dict[str, Any]) -> dict[str, str] | None:
    """What of one path is not as its entry says, or None; nothing is written."""
    path, is_link = Path(entry["path"]), entry["link"] is not None
    if path.is_dir() and not path.is_symlink():
        module.fail_json(msg=f"{path}: a directory is in the way of the file; remove it")
    before, after = read(path), entry["link"] if is_link else entry["content"]
    if before == after and path.is_symlink() == is_link:
        if is_link:
            return None
        status = path.stat()
        before = f"{access(status.st_uid, status.st_gid, status.st_mode)}\n"
        after = f"{entry['owner']}:{entry['group']} {int(entry['mode'], 8):04o}\n"
        if before == after:
            return None
    return {"before_header": str(path), "after_header": str(path), "before": before or "", "after": after}


def put(module: AnsibleModule, entry: dict[str, Any]) -> None:
    """Bring one path to what its entry says."""
    path = Path(entry["path"])
    if entry["link"] is not None:
        write_link(path, entry["link"])
        return
    if read(path) != entry["content"] or path.is_symlink():
        write_text(module, path, entry["content"], entry["validate"])
    wanted = {name: entry[name] for name in ("mode", "owner", "group")}
    module.set_fs_attributes_if_different({**wanted, "path": str(path), "secontext": [None, None, None], "attributes": None}, changed=False)


def keep(module: AnsibleModule, entry: dict[str, Any]) -> dict[str, str] | None:
    """Bring one path to what its entry says; return the difference, or None if there was none."""
    diff = difference(module, entry)
    if diff and not module.check_mode:
        put(module, entry)
    return diff


def access(owner: int, group: int, mode: int) -> str:
    """Owner, group and mode of a path, as people read them."""
    return f"{_name(pwd.getpwuid, owner)}:{_name(grp.getgrgid, group)} {stat.S_IMODE(mode):04o}"


def _name(look_up: Callable[[int], Any], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
