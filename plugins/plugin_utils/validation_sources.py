# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an inventory directory declares its variables: name, scope, file and line.

Files are parsed, not loaded: Jinja stays text and a vaulted value stays vaulted. What cannot be parsed is left to
Ansible, which has read the same files before and says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible.module_utils.common.yaml import SafeLoader

COMMAND_LINE = "command line"  # the scope of extra variables, which win over everything
EXTENSIONS = {"", ".yml", ".yaml", ".json"}  # those of Ansible's host_group_vars plugin


@dataclass(frozen=True)
class Declaration:
    """One variable set in one file, or on the command line.

    scope: the group or host it is set for, or COMMAND_LINE; that one has no path. order: the higher, the later Ansible reads
    it within its scope. earlier_line: where the same file sets it before, 0 if it does not.
    """

    name: str
    scope: str
    path: Path | None = None
    line: int = 0
    order: int = 0
    earlier_line: int = 0

    def place(self) -> str:
        """Return file and line, the file relative to the working directory where it is below it."""
        if self.path is None:
            return "extra variables (-e)"
        path = self.path.resolve()
        current = Path.cwd().resolve()
        return f"{path.relative_to(current) if path.is_relative_to(current) else path}:{self.line}"


def read_declarations(inventory: Path) -> list[Declaration]:
    """Return what the files of an inventory directory declare, in group_vars, host_vars and in the inventory files."""
    declarations: list[Declaration] = []
    for folder in ("group_vars", "host_vars"):
        for entry in sorted((inventory / folder).glob("*")):
            scope = entry.name if entry.is_dir() else entry.stem
            for path in _variable_files(entry):
                declarations += _top_level(path, scope, len(declarations))
    for path in sorted(inventory.glob("*.yml")):
        root = _compose(path)
        if isinstance(root, yaml.MappingNode):
            declarations += _inventory_file(root, path)
    return declarations


def _variable_files(entry: Path) -> Iterator[Path]:
    """The files Ansible reads for one entry of group_vars, in its order; links to directories are followed."""
    if entry.name.startswith(".") or entry.name.endswith("~"):
        return
    if entry.is_dir():
        for part in sorted(entry.iterdir()):
            yield from _variable_files(part)
    elif entry.suffix in EXTENSIONS:
        yield entry


def _compose(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _top_level(path: Path, scope: str, order: int) -> Iterator[Declaration]:
    root = _compose(path)
    if isinstance(root, yaml.MappingNode):
        yield from _mapping(root, scope, path, order)


def _mapping(node: yaml.MappingNode, scope: str, path: Path, order: int = 0) -> Iterator[Declaration]:
    lines: dict[str, int] = {}
    for key, _value in node.value:
        line = key.start_mark.line + 1
        yield Declaration(str(key.value), scope, path, line, order, earlier_line=lines.get(str(key.value), 0))
        lines[str(key.value)] = line


def _inventory_file(node: yaml.MappingNode, path: Path) -> Iterator[Declaration]:
    """The variables inside a YAML inventory: groups with hosts, vars and children."""
    for key, group in node.value:
        if not isinstance(group, yaml.MappingNode):
            continue
        for part, content in group.value:
            if not isinstance(content, yaml.MappingNode):
                continue
            if part.value == "vars":
                yield from _mapping(content, str(key.value), path)
            elif part.value == "children":
                yield from _inventory_file(content, path)
            elif part.value == "hosts":
                for host, variables in content.value:
                    if isinstance(variables, yaml.MappingNode):
                        yield from _mapping(variables, str(host.value), path)
