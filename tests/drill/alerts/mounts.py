# SPDX-License-Identifier: GPL-3.0-or-later
"""A small disk of its own for a container, so that a drill fills that and not this machine's."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPEN_TREE, MOVE_MOUNT = 428, 429  # numbers of the system calls
AT_FDCWD, OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = -100, 1, 4
SIZE_MIB = 64


def _call(number: int, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _move(mounted: Path, pid: int, target: str) -> None:
    """Give the process's file systems a copy of a mount, at `target`; in a child, since it changes its own."""
    child = os.fork()
    if child == 0:
        try:
            tree = _call(OPEN_TREE, AT_FDCWD, os.fsencode(mounted), OPEN_TREE_CLONE)
            os.setns(os.pidfd_open(pid), os.CLONE_NEWNS)
            _call(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
        except OSError as error:
            print(f"{mounted} cannot be given to process {pid}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextmanager
def disk(container: str, target: str, folder: Path) -> Iterator[None]:
    """A disk of 64 MiB at `target` of a container. It goes with its end."""

    def run(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE_MIB * 2**20)
    run("mkfs.ext4", "-q", "-m", "0", str(image))
    run("mount", "-o", "loop", str(image), str(mounted))
    try:
        run("podman", "exec", container, "mkdir", "-p", target)
        _move(mounted, int(run("podman", "inspect", "--format", "{{.State.Pid}}", container)), target)
        try:
            yield
        finally:
            run("podman", "exec", container, "umount", "-l", target)
    finally:
        run("umount", "-l", str(mounted))
