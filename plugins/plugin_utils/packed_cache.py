# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as ansible-core has packed them, kept from run to run.

ansible-core keeps a packed module in its temporary folder, for the length of a run. It holds code alone: arguments are put in later. A
kept one is only used while every file that can go into it has the size and the time of change that it had; the aws_worker connection
then compares the checksum of each file with what it has loaded, as for any payload.

Several checkouts of one user share the directory, each with a state of its own: one that no run has used for a month is removed.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import ansible.constants as C  # noqa: N812  # the name that all of Ansible uses
import jinja2
from ansible.module_utils import ansible_release

COLLECTIONS = ("amazon.aws", "community.aws", "indivillage.infra")
# Below the package and each collection: what is packed, what packs it, and what templates are compiled with.
PACKED = (
    "modules",
    "module_utils",
    "_internal",
    "executor/module_common.py",
    "plugins/modules",
    "plugins/module_utils",
    "plugins/filter",
    "plugins/test",
    "meta/runtime.yml",
)
IN_A_RUN = "ansiballz_cache"  # ansible-core's own name
KEPT = "packed"
UNUSED_SECONDS = 30 * 24 * 3600


class PackedCache:
    """The packed modules of one state of the code, in a directory (C(kept)) that only its owner may enter."""

    def __init__(self, kept: Path, in_this_run: Path) -> None:
        self.kept = kept
        self._in_this_run = in_this_run

    @classmethod
    def of_this_code(cls) -> PackedCache:
        """The one for ansible-core and the collections as they are now. Raises ImportError or OSError when they cannot be found."""
        return cls(Path(C.ANSIBLE_HOME) / KEPT / fingerprint(_roots()), Path(C.DEFAULT_LOCAL_TMP) / IN_A_RUN)

    def hand_over(self) -> None:
        """Give this run what earlier ones have packed."""
        self._in_this_run.mkdir(exist_ok=True)
        for packed in self.kept.glob("[!.]*"):
            (self._in_this_run / packed.name).symlink_to(packed)

    def take_over(self) -> None:
        """Keep what this run has packed, and remove what has not been used for long."""
        for directory in (self.kept.parent, self.kept):
            directory.mkdir(mode=0o700, exist_ok=True)
        prefixes = tuple(f"{name}." for name in (*COLLECTIONS, "ansible.modules"))
        for packed in self._in_this_run.glob("*"):
            module = packed.name.removeprefix("ansible_collections.")
            if module.startswith(prefixes) and not packed.name.endswith(".lock") and not (self.kept / packed.name).exists():
                new = self.kept / f".{packed.name}.{os.getpid()}"
                shutil.copyfile(packed, new)
                new.replace(self.kept / packed.name)  # whole or not at all, whatever other runs do
        os.utime(self.kept)
        for state in self.kept.parent.iterdir():
            if state.stat().st_mtime < time.time() - UNUSED_SECONDS:
                shutil.rmtree(state, ignore_errors=True)


def _roots() -> list[Path]:
    roots = [Path(ansible_release.__file__).parents[1]]
    return roots + [Path(importlib.import_module(f"ansible_collections.{name}").__path__[0]) for name in COLLECTIONS]


def fingerprint(roots: list[Path]) -> str:
    """A name for the state of all files that can go into a packed module, by their places, sizes and times of change."""
    digest = hashlib.sha256(f"{sys.version} {jinja2.__version__}".encode())
    for root in roots:
        for name in PACKED:
            for path, status in sorted(_files(root / name)):
                digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:32]


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    if path.is_file():
        yield str(path), path.stat()
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path))
            elif entry.name.endswith(".py"):
                yield entry.path, entry.stat()
