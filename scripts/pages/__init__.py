# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the documentation that are made from the inventories, so that they cannot differ from them: `python -m scripts.pages`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "collections"))
