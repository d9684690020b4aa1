# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of this run, for site.yml in place of its own playbooks."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible import context


def site_command(*options: str) -> list[str]:
    """This run's program and options, its inventory and variables among them, with site.yml and further options."""
    playbooks = set(context.CLIARGS["args"])
    site = Path(__file__).resolve().parents[2] / "site.yml"
    return [sys.argv[0], str(site), *(word for word in sys.argv[1:] if word not in playbooks), *options]
