# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of ansible-core whose inner workings this collection has been tested with."""

from __future__ import annotations

from ansible.module_utils import ansible_release

SUPPORTED = ("2.21",)


def is_supported() -> bool:
    """Whether this process runs one of them."""
    return ansible_release.__version__.rpartition(".")[0] in SUPPORTED
