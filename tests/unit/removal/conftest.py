# SPDX-License-Identifier: GPL-3.0-or-later
"""The account in which things are removed answers as the emulator does: a census asks many services."""

from __future__ import annotations

import pytest

from sandbox.emulator.additions import account_settings, cost_explorer, distributions, log_deliveries, log_queries, web_acls


@pytest.fixture(autouse=True, scope="session")
def additions() -> None:
    for addition in (account_settings, cost_explorer, distributions, log_deliveries, log_queries, web_acls):
        addition.install()
