#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_evidence
version_added: 0.2.0
short_description: Collect what a host holds in memory and in its logs
description:
  - Writes one compressed archive with what is lost when the host ends - processes, connections, addresses, routes, neighbours, modules,
    mounts, who is logged in, the journal of the last hours - and the memory of processes as far as the kernel gives it out.
  - "Memory: what is private and writable of each process, the smallest processes first, until O(memory_mib) are full. Linux gives out the
    memory of the whole machine to a kernel module alone, and nobody should load one into evidence. What could not be read is listed."
  - The archive holds C(manifest.json) with the SHA-256 of every file. Write it to a folder in memory, so that no disk changes.
options:
  path:
    description: The archive to write, C(.tar.gz).
    type: path
    required: true
  memory_mib:
    description: How much memory to keep at most, before compression. None with V(0).
    type: int
    default: 256
  journal_hours:
    description: How far back the journal is kept.
    type: int
    default: 48
attributes:
  check_mode:
    description: Collects nothing, and says so.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Collect what is in memory alone
  indivillage.infra.host_evidence:
    path: /dev/shm/evidence.tar.gz
    memory_mib: 256
"""

RETURN = r"""
sha256:
  description: The archive's digest.
  returned: when it was written
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
bytes:
  description: The archive's size.
  returned: when it was written
  type: int
  sample: 1048576
files:
  description: Names in the archive.
  returned: always
  type: list
  elements: str
  sample: [processes.json, memory/1.bin, manifest.json]
unread:
  description: What could not be read, and why, one sentence each.
  returned: always
  type: list
  elements: str
  sample: ["journal: journalctl is not there"]
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

PROC = Path("/proc")
MIB = 1 << 20
COMMAND_SECONDS = 60
# What the kernel tells of the whole host; a process's own files are read process by process.
KERNEL = (
    "modules",
    "mounts",
    "cmdline",
    "version",
    "uptime",
    "loadavg",
    "net/tcp",
    "net/tcp6",
    "net/udp",
    "net/udp6",
    "net/unix",
    "net/arp",
)
COMMANDS = {
    "connections.txt": ["ss", "--tcp", "--udp", "--all", "--numeric", "--processes"],
    "addresses.txt": ["ip", "-details", "address"],
    "routes.txt": ["ip", "route", "show", "table", "all"],
    "neighbours.txt": ["ip", "neighbour"],
    "logins.txt": ["who", "--all"],
    "kernel.log": ["dmesg"],
}


class Archive:
    """What is collected, in the order in which it is lost: memory first."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.digests: dict[str, str] = {}
        self.unread: list[str] = []

    def add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o400
        self.tar.addfile(entry, io.BytesIO(data))
        self.digests[name] = hashlib.sha256(data).hexdigest()


def processes() -> Iterator[Path]:
    """The folders of all processes but this one."""
    return (folder for folder in sorted(PROC.iterdir()) if folder.name.isdigit() and int(folder.name) != os.getpid())


def describe(folder: Path) -> dict[str, Any]:
    """One process; what it does not give out is left out. The environment is, for it holds secrets of others."""

    def text(name: str) -> str:
        return (folder / name).read_text(errors="replace").replace("\0", " ").strip()

    found: dict[str, Any] = {"pid": int(folder.name)}
    for name in ("cmdline", "comm", "status", "maps", "cgroup"):
        try:
            found[name] = text(name)
        except OSError:
            continue
    for link in ("exe", "cwd", "root"):
        try:
            found[link] = str((folder / link).readlink())
        except OSError:
            continue
    try:
        found["open"] = sorted(str(descriptor.readlink()) for descriptor in (folder / "fd").iterdir())
    except OSError:
        found["open"] = []
    return found


def private_memory(folder: Path, limit: int) -> bytes:
    """What is private and writable of a process's memory, `limit` bytes at most; OSError when it may not be read."""
    kept = bytearray()
    with (folder / "mem").open("rb", buffering=0) as memory:
        for line in (folder / "maps").read_text().splitlines():
            span, permissions = line.split()[:2]
            if not permissions.startswith("rw") or "p" not in permissions or "[vvar]" in line:
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            memory.seek(begin)
            try:
                kept += memory.read(min(end - begin, limit - len(kept)))
            except OSError:
                continue  # a page that was never there
            if len(kept) >= limit:
                break
    return bytes(kept)


def collect_memory(archive: Archive, room: int) -> None:
    """The memory of processes, the smallest first, until `room` bytes are full."""
    sizes = {}
    for folder in processes():
        try:
            sizes[folder] = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError):
            continue
    for folder in sorted(sizes, key=lambda one: sizes[one]):
        if not sizes[folder]:
            continue  # a thread of the kernel
        if room <= 0:
            archive.unread.append(f"memory of {folder.name}: no room was left")
            continue
        try:
            data = private_memory(folder, room)
        except OSError as error:
            archive.unread.append(f"memory of {folder.name}: {error.strerror}")
            continue
        archive.add(f"memory/{folder.name}.bin", data)
        room -= len(data)


def collect(archive: Archive, memory_mib: int, journal_hours: int) -> None:
    """Everything, what changes fastest first."""
    archive.add("processes.json", json.dumps([describe(folder) for folder in processes()]).encode())
    commands = {**COMMANDS, "journal.export": ["journalctl", "--output=export", "--since", f"-{journal_hours}h"]}
    for name in KERNEL:
        try:
            archive.add(f"proc/{name}", (PROC / name).read_bytes())
        except OSError as error:
            archive.unread.append(f"/proc/{name}: {error.strerror}")
    for name, command in commands.items():
        try:
            done = subprocess.run(command, capture_output=True, timeout=COMMAND_SECONDS, check=False)
        except FileNotFoundError:
            archive.unread.append(f"{name}: {command[0]} is not there")
        except subprocess.TimeoutExpired:
            archive.unread.append(f"{name}: {command[0]} did not end within {COMMAND_SECONDS} s")
        else:
            archive.add(name, done.stdout)
            if done.returncode:
                archive.unread.append(f"{name}: {command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    collect_memory(archive, memory_mib * MIB)
    manifest = {"host": os.uname().nodename, "collected": time.time(), "sha256": archive.digests, "unread": archive.unread}
    archive.add("manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "memory_mib": {"type": "int", "default": 256},
            "journal_hours": {"type": "int", "default": 48},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True, files=[], unread=["nothing is collected in check mode"])
    path = Path(module.params["path"])
    try:
        path.touch(mode=0o600)
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            archive = Archive(tar)
            collect(archive, module.params["memory_mib"], module.params["journal_hours"])
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        module.fail_json(msg=f"Could not write {path}: {error}. Is there room? Give less memory_mib.")
    module.exit_json(changed=True, sha256=sha256, bytes=path.stat().st_size, files=list(archive.digests), unread=archive.unread)


if __name__ == "__main__":
    main()
