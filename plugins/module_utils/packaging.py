# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives that depend on the contents and names of files alone: the same on every machine and at every time."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive can name
MODE = 0o644 << 16
COMPILED = "__pycache__"


def archive(directory: Path) -> bytes:
    """A zip archive of a directory's files. Nothing is compressed, because the releases of zlib compress differently."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and COMPILED not in path.parts)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), EPOCH)
            entry.create_system, entry.external_attr = 3, MODE  # as made on Unix, whatever this runs on
            target.writestr(entry, path.read_bytes())
    return packed.getvalue()


def digest(content: bytes) -> str:
    """The digest by which Lambda tells code apart."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
