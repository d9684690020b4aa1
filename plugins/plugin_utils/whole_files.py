# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that runs keep for the next one: there as a whole or not at all, whatever other runs do at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(file: Path, parts: Iterable[bytes]) -> None:
    """Write a file, for its owner alone; its folder is made. Raises OSError, with the former file as it was."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as kept:
        kept.writelines(parts)
    new.replace(file)
