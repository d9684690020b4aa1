# SPDX-License-Identifier: GPL-3.0-or-later
"""What moto lacks, one topic per module of this package, each with `install()`; see the modules' docstrings."""

from __future__ import annotations

import functools
import importlib
import pkgutil


@functools.cache
def install_all() -> None:
    """Install every addition, once per process: patching a library is a process-wide act."""
    for module in pkgutil.iter_modules(__path__):
        install = getattr(importlib.import_module(f"{__name__}.{module.name}"), "install", None)
        if install:
            install()
