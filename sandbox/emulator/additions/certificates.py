# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of an imported certificate.

https://docs.aws.amazon.com/acm/latest/APIReference/API_GetCertificate.html
moto 5.2.5 appends a fixed root certificate to every imported chain, so that what comes back never equals what went in and
a server which presents it offers an unrelated root.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.acm.models import CertBundle

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(CertBundle, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        if self.type == "IMPORTED":
            self.chain = named.get("chain") or b""
