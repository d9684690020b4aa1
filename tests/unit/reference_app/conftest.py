# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the hosts have psycopg2, redis and prometheus_client; here stand-ins take their place before the application is imported."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from unittest.mock import MagicMock

METRICS = ("CollectorRegistry", "Counter", "Histogram", "generate_latest", "multiprocess")
STAND_INS = {"psycopg2": ("OperationalError", "connect"), "redis": ("AuthenticationError", "Redis")}

for library, (error, connect) in STAND_INS.items():
    if importlib.util.find_spec(library) is None:
        module = ModuleType(library)
        setattr(module, error, type(error, (Exception,), {}))
        setattr(module, connect, None)  # each test that connects sets it
        sys.modules[library] = module

if importlib.util.find_spec("prometheus_client") is None:
    module = ModuleType("prometheus_client")
    for name in METRICS:
        setattr(module, name, MagicMock())
    sys.modules["prometheus_client"] = module
