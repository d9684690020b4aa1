# SPDX-License-Identifier: GPL-3.0-or-later
"""Emulators shared by the tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.emulator.support import Network, RunningEmulator, make_network, start


@pytest.fixture(scope="session")
def emulator() -> Iterator[RunningEmulator]:
    """An emulator that waits for a reconciler's reports, shared by all tests: use own names and networks."""
    yield from start()


@pytest.fixture(scope="session")
def standalone() -> Iterator[RunningEmulator]:
    """An emulator that needs no reconciler."""
    yield from start("--standalone")


@pytest.fixture
def network(emulator: RunningEmulator) -> Network:
    return make_network(emulator)


@pytest.fixture
def standalone_network(standalone: RunningEmulator) -> Network:
    return make_network(standalone)
