# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for the whole suite, removed at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import processes
from tests.e2e.driver import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """A checkout without a sandbox; whatever the tests started is removed at the end.

    A sandbox that runs is somebody's work. Containers without a process that keeps them are what a killed run left, this suite's
    own as well, and `down` removes them.
    """
    site = Site()
    if running := processes.sandboxes():
        pytest.fail(
            f"a sandbox runs on this machine, its state lies in {', '.join(map(str, sorted(running)))}:"
            " run `make sandbox-down` where it was started, then again"
        )
    site.sandbox("down")
    yield site
    site.sandbox("down")
