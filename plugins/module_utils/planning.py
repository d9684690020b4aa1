# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether this process plans: every AWS call but reads is recorded instead of sent, so that check mode may run the real code."""

from __future__ import annotations

import hashlib

active = False
"""Set by the worker, in the process of a single task; elsewhere check mode means not to call AWS."""


def placeholder(*about: str) -> str:
    """A stand-in for a value that only an apply makes; the same for the same names, on every machine."""
    return f"planned-{hashlib.sha256('/'.join(about).encode()).hexdigest()[:8]}"
