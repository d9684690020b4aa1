# SPDX-License-Identifier: GPL-3.0-or-later
"""Every environment's full declaration, with what an operator would put in place of its CHANGE_ME."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import pki
from sandbox.settings import ACCOUNT_ID
from tests.drill.support.emulator import DrillEmulator
from tests.drill.support.runs import Project

DEBIAN = ("136693071363", "debian-13-amd64-20260101-1")  # owner and name, as Debian publishes its images
CERTIFICATES = ("public", "internal")


@dataclass(frozen=True)
class Declaration:
    """An environment and the regions of its stacks."""

    name: str
    regions: tuple[str, ...]
    needs_approval: bool = False

    def prepare(self, emulator: DrillEmulator, state_dir: Path) -> Project:
        """An account in which the environment can be provisioned."""
        project = Project(emulator, state_dir, self.name)
        project.prepare()
        if self.name != "sandbox":
            for region in self.regions:
                emulator.add_image(region, *DEBIAN)
            project.variables = {"aws_account_id": ACCOUNT_ID, "aws_load_balancing_certificates": self._certificates(emulator, state_dir)}
        return project

    def _certificates(self, emulator: DrillEmulator, state_dir: Path) -> dict[str, Any]:
        """Imported in each region; the ARNs are chosen by the region of the stack."""
        arns: dict[str, dict[str, str]] = {name: {} for name in CERTIFICATES}
        for name in CERTIFICATES:
            certificate, key = pki.issue((f"{name}.{self.name}.example",), state_dir / "pki")
            for region in self.regions:
                arns[name][region] = emulator.client("acm", region).import_certificate(Certificate=certificate, PrivateKey=key)[
                    "CertificateArn"
                ]
        return {name: {"arn": f"{{{{ {by_region}[stack_region] }}}}"} for name, by_region in arns.items()}


def declarations() -> list[Declaration]:
    return [
        Declaration("sandbox", ("us-east-1", "us-west-2")),
        Declaration("development", ("us-east-1",)),
        Declaration("staging", ("us-east-1",)),
        Declaration("production", ("us-east-1", "us-west-2"), needs_approval=True),
    ]
