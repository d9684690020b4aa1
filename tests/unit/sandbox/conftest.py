# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `worlds` importable: pytest imports test modules by path, so their directory is on nobody's search path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
