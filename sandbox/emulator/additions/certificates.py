# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of an imported certificate, and what stays when another is imported in its place.

https://docs.aws.amazon.com/acm/latest/APIReference/API_GetCertificate.html
https://docs.aws.amazon.com/acm/latest/userguide/import-reimport.html
moto 5.2.5 appends a fixed root certificate to every imported chain, so that what comes back never equals what went in and
a server which presents it offers an unrelated root; a certificate in another's place loses the tags, and who uses it.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.acm.models import AWSCertificateManagerBackend, CertBundle

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(CertBundle, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        if self.type == "IMPORTED":
            self.chain = named.get("chain") or b""

    @wrap(AWSCertificateManagerBackend, "import_certificate")
    def import_certificate(original: Any, self: Any, *arguments: Any, **named: Any) -> str:
        former = self._certificates.get(named["arn"])
        arn = str(original(self, *arguments, **named))
        if former:
            imported = self._certificates[arn]
            imported.tags, imported.in_use_by = former.tags, former.in_use_by
        return arn
