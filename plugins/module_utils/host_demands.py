# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a control demands of a host, kind by kind: what differs from it, and how to put that right.

Every kind compares first and yields one difference per setting, path, package or unit. It is told before it is put right, so that its
effect is noted whenever the run is killed.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.indivillage.infra.plugins.module_utils import host_files, host_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible.module_utils.basic import AnsibleModule

KERNEL_SETTINGS = Path("/proc/sys")


@dataclass(frozen=True)
class Difference:
    """One thing that is not as a control demands it."""

    what: str
    """Where it is: a path, a path and a key, a package, a unit."""
    before: str
    after: str
    effect: str | None = None


# ---- key and value lines in files that packages bring along ----


def with_values(text: str, values: Mapping[str, str], separator: str) -> str:
    """A settings file with the given values: its own line is changed, doubles go, what is missing is added at the end.

    Comments stay where they are. A value of "" demands a bare key, as pwhistory.conf has them.
    """
    lines, missing = [], dict(values)
    for line in text.splitlines():
        key = _key(line, separator)
        if key not in values:
            lines.append(line)
        elif key in missing:
            lines.append(line if _value(line, key, separator) == missing[key] else _line(key, missing[key], separator))
            del missing[key]
    lines += [_line(key, value, separator) for key, value in missing.items()]
    return "".join(f"{line}\n" for line in lines)


def values_of(text: str, keys: Iterable[str], separator: str) -> dict[str, str]:
    """The values that a settings file has for the keys; the last line of a key counts."""
    wanted = set(keys)
    found = ((_key(line, separator), line) for line in text.splitlines())
    return {key: _value(line, key, separator) for key, line in found if key in wanted}


def _key(line: str, separator: str) -> str:
    words = re.split(r"[\s=]+" if "=" in separator else r"\s+", line.strip(), maxsplit=1)
    return words[0] if words else ""


def _value(line: str, key: str, separator: str) -> str:
    rest = line.strip()[len(key) :].strip()
    return rest.removeprefix("=").strip() if "=" in separator else rest


def _line(key: str, value: str, separator: str) -> str:
    return f"{key}{separator}{value}" if value else key


def keep_settings(module: AnsibleModule, demand: Mapping[str, Any]) -> Iterator[Difference]:
    """The keys of one file."""
    path, values, separator = Path(demand["path"]), demand["values"], demand["separator"]
    text = host_files.read(path) or ""
    wanted = {str(key): str(value) for key, value in values.items()}
    found, new = values_of(text, wanted, separator), with_values(text, wanted, separator)
    if new == text:
        return
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    for key in differing:
        yield Difference(f"{path}: {key}", found.get(key, "(missing)"), wanted[key], demand["effect"])
    if not differing:  # the last line of a key was right, and an earlier one was not
        yield Difference(str(path), "lines that contradict one another", "one line for each key", demand["effect"])
    if not module.check_mode:
        host_files.write_text(module, path, new, demand["validate"])


# ---- single lines ----


def keep_line(module: AnsibleModule, demand: Mapping[str, Any]) -> Iterator[Difference]:
    """One line of a file: in place of the lines that match, else before the first that matches, else at the end."""
    path = Path(demand["path"])
    text = host_files.read(path) or ""
    lines = text.splitlines()
    replaced = [number for number, line in enumerate(lines) if demand["instead_of"] and re.search(demand["instead_of"], line)]
    if demand["line"] in lines and all(lines[number] == demand["line"] for number in replaced):
        return
    place = next((number for number, line in enumerate(lines) if demand["before"] and re.search(demand["before"], line)), len(lines))
    place = replaced[0] if replaced else place
    new = [line for number, line in enumerate(lines) if number not in replaced]
    new.insert(place, demand["line"])
    yield Difference(str(path), " | ".join(lines[number] for number in replaced) or "(missing)", demand["line"], demand["effect"])
    if not module.check_mode:
        host_files.write_text(module, path, "".join(f"{line}\n" for line in new), demand["validate"])


# ---- whole files ----


def keep_file(module: AnsibleModule, demand: dict[str, Any]) -> Iterator[Difference]:
    """One file or link, with its owner and mode."""
    if diff := host_files.difference(module, demand):
        yield Difference(str(demand["path"]), diff["before"], diff["after"], demand["effect"])
        if not module.check_mode:
            host_files.put(module, demand)


def drop_files(module: AnsibleModule, patterns: Iterable[str]) -> Iterator[Difference]:
    """Files that must not be there."""
    for path in _matching(patterns):
        yield Difference(str(path), "a file", "(removed)")
        if not module.check_mode:
            path.unlink()


# ---- owners and modes ----


def keep_permissions(module: AnsibleModule, demand: Mapping[str, Any]) -> Iterator[Difference]:
    """Owner, group and mode of all paths that match; links are passed over, and so is what does not exist."""
    owner = pwd.getpwnam(demand["owner"]).pw_uid if demand["owner"] else None
    groups = [grp.getgrnam(name).gr_gid for name in demand["group"]]
    mode, at_most = (demand[name] and int(demand[name], 8) for name in ("mode", "at_most"))  # None, or a number
    for path in _matching(demand["paths"], recursive=demand["recurse"]):
        if demand["but"] and re.search(demand["but"], path.name):
            continue
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or (demand["recurse"] and not stat.S_ISREG(status.st_mode)):
            continue
        before = stat.S_IMODE(status.st_mode)
        after = mode if mode is not None else before if at_most is None else before & at_most
        new_owner = status.st_uid if owner is None else owner
        new_group = status.st_gid if not groups or status.st_gid in groups else groups[0]
        if (after, new_owner, new_group) == (before, status.st_uid, status.st_gid):
            continue
        found, wanted = host_files.access(status.st_uid, status.st_gid, before), host_files.access(new_owner, new_group, after)
        yield Difference(f"{path}: mode", found, wanted)
        if not module.check_mode:
            os.chown(path, new_owner, new_group)
            path.chmod(after)


def _matching(patterns: Iterable[str], *, recursive: bool = False) -> list[Path]:
    found = []
    for pattern in patterns:
        relative = pattern.lstrip("/")
        found += [path for path in Path("/").glob(relative) if os.path.lexists(path)]
    if recursive:
        found = [Path(folder, name) for path in found for folder, _folders, names in os.walk(path) for name in names]
    return sorted(set(found))


# ---- the kernel ----


def kernel_is_ours() -> bool:
    """Whether this host may change its kernel's settings; a container may not, where they are its machine's."""
    return not os.statvfs(KERNEL_SETTINGS).f_flag & os.ST_RDONLY


def keep_kernel(module: AnsibleModule, values: Mapping[str, Any]) -> Iterator[Difference]:
    """Values that the running kernel has; a key that it does not know is passed over, as systemd-sysctl does."""
    for key, value in values.items():
        file = KERNEL_SETTINGS / key.lstrip("-").replace(".", "/")
        if not file.is_file():
            continue
        before, after = " ".join(file.read_text().split()), str(value)
        if before == after:
            continue
        yield Difference(f"kernel: {key.lstrip('-')}", before, after)
        if not module.check_mode:
            file.write_text(after)


# ---- packages, units and accounts ----


def keep_packages(module: AnsibleModule, present: Iterable[str], absent: Iterable[str]) -> Iterator[Difference]:
    """Packages that are there, and packages that are not; all at once, since apt-get is slow to start."""
    wanted, unwanted = sorted(set(present)), sorted(set(absent))
    found = host_packages.installed(module, [*wanted, *unwanted])
    missing, superfluous = [name for name in wanted if name not in found], [name for name in unwanted if name in found]
    yield from (Difference(f"package {name}", "(missing)", "installed") for name in missing)
    yield from (Difference(f"package {name}", "installed", "(removed)") for name in superfluous)
    if superfluous and not module.check_mode:
        host_packages.remove(module, superfluous)
    if missing and not module.check_mode:
        host_packages.install(module, missing)


UNIT_VERBS = {"enabled": "enable", "disabled": "disable", "masked": "mask"}
SATISFIED = {
    "enabled": {"enabled", "static", "alias", "indirect", "generated", "enabled-runtime"},
    "disabled": {"disabled", "masked", "static", ""},
    "masked": {"masked"},
}


def keep_units(module: AnsibleModule, wanted: Mapping[str, str], *, may_be_missing: bool) -> Iterator[Difference]:
    """Units that are enabled, disabled or masked, by one question about all of them."""
    states = unit_states(module, wanted)
    for unit, state in wanted.items():
        before = states.get(unit, "(missing)")
        if before in SATISFIED[state] or (before == "(missing)" and state == "disabled"):
            continue
        if before == "(missing)" and state == "enabled" and not may_be_missing:
            module.fail_json(msg=f"{unit} must be enabled, and there is no such unit: is its package among the control's packages?")
        yield Difference(f"unit {unit}", before, state)
        if not module.check_mode:
            command = ["systemctl", "--quiet", UNIT_VERBS[state], *([] if state == "enabled" else ["--now"]), unit]
            code, out, err = module.run_command(command)
            if code:
                module.fail_json(msg=f"'{' '.join(command)}' failed: {(err or out).strip()}")


def unit_states(module: AnsibleModule, units: Iterable[str]) -> dict[str, str]:
    """How the units are enabled; those that are not there are missing in it."""
    names = list(units)
    if not names:
        return {}
    _code, out, _err = module.run_command(["systemctl", "show", "--property=Id,LoadState,UnitFileState", *names])
    found: dict[str, str] = {}
    for name, block in zip(names, out.strip().split("\n\n"), strict=True):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if fields.get("LoadState") != "not-found":
            found[name] = fields.get("UnitFileState", "")
    return found


def keep_accounts(module: AnsibleModule, names: Iterable[str]) -> Iterator[Difference]:
    """Accounts that no password opens; one that does not exist is passed over."""
    shadow = dict(line.split(":")[:2] for line in Path("/etc/shadow").read_text().splitlines())
    for name in names:
        if name not in shadow or shadow[name].startswith(("!", "*")):
            continue
        yield Difference(f"account {name}", "has a password, or needs none", "locked")
        if not module.check_mode:
            code, out, err = module.run_command(["usermod", "--lock", *(["--password", "!"] if not shadow[name] else []), name])
            if code:
                module.fail_json(msg=f"account {name} could not be locked: {(err or out).strip()}")


# ---- what commands leave behind ----


def look_for(demand: Mapping[str, Any]) -> Iterator[Difference]:
    """A text that a command has left in a file, or taken out of it; the command is the demand's effect."""
    text = host_files.read(Path(demand["path"])) or ""
    for pattern, wanted in ((demand["contains"], True), (demand["lacks"], False)):
        if pattern and bool(re.search(pattern, text, re.MULTILINE)) != wanted:
            there, missing = f"a line like {pattern}", f"no line like {pattern}"
            yield Difference(demand["path"], *((missing, there) if wanted else (there, missing)), demand["effect"])
