# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman, driven by its command line: containers, networks and images of the sandbox, and nobody else's.

What differs between machines (OCI runtime, cgroup version, limits) is probed once and turned into options in one place, `run_options`,
which the role tests use too: a role must meet the same capabilities there as on the sandbox's instances.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sandbox.model import Container, ContainerSpec, EngineError, Vpc
from sandbox.settings import DIGEST_LABEL, IMAGE_REPOSITORY, LABEL, VPC_LABEL, bridge_name, network_name

# Podman's name server misses questions while it learns of new machines: ask again soon.
RESOLVER = "timeout:1 attempts:3"
CAP_SYS_RESOURCE = 24
STOP_SECONDS = 10
REMOVE_SECONDS = 2
# NET_ADMIN: a host has its own firewall. SYS_ADMIN: without it systemd silently drops ProtectSystem and units with DynamicUser fail.
INSTANCE_OPTIONS = ("--systemd=always", "--cap-add=NET_ADMIN,SYS_ADMIN")


@dataclass(frozen=True)
class Network:
    """A container network of the sandbox."""

    name: str
    vpc_id: str
    cidr: str


class Podman:
    """The container engine (see `sandbox.model.Engine`), plus networks and images."""

    # --- this machine ---

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        return json.loads(_run(["podman", "info", "--format", "json"]))["host"]

    @cached_property
    def _base(self) -> tuple[str, ...]:
        """The podman command; on cgroup v1 runc is preferred, since systemd needs a writable hierarchy which crun does not give there."""
        prefers_crun = self._info["ociRuntime"]["name"] == "crun"
        if self._info["cgroupVersion"] == "v1" and prefers_crun and shutil.which("runc"):
            return ("podman", "--runtime", "runc")
        return ("podman",)

    def run_options(self, *, systemd: bool) -> tuple[str, ...]:
        """Options of `podman create` that this machine and the kind of container (systemd: an instance) ask for."""
        process_status, pid_max = (Path("/proc", name).read_text() for name in ("self/status", "sys/kernel/pid_max"))
        return (INSTANCE_OPTIONS if systemd else ()) + limit_options(process_status, int(pid_max))

    def instance_command(self) -> tuple[str, ...]:
        """The command, up to its options, that starts a container with what instances have; name and image are for the caller to add."""
        return (*self._base, "run", "--detach", *self.run_options(systemd=True))

    def _podman(self, *arguments: str, data: bytes = b"") -> str:
        return _run([*self._base, *arguments], data)

    # --- containers ---

    def list(self) -> tuple[Container, ...]:
        """All containers of the sandbox, in any state."""
        return tuple(map(_container, json.loads(self._podman("ps", "--all", "--filter", f"label={LABEL}", "--format", "json") or "[]")))

    def create(self, spec: ContainerSpec) -> None:
        """Make the container, put its files in and start it."""
        self._podman("create", *create_options(spec), *self.run_options(systemd=spec.systemd), spec.image, *spec.command)
        if spec.files:
            self._podman("cp", "-", f"{spec.name}:/", data=_tar(spec.files))
        if spec.resolver:
            resolver = f"nameserver {spec.resolver}\noptions {RESOLVER}\n"
            self._podman("cp", "-", f"{spec.name}:/", data=_tar({"/etc/resolv.conf": resolver}, mode=0o644))
        self.start(spec.name)

    def start(self, name: str) -> None:
        """Start a stopped container."""
        self._podman("start", name)

    def stop(self, name: str) -> None:
        """Shut a container down, its file system is kept."""
        self._podman("stop", "--time", str(STOP_SECONDS), name)

    def kill(self, name: str) -> None:
        """End a container without a word, as a loss of power does; its file system is kept."""
        self._podman("kill", "--signal", "KILL", name)

    def restart(self, name: str) -> None:
        """Stop and start."""
        self._podman("restart", "--time", str(STOP_SECONDS), name)

    def remove(self, *names: str, seconds: int = REMOVE_SECONDS) -> None:
        """Remove containers in any state, giving running ones so many seconds to end."""
        self._podman("rm", "--force", "--ignore", "--volumes", "--time", str(seconds), *names)

    def execute(self, name: str, command: Sequence[str], *, text: str = "") -> str:
        """Run a command in a running container with `text` as its input; its output."""
        return self._podman("exec", "--interactive", name, *command, data=text.encode())

    def write(self, name: str, path: str, text: str) -> None:
        """Put a file (mode 0600, owner root) into a container in any state."""
        self._podman("cp", "-", f"{name}:/", data=_tar({path: text}))

    # --- networks ---

    def networks(self) -> tuple[Network, ...]:
        """All networks of the sandbox."""
        names = self._podman("network", "ls", "--quiet", "--filter", f"label={VPC_LABEL}").split()
        found = json.loads(self._podman("network", "inspect", *names)) if names else []
        return tuple(Network(net["name"], net["labels"][VPC_LABEL], net["subnets"][0]["subnet"]) for net in found)

    def create_network(self, vpc: Vpc) -> None:
        """Make the bridge network of a VPC, named as `settings` says."""
        name, bridge = network_name(vpc.id), bridge_name(vpc.id)
        command = ["network", "create", "--label", f"{VPC_LABEL}={vpc.id}", "--subnet", vpc.cidr, "--gateway", vpc.gateway]
        if "--interface-name" in self._network_help:
            self._podman(*command, "--interface-name", bridge, name)
            return
        self._podman(*command, name)
        _name_bridge(name, bridge)

    @cached_property
    def _network_help(self) -> str:
        return self._podman("network", "create", "--help")

    def remove_network(self, name: str) -> None:
        """Remove a network and whatever container is still on it."""
        self._podman("network", "rm", "--force", name)

    # --- images ---

    def baked_images(self) -> frozenset[str]:
        """Names of the images that `bake` made."""
        listed = self._podman("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={IMAGE_REPOSITORY}/ami:*")
        return frozenset(listed.split())

    def bake(self, name: str, image: str) -> None:
        """Commit a container as an image. Its copies get machine ids of their own, since systemd makes one when the file is empty."""
        machine_id = self.execute(name, ["sh", "-c", "cat /etc/machine-id; : > /etc/machine-id"])
        try:
            self._podman("commit", "--quiet", "--change", f"LABEL {DIGEST_LABEL}=", name, image)
        finally:
            self.execute(name, ["sh", "-c", "cat > /etc/machine-id"], text=machine_id)

    def remove_image(self, *images: str) -> None:
        """Remove images, also those in use by nothing but stopped containers."""
        self._podman("rmi", "--force", *images)


def create_options(spec: ContainerSpec) -> list[str]:
    """Options of `podman create` that a spec asks for."""
    options = ["--name", spec.name, "--hostname", spec.hostname, "--network", network_name(spec.vpc_id), "--ip", spec.address]
    labels = {LABEL: spec.kind, VPC_LABEL: spec.vpc_id, DIGEST_LABEL: spec.digest}
    options += [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
    options += [part for alias in spec.aliases for part in ("--network-alias", alias)]
    options += [part for key, value in spec.environment.items() for part in ("--env", f"{key}={value}")]
    # Podman would add this machine's own name servers, which no instance may reach: whoever asks them waits.
    options += ["--dns", "none"] if spec.resolver else [f"--dns-option={option}" for option in RESOLVER.split()]
    options += [part for host, port in spec.published for part in ("--publish", f"127.0.0.1:{host}:{port}")]
    return options


def limit_options(process_status: str, most_processes: int) -> tuple[str, ...]:
    """Podman raises the limits of a container, which takes CAP_SYS_RESOURCE; without it they must be named, at what may be had.

    `process_status` is the text of /proc/self/status. Podman itself lowers the number of processes to `most_processes`, the kernel's
    pid_max, so that no container may have more.
    """
    effective = next(int(line.split()[1], 16) for line in process_status.splitlines() if line.startswith("CapEff:"))
    if effective & 1 << CAP_SYS_RESOURCE:
        return ()
    files, processes = (resource.getrlimit(number)[1] for number in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    processes = most_processes if processes == resource.RLIM_INFINITY else min(processes, most_processes)
    return (f"--ulimit=nofile={files}:{files}", f"--ulimit=nproc={processes}:{processes}")


def _container(entry: Mapping[str, Any]) -> Container:
    labels = entry["Labels"]
    return Container(
        name=entry["Names"][0],
        kind=labels[LABEL],
        state=entry["State"],
        image=entry["Image"],
        digest=labels.get(DIGEST_LABEL, ""),
        vpc_id=labels.get(VPC_LABEL, ""),
        pid=entry["Pid"] if entry["State"] == "running" else 0,
    )


def _name_bridge(network: str, bridge: str) -> None:
    """Name a network's bridge in its definition, before its first container: podman older than 4.4 has no option for it."""
    path = Path("/etc/containers/networks") / f"{network}.json"
    definition = json.loads(path.read_text())
    definition["network_interface"] = bridge
    path.write_text(json.dumps(definition, indent=2))


def _tar(files: Mapping[str, str], mode: int = 0o600) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _run(command: Sequence[str], data: bytes = b"") -> str:
    result = subprocess.run(command, input=data, capture_output=True, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
    if result.returncode:
        shown = " ".join(command[:4])
        raise EngineError(f"{shown} ... failed: {result.stderr.decode(errors='replace').strip()[-500:]}")
    return result.stdout.decode(errors="replace")
