# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine with Debian: a host that has a kernel of its own.

QEMU emulates its processor, since a machine in a cloud seldom has virtualization to give away; it boots in half a minute. It reaches
nothing, neither archives of packages nor the metadata service of the machine it runs on: what it needs is in its image.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.images import RECIPES, Recipe, bootstrap_command, machine_apt_options, machine_sources
from tests.support.servers import free_port

KERNEL = ("linux-image-cloud-amd64", "initramfs-tools", "grub2-common", "grub-pc-bin", "kmod")
DISK = "4G"
PROCESSORS, MEMORY_MIB = 2, 1536
BOOT_SECONDS = 1200  # less than a minute on a machine that does nothing else
SUDOERS = Path(__file__).parents[3] / "sandbox/images/instance/etc/sudoers.d/90-admin"
SETUP = r"""
useradd --create-home --uid 1000 --shell /bin/bash admin
install -d -o admin -g admin -m 0700 /home/admin/.ssh
printf '%s\n' {key} > /home/admin/.ssh/authorized_keys
chown admin:admin /home/admin/.ssh/authorized_keys
printf '%s' {sudoers} > /etc/sudoers.d/90-admin
chmod 0440 /etc/sudoers.d/90-admin
echo machine > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 machine\n' > /etc/hosts
printf '/dev/vda / ext4 errors=remount-ro 0 1\n' > /etc/fstab
printf '[Match]\nName=en*\n[Network]\nAddress=10.0.2.15/24\n' > /etc/systemd/network/lan.network
mkdir -p /boot/grub
systemctl enable systemd-networkd ssh
systemctl disable apt-daily.timer apt-daily-upgrade.timer
: > /etc/machine-id
"""


@dataclass
class Machine:
    """One virtual machine. Commands run by ssh, as its users come."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> Path:
        """The private key of its administrator."""
        return self.folder / "key"

    @property
    def ssh(self) -> list[str]:
        """The command that logs in, up to the command that is run there."""
        options = {"BatchMode": "yes", "ConnectTimeout": 10, "UserKnownHostsFile": self.folder / "known_hosts", "LogLevel": "ERROR"}
        settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", "-i", str(self.key), "-p", str(self.port), *settings, "admin@127.0.0.1"]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root."""
        return subprocess.run([*self.ssh, f"sudo -n sh -c {shlex.quote(command)}"], capture_output=True, text=True, check=False)

    def must(self, command: str) -> str:
        """The output of a shell command that has to succeed, without the last end of line."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def boot(self) -> float:
        """Start it; the seconds until somebody could log in."""
        assert self.process is None
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)),
                *("-display", "none", "-monitor", "none", "-serial", f"file:{self.folder / 'console'}", "-no-reboot"),
                *("-kernel", str(self.folder / "vmlinuz"), "-initrd", str(self.folder / "initrd.img")),
                *("-append", f"root=/dev/vda rw console=ttyS0 {self.options}".strip()),
                *("-drive", f"file={self.folder / 'disk'},if=virtio,format=raw,cache=unsafe"),
                *("-netdev", f"user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "virtio-net-pci,netdev=lan"),
                *("-device", "virtio-rng-pci"),
            ],
            stdin=subprocess.DEVNULL,
        )
        # Whatever state it comes to: that somebody got in, and that it is done with starting, is what is awaited.
        while self.run("systemctl is-system-running --wait || true").returncode:
            assert self.process.poll() is None, f"the machine ended; see {self.folder / 'console'}"
            assert time.monotonic() - began < BOOT_SECONDS, f"nobody can log in; see {self.folder / 'console'}"
            time.sleep(1)
        return time.monotonic() - began

    def reboot(self) -> float:
        """Reboot it with the options that its boot loader's configuration has now, which the emulator passes itself."""
        assert self.process is not None
        line = re.search(r"^\s*linux\s+\S+\s+root=\S+\s+(.*)$", self.must("cat /boot/grub/grub.cfg"), re.MULTILINE)
        assert line, "the boot loader's configuration starts no kernel"
        self.options = line[1]
        self.run("systemctl reboot")
        self.process.wait(timeout=BOOT_SECONDS)
        self.process = None
        return self.boot()


@contextmanager
def machine(release: str, packages: Sequence[str], folder: Path) -> Iterator[Machine]:
    """A new machine of a Debian release with these packages, booted; it is gone when the block is left."""
    made = Machine(folder)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made.key)], check=True)
    _make_disk(RECIPES[f"debian-{release}"], packages, made)
    try:
        made.boot()
        yield made
    finally:
        if made.process:
            made.process.kill()
            made.process.wait()


def _make_disk(recipe: Recipe, packages: Sequence[str], made: Machine) -> None:
    tree, setup = made.folder / "tree", made.folder / "setup"
    public = made.key.with_suffix(".pub").read_text().strip()
    setup.write_text(SETUP.format(key=shlex.quote(public), sudoers=shlex.quote(SUDOERS.read_text())))
    wanted = Recipe(recipe.tag, recipe.suite, (*recipe.packages, *KERNEL, *packages), variant=recipe.variant)
    command = bootstrap_command(wanted, machine_sources(recipe.suite), machine_apt_options(), str(tree))
    command.insert(1, f'--customize-hook=chroot "$1" sh -eu < {shlex.quote(str(setup))}')
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(tree / name, made.folder / name)
        host_key = (tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text().strip()
        (made.folder / "known_hosts").write_text(f"[127.0.0.1]:{made.port} {host_key}\n")
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(tree), str(made.folder / "disk"), DISK], check=True)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
