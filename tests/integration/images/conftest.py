# SPDX-License-Identifier: GPL-3.0-or-later
"""Two regions on an emulator, and bakes without machines: what a builder or probe would say, a test says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import pki
from tests.integration.emulator.support import RunningEmulator, start
from tests.integration.provisioning_tiers.foundation import TIERS_WITH_MONITORING, Foundation
from tests.support import playbooks
from tests.support.playbooks import PlaybookRun

PRIMARY, DR = "us-east-1", "us-west-2"
PREFIX = "indivillage-sandbox"
BUCKET = f"{PREFIX}-operations"
BAKE = "../tests/drill/permissions/bake"
LAYERS = {"stack_layers": "{{ ['aws_images', 'aws_load_balancing'] if stack_kind == 'primary' else ['aws_images'] }}"}


@dataclass(frozen=True)
class Factory:
    """The account, and how to bake in it."""

    emulator: RunningEmulator
    state_dir: Path

    def client(self, service: str, region: str = PRIMARY) -> Any:
        return self.emulator.client(service, region)

    def bake(self, *options: str, limit: str = "primary:dr", **variables: Any) -> PlaybookRun:
        """Bake, promote, copy and retain. Variables that begin with base_ change the content of the images."""
        given = ("--limit", limit, "-e", json.dumps(LAYERS | TIERS_WITH_MONITORING | variables), *options)
        return playbooks.run(self.emulator.endpoint, self.state_dir, BAKE, *given)

    def images(self, region: str = PRIMARY) -> dict[str, dict[str, Any]]:
        """Our images by their names without prefix and digest, the newest of each."""
        found = self.client("ec2", region).describe_images(Owners=["self"])["Images"]
        ours = sorted((image for image in found if image["Name"].startswith(PREFIX)), key=lambda image: str(image["CreationDate"]))
        return {image["Name"].split("-")[2]: image for image in ours}

    def names(self, region: str = PRIMARY) -> set[str]:
        found = self.client("ec2", region).describe_images(Owners=["self"])["Images"]
        return {image["Name"] for image in found if image["Name"].startswith(PREFIX)}

    def promoted(self, region: str = PRIMARY) -> dict[str, str]:
        """Tier -> the image that its parameter names."""
        found = self.client("ssm", region).get_parameters_by_path(Path="/indivillage/sandbox/images")["Parameters"]
        return {parameter["Name"].rpartition("/")[2]: parameter["Value"] for parameter in found}

    def instances(self) -> list[dict[str, Any]]:
        """Builders and probes that live."""
        alive = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        found = self.client("ec2").describe_instances(Filters=alive)["Reservations"]
        return [instance for reservation in found for instance in reservation["Instances"]]


def tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def told(run: PlaybookRun) -> str:
    """The output without line breaks, for messages that Ansible wraps."""
    return re.sub(r"\s+", " ", run.output)


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    """What images are baked on: networks, keys, identities and load balancers, and no image."""
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in start("--standalone"):
        primary, dr = Foundation(emulator), Foundation(emulator, DR, "10.11")
        primary.lay_base()
        dr.lay_network()
        dr.lay_keys()
        emulator.client("s3").create_bucket(Bucket=BUCKET)
        made = Factory(emulator, state_dir)
        laid = playbooks.run(
            emulator.endpoint, state_dir, "provision_foundation", "--limit", "sandbox-us-east-1", "--tags", "aws_load_balancing"
        )
        assert laid.returncode == 0, laid.output
        yield made
