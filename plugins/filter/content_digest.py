# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that names a machine image by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

LENGTH = 12
# Not content: what editors and interpreters leave behind, and what is for people.
IGNORED = ("__pycache__", ".pyc", "~", "README.md")


def content_digest(folders: Iterable[str], values: Any = None) -> str:
    """Digest files and values to 12 hexadecimal digits.

    folders: paths; every file below them counts with its relative path, its mode's execute bit and its content.
    values: anything that JSON can express; the order of keys does not matter.
    Raises AnsibleFilterError when a folder does not exist.
    """
    digest = hashlib.sha256()
    for folder in (Path(name).resolve() for name in folders):
        if not folder.is_dir():
            raise AnsibleFilterError(f"{folder} is no folder: a recipe names a role that does not exist")
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not _ignored(path)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{folder.name}/{path.relative_to(folder)} {path.stat().st_mode & 0o100} {content}\n".encode())
    digest.update(json.dumps(values, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:LENGTH]


def _ignored(path: Path) -> bool:
    return any(part.endswith(IGNORED) for part in path.parts)


class FilterModule:
    """Makes the function a filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"content_digest": content_digest}
