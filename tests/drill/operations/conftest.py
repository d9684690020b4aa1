# SPDX-License-Identifier: GPL-3.0-or-later
"""What drills of operations work on."""

from __future__ import annotations

import pytest

from tests.drill.support.running import running_site
from tests.e2e.driver import Site


@pytest.fixture(scope="module")
def site() -> Site:
    return running_site()
