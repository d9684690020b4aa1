# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m sandbox`."""

import sys

from sandbox.cli import main

sys.exit(main())
