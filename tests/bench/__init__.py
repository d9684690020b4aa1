# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements, to be started by hand: the collection is found where the checkout links it, as pytest does for tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "collections"))
