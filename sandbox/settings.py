# SPDX-License-Identifier: GPL-3.0-or-later
"""Every constant of the sandbox, and the three things that may differ between two of them: two ports and a directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

ACCOUNT_ID = "123456789012"
REGIONS = ("us-east-1", "us-west-2")
PRIMARY_REGION = REGIONS[0]
ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox"  # noqa: S105 - the emulator takes any key; a well-known one keeps real ones away from it
DOMAIN = "sandbox.indivillage.internal"

OBSERVER = "indivillage-sandbox-observer"
"""How the sandbox's own clients call themselves: they see a region that is out, as AWS's own machinery would."""

LABEL = "indivillage.sandbox"
"""Label of every container, its value is the kind: instance, load_balancer, database, cache or internet."""
VPC_LABEL = "indivillage.vpc"
DIGEST_LABEL = "indivillage.digest"
IMAGE_REPOSITORY = "localhost/indivillage"
INSTANCE_IMAGE = f"{IMAGE_REPOSITORY}/debian:13"
CONTAINER_IMAGE_TAG = "sandbox:container-image"
"""AMI tag that names the container image behind an AMI; an AMI without it is a baked one: see `baked_image`."""

INTERNET_CIDR = "198.18.0.0/24"
INTERNET_CLIENT = "indivillage-internet-client"
INTERNET_CLIENT_ADDRESS = "198.18.0.10"
METADATA_PORT = 8169
"""Where the metadata service listens on each VPC gateway; the firewall redirects 169.254.169.254:80 to it."""
SETTINGS_FILE = "settings.json"
FIREWALL_TABLE = "indivillage_sandbox"


@dataclass(frozen=True)
class Settings:
    """One sandbox: where its state lies and which loopback ports it takes."""

    state_dir: Path
    emulator_port: int
    page_port: int

    @property
    def endpoint(self) -> str:
        """URL of the emulator on loopback."""
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def page_url(self) -> str:
        """Address of the page that the public load balancer serves."""
        return f"https://localhost:{self.page_port}/"

    @property
    def pki_dir(self) -> Path:
        """CA and server certificates."""
        return self.state_dir / "pki"

    @property
    def ca_file(self) -> Path:
        """The certificate that validates the page."""
        return self.pki_dir / "ca.pem"

    @property
    def ssh_key_file(self) -> Path:
        """Private key of the instances' user; the role aws_keys drops it here."""
        return self.state_dir / "ssh" / "id_ed25519"

    @property
    def known_hosts_file(self) -> Path:
        """Host keys of the instances, by instance id."""
        return self.state_dir / "known_hosts"

    def pid_file(self, process: str) -> Path:
        """Where the process id of `emulator`, `supervisor` or `reconciler` is kept."""
        return self.state_dir / f"{process}.pid"

    def log_file(self, process: str) -> Path:
        """What a process says; the build of an image has a log too."""
        return self.state_dir / f"{process}.log"

    @property
    def saved(self) -> bool:
        """Whether `up` was called here and `down` was not since."""
        return (self.state_dir / SETTINGS_FILE).exists()

    def save(self) -> None:
        """Remember the choices of this run, so that later commands need no environment variables."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        choices = {"emulator_port": self.emulator_port, "page_port": self.page_port}
        (self.state_dir / SETTINGS_FILE).write_text(json.dumps(choices) + "\n")


def load() -> Settings:
    """Settings from the environment, else from the running sandbox, else the defaults.

    Raises ValueError when a port variable is not a port number.
    """
    state_dir = Path(os.environ.get("SANDBOX_STATE_DIR") or REPOSITORY / ".sandbox").resolve()
    saved = {}
    if (state_dir / SETTINGS_FILE).exists():
        saved = json.loads((state_dir / SETTINGS_FILE).read_text())
    return Settings(
        state_dir=state_dir,
        emulator_port=_port("SANDBOX_EMULATOR_PORT", saved.get("emulator_port", 4566)),
        page_port=_port("SANDBOX_PAGE_PORT", saved.get("page_port", 8443)),
    )


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{variable}={text!r} is not a port number: set it to a free port between 1 and 65535, or unset it")
    return int(text)


INTERNET_ID = "internet"
"""Takes a VPC id's place for the network outside all VPCs."""


def container_name(resource: str) -> str:
    """Name of the container behind an instance id or a resource name."""
    return f"indivillage-{resource}"


def network_name(vpc_id: str) -> str:
    """Name of the container network behind a VPC."""
    return f"indivillage-{vpc_id}"


def bridge_name(vpc_id: str) -> str:
    """Name of a VPC's bridge interface: `iv` and the first 8 hex digits of its id (Linux allows 15 characters)."""
    return "iv" + vpc_id.removeprefix("vpc-")[:8]


def baked_image(ami_id: str) -> str:
    """Container image of an AMI that CreateImage made."""
    return f"{IMAGE_REPOSITORY}/ami:{ami_id}"
