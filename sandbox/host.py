# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox asks of this machine: commands, rights, free ports, and kernel settings that it puts back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

from sandbox.settings import Settings

# command -> Debian package that has it
COMMANDS = {
    "podman": "podman",
    "nft": "nftables",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "apt-config": "apt",
}
HELPERS = {"netavark": "netavark", "aardvark-dns": "aardvark-dns"}
HELPER_DIRECTORIES = (
    "/usr/lib/podman",
    "/usr/libexec/podman",
    "/usr/local/libexec/podman",
    "/usr/local/lib/podman",
    "/usr/bin",
    "/usr/local/bin",
)
RUNTIMES = ("crun", "runc")
KERNEL_MINIMUMS = {
    # Every systemd takes several inotify instances: at 128, Debian's default, the 27th container dies at its start.
    "fs/inotify/max_user_instances": 2048,
    # A bridge takes another hardware address as containers come and go. Without being told, those that stay keep sending to the one that
    # is gone: for up to 40 seconds they reach neither the emulator nor another VPC.
    "net/ipv4/conf/all/arp_notify": 1,
}
# Without systemd and cgroups of version 2 all containers together get as much of a busy processor as one process outside them gets: a
# site of a dozen machines would starve beside a test. Here they get as much as sixteen.
CONTAINERS_WEIGHT, WEIGHT_OF_SIXTEEN = Path("/sys/fs/cgroup/cpu/libpod_parent/cpu.shares"), 16 * 1024
SYSTEMD = Path("/run/systemd/system")
# Packets between two containers on one bridge must pass the forward hook, where the security groups are.
BRIDGE_HOOK = "net/bridge/bridge-nf-call-iptables"


class HostError(Exception):
    """This machine cannot carry the sandbox as it is; the text says what to do."""


def check_commands() -> None:
    """Raises HostError with one line to type when a program is missing."""
    missing = {package for command, package in COMMANDS.items() if not shutil.which(command)}
    missing |= {package for helper, package in HELPERS.items() if not any(Path(place, helper).exists() for place in HELPER_DIRECTORIES)}
    if not any(map(shutil.which, RUNTIMES)):
        missing.add("runc")
    if missing:
        raise HostError(f"missing programs; install them with: sudo apt-get install --yes {' '.join(sorted(missing))}")


def check_rights() -> None:
    """Raises HostError unless this is root: bridges, security groups and the metadata redirect belong to the machine's own network."""
    if os.geteuid() != 0:
        raise HostError(
            "the sandbox needs root: its security groups are nftables rules between bridges of this machine, which rootless containers "
            "do not have. Run the same command with sudo, or in a virtual machine of your own"
        )


def check_port(port: int, variable: str) -> None:
    """Raises HostError when somebody listens on the loopback port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise HostError(f"port {port} of 127.0.0.1 is taken by another program: stop it, or set {variable} to a free port") from error


def prepare_kernel(settings: Settings) -> None:
    """Raise what is too low, and remember what it was."""
    if not _sysctl(BRIDGE_HOOK).exists():
        subprocess.run(["modprobe", "br_netfilter"], capture_output=True, check=False)
    if not _sysctl(BRIDGE_HOOK).exists():
        raise HostError(
            "this kernel has no br_netfilter, so nothing between two containers of one network could be refused: load that module"
        )
    changed = {BRIDGE_HOOK: "1"} if _sysctl(BRIDGE_HOOK).read_text().strip() != "1" else {}
    changed |= {name: str(least) for name, least in _minimums().items() if int(_sysctl(name).read_text()) < least}
    remembered = _remembered(settings)
    # Written before anything changes, so that `down` can undo a run that was cut off here.
    before = {name: _sysctl(name).read_text().strip() for name in changed} | remembered
    _memory(settings).write_text(json.dumps(before))
    for name, value in changed.items():
        try:
            _sysctl(name).write_text(value)
        except OSError as error:
            raise HostError(f"cannot set the kernel's {name.replace('/', '.')} to {value}: {error.strerror}") from error


def restore_kernel(settings: Settings) -> None:
    """Put back what `prepare_kernel` changed."""
    for name, value in _remembered(settings).items():
        if _sysctl(name).exists():  # podman may have removed the containers' group
            _sysctl(name).write_text(value)


def _minimums() -> dict[str, int]:
    group = CONTAINERS_WEIGHT.parent
    if (group.parent / CONTAINERS_WEIGHT.name).exists() and not SYSTEMD.exists():
        group.mkdir(exist_ok=True)  # podman's own, with the first container
        return KERNEL_MINIMUMS | {str(CONTAINERS_WEIGHT): WEIGHT_OF_SIXTEEN}
    return KERNEL_MINIMUMS


def _memory(settings: Settings) -> Path:
    return settings.state_dir / "kernel.json"


def _remembered(settings: Settings) -> dict[str, str]:
    return json.loads(_memory(settings).read_text()) if _memory(settings).exists() else {}


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name  # an absolute path stays what it is
