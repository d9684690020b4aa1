# SPDX-License-Identifier: GPL-3.0-or-later
"""Transit gateways as AWS has them, for tests that run moto in their own process."""

from __future__ import annotations

from functools import cache

from sandbox.emulator.additions import transit_gateways


@cache
def as_aws_does() -> None:
    """Install the emulator's addition, once per process."""
    transit_gateways.install()
