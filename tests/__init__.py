# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection is found where the checkout links it, as pytest does for tests, also by what is started with `python -m tests...`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "collections"))
