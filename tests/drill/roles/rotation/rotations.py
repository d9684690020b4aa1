# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations by the playbook's own tasks, on an emulator and on hosts that a folder declares."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.emulator.support import RunningEmulator
from tests.support.playbooks import INVENTORY, ROOT, surroundings

HERE = Path(__file__).parent
GIVEN = {
    "secret_rotation_windows": [{"name": "always", "schedule": "cron(0 * * * ? *)", "duration_hours": 2}],
    "secret_rotation_busy": {},
    "secret_rotation_poll_seconds": 1,
    "stack_without": ["aws_compute", "aws_containers"],
}


def rotate(
    emulator: RunningEmulator, folder: Path, *options: str, dies_after: int = 0, environment: dict[str, str] | None = None, **given: Any
) -> subprocess.CompletedProcess[str]:
    """Rotate a secret, with the hosts of `hosts.yml` in the folder. dies_after: kill the run after so many changes, if not zero."""
    command = ["ansible-playbook", str(HERE / "rotate.yml"), "-i", INVENTORY, "-i", str(folder / "hosts.yml")]
    around = surroundings(emulator.endpoint, folder) | (environment or {})
    if dies_after:
        around |= {"ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"), "ANSIBLE_CALLBACKS_ENABLED": "die"}
        around["DIE_AFTER_CHANGES"] = str(dies_after)
    return subprocess.run(
        [*command, "-e", json.dumps(GIVEN | given), *options],
        cwd=ROOT,
        env=around,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        start_new_session=True,
    )


def stages(emulator: RunningEmulator, secret: str) -> set[str]:
    """The stages that versions of a secret have."""
    found = emulator.client("secretsmanager").describe_secret(SecretId=secret)["VersionIdsToStages"]
    return {stage for stages in found.values() for stage in stages}
