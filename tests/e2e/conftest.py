# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for the whole suite, removed at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.driver import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """A checkout without a sandbox; whatever the tests started is removed at the end."""
    site = Site()
    running = site.run("podman", "ps", "--all", "--quiet", "--filter", "label=indivillage.sandbox").stdout.split()
    if running:
        pytest.fail(
            f"{len(running)} containers of a sandbox exist on this machine; run `make sandbox-down` where it was started, then again"
        )
    yield site
    site.sandbox("down")
