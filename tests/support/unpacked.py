# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages of the release that hosts run, unpacked and not installed: the real programs that read what we write for them."""

from __future__ import annotations

import fcntl
import json
import shutil
from functools import cache
from pathlib import Path

from sandbox import images
from scripts.pages.inventory import ROOT

SUITE = "trixie"


@cache
def unpacked(name: str, packages: tuple[str, ...]) -> Path:
    """The root folder below which they and what they need lie, in build/<name>; fetched once: half a minute."""
    home = ROOT / "build" / name
    home.mkdir(parents=True, exist_ok=True)
    root, wanted = home / "root", json.dumps([SUITE, *packages])
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = home / "stamp"
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(root, ignore_errors=True)
            images.extract(packages, SUITE, root)
            stamp.write_text(wanted)
    return root
