# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the hosts have psycopg2 and redis; here stand-ins take their place before the application is imported."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

STAND_INS = {"psycopg2": ("OperationalError", "connect"), "redis": ("AuthenticationError", "Redis")}

for library, (error, connect) in STAND_INS.items():
    if importlib.util.find_spec(library) is None:
        module = ModuleType(library)
        setattr(module, error, type(error, (Exception,), {}))
        setattr(module, connect, None)  # each test that connects sets it
        sys.modules[library] = module
