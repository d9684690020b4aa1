# SPDX-License-Identifier: GPL-3.0-or-later
"""What moto lacks, one topic per module, each with `install()`; see the modules' docstrings."""

from __future__ import annotations

from sandbox.emulator.additions import images, tag_resource_types

_ADDITIONS = (images, tag_resource_types)
_installed = False


def install_all() -> None:
    """Install every addition, once per process."""
    global _installed  # noqa: PLW0603 -- patching a library is a process-wide act
    if _installed:
        return
    for addition in _ADDITIONS:
        addition.install()
    _installed = True
