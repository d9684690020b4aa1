# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of this run, for another playbook in place of its own ones."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible import context

ROOT = Path(__file__).resolve().parents[2]
SITE = "site.yml"


def own_command(playbook: str, *options: str) -> list[str]:
    """This run's program and options, its inventory and variables among them, with a playbook of this repository and further options."""
    playbooks = set(context.CLIARGS["args"])
    return [sys.argv[0], str(ROOT / playbook), *(word for word in sys.argv[1:] if word not in playbooks), *options]
