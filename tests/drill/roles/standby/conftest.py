# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's two regions on an emulator of their own, declared as production is: with a standby in the second one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import pki
from tests.integration.emulator.support import RunningEmulator, start
from tests.integration.provisioning_tiers.foundation import Foundation
from tests.support import playbooks
from tests.support.playbooks import PlaybookRun

PRIMARY, DR = "us-east-1", "us-west-2"
STACKS = {PRIMARY: "sandbox-us-east-1", DR: "sandbox-us-west-2"}
PREFIX = "indivillage-sandbox"
ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Standby:
    """Both regions, with networks, keys and images of the first."""

    emulator: RunningEmulator
    state_dir: Path
    foundations: dict[str, Foundation]

    def client(self, service: str, region: str = PRIMARY) -> Any:
        return self.emulator.client(service, region)

    def run(self, playbook: str, tags: str, *options: str, **variables: Any) -> PlaybookRun:
        """Run a playbook's tasks of some roles on both stacks; `variables` may speak of `stack_kind`."""
        given = ("--limit", "primary:dr", "--tags", tags, "-e", json.dumps(variables), *options)
        return playbooks.run(self.emulator.endpoint, self.state_dir, playbook, *given)


def of(primary: Any, dr: Any) -> str:
    """The value of a variable that differs between the stacks."""
    return f"{{{{ { ({'primary': primary, 'dr': dr})!r}[stack_kind] }}}}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    """An account with nothing in it."""
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in start("--standalone"):
        yield Standby(emulator, state_dir, {})


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    state_dir = tmp_path_factory.mktemp("sandbox")
    pki.prepare(state_dir / "pki")
    for emulator in start("--standalone"):
        primary, dr = Foundation(emulator).lay(), Foundation(emulator, DR, "10.11")
        dr.lay_network()
        dr.lay_keys()
        yield Standby(emulator, state_dir, {PRIMARY: primary, DR: dr})
