# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that look after an account, on an emulator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.integration.emulator.support import RunningEmulator
from tests.support import playbooks
from tests.support.playbooks import PlaybookRun


@dataclass(frozen=True)
class Site:
    """An emulator and the sandbox's inventory, of which only some layers are looked at."""

    emulator: RunningEmulator
    state: Path
    layers: tuple[str, ...]

    def run(self, playbook: str, *options: str) -> PlaybookRun:
        return playbooks.run(self.emulator.endpoint, self.state, playbook, *playbooks.WHOLE, *options)

    def provision(self, *options: str) -> PlaybookRun:
        return self.run("provision_foundation", "--tags", ",".join(self.layers), *options)
