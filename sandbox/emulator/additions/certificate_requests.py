# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that are requested: the kind of their key, and that they are issued once their DNS record is there.

https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html
https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
moto 5.2.5 makes an RSA key whatever was asked for, issues after a while whether there is a record or not, and gives every account the same
record. AWS gives an account one record for each domain, in every region and for a domain's wildcard too.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from moto.acm.models import CertBundle
from moto.acm.responses import AWSCertificateManagerResponse
from moto.route53.models import route53_backends

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(AWSCertificateManagerResponse, "request_certificate")
    def request_certificate(original: Any, self: Any) -> Any:
        answer = original(self)
        certificate = self.acm_backend.get_certificate(answer.result["CertificateArn"])
        certificate.key_algorithm = self._get_param("KeyAlgorithm") or "RSA_2048"
        return answer

    @wrap(CertBundle, "describe")
    def describe(original: Any, self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = original(self)
        certificate = answer["Certificate"]
        if self.type == "AMAZON_ISSUED":
            certificate["KeyAlgorithm"] = getattr(self, "key_algorithm", certificate["KeyAlgorithm"])
            for option in certificate["DomainValidationOptions"]:
                option["ResourceRecord"] = record(option["DomainName"], self.arn.split(":")[4])
        return answer

    @wrap(CertBundle, "check")
    def check(original: Any, self: Any) -> None:
        if self.type != "AMAZON_ISSUED" or self.status != "PENDING_VALIDATION":
            original(self)
        elif all(stands(record(name, self.arn.split(":")[4]), self.arn.split(":")[4]) for name in self.sans):
            self.status = "ISSUED"


def record(name: str, account_id: str) -> dict[str, str]:
    """The record that proves an account's control of a name."""
    domain = name.removeprefix("*.")
    words = [hashlib.md5(f"{account_id}/{domain}/{part}".encode(), usedforsecurity=False).hexdigest() for part in ("name", "value")]
    return {"Name": f"_{words[0]}.{domain}.", "Type": "CNAME", "Value": f"_{words[1]}.acm-validations.aws."}


def stands(wanted: dict[str, str], account_id: str) -> bool:
    """Whether a public zone of the account has the record."""
    return any(
        found.name.rstrip(".") == wanted["Name"].rstrip(".") and found.type == "CNAME" and wanted["Value"] in found.records
        for zone in route53_backends[account_id]["aws"].zones.values()
        if not zone.private_zone
        for found in zone.rrsets
    )
