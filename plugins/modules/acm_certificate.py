#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: acm_certificate
version_added: 0.2.0
short_description: Request a certificate that ACM validates by DNS and renews by itself
description:
  - Finds the certificate with this name tag, these names and this kind of key, or requests one. AWS issues it once the DNS records in
    RV(resource.validation_records) can be read on the internet, and renews it for as long as they stay there.
  - AWS cannot change the names or the key of a certificate. Other ones are another certificate, which is requested beside the former; what
    uses the former goes on doing so until it is given the new ARN.
  - O(name) is the tag C(Name). Without it in O(tags) it is added.
  - A certificate that AWS has given up on, because its records were not there for three days, is deleted and requested again.
  - M(indivillage.infra.acm_imported_certificate) imports one that somebody else has issued.
options:
  name:
    description: The tag C(Name), which tells certificates for the same names apart.
    type: str
    required: true
  domain_name:
    description: The first name.
    type: str
    required: true
  alternative_names:
    description: The other names, such as C(*.example.com).
    type: list
    elements: str
    default: []
  key_algorithm:
    description: Kind of its key. CloudFront takes no V(EC_secp384r1).
    type: str
    choices: [EC_prime256v1, EC_secp384r1, RSA_2048]
    default: EC_prime256v1
  wait:
    description: Whether to wait until AWS has issued it. Without it the module returns as soon as the validation records are known.
    type: bool
    default: false
  wait_timeout_seconds:
    description: How long to wait.
    type: int
    default: 1800
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Request the site's certificate
  indivillage.infra.acm_certificate:
    name: indivillage-staging-edge
    domain_name: staging.indivillage.com
    alternative_names: ["*.staging.indivillage.com"]
    region: us-east-1 # CloudFront takes certificates of this region alone
  register: certificate

- name: Await it, once the records of certificate.resource.validation_records are in the zone
  indivillage.infra.acm_certificate:
    name: indivillage-staging-edge
    domain_name: staging.indivillage.com
    alternative_names: ["*.staging.indivillage.com"]
    region: us-east-1
    wait: true
"""

RETURN = r"""
resource:
  description: The certificate. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the certificate.
      type: str
      returned: when the certificate exists
      sample: arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012
    status:
      description: What AWS has done about it.
      type: str
      returned: when the certificate exists
      sample: ISSUED
    validation_records:
      description: The DNS records that AWS looks for, one for each domain; a wildcard has the record of its domain.
      type: list
      elements: dict
      returned: when the certificate exists
      sample:
        - {domain: example.com, name: _a1b2.example.com., type: CNAME, value: _c3d4.acm-validations.aws.}
  sample: {name: indivillage-staging-edge, status: ISSUED}
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    ResourceError,
    run,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.module_utils.certificates import NamedCertificate

ALGORITHMS = ["EC_prime256v1", "EC_secp384r1", "RSA_2048"]
POLL_SECONDS = 5
GIVEN_UP = ("VALIDATION_TIMED_OUT", "FAILED", "EXPIRED", "REVOKED")


class Certificate(NamedCertificate):
    service = "acm"
    kind = "certificate"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "domain_name": {"required": True},
        "alternative_names": {"type": "list", "elements": "str", "default": []},
        "key_algorithm": {"choices": ALGORITHMS, "default": "EC_prime256v1", "no_log": False},
        "wait": {"type": "bool", "default": False},
        "wait_timeout_seconds": {"type": "int", "default": 1800},
    }

    @property
    def names(self) -> set[str]:
        return {self.params["domain_name"], *self.params["alternative_names"]}

    def find(self) -> Properties | None:
        found = [(certificate, tags) for certificate, tags in self._candidates() if certificate["Status"] not in GIVEN_UP]
        if not found:
            return None
        certificate, tags = min(found, key=lambda item: str(item[0]["CertificateArn"]))
        return {
            "name": self.name,
            "arn": certificate["CertificateArn"],
            "status": certificate["Status"],
            "validation_records": self._records(certificate),
            "tags": tags,
        }

    def _candidates(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """The certificates that were requested under this name for these names, and their tags."""
        # Without this AWS lists certificates with RSA keys alone.
        pages = self.client.get_paginator("list_certificates").paginate(Includes={"keyTypes": [self.params["key_algorithm"]]})
        for summary in (item for page in pages for item in page["CertificateSummaryList"]):
            if summary["DomainName"] != self.params["domain_name"]:
                continue
            arn = summary["CertificateArn"]
            certificate = self.client.describe_certificate(CertificateArn=arn)["Certificate"]
            if certificate.get("Type") == "IMPORTED" or {summary["DomainName"], *certificate["SubjectAlternativeNames"]} != self.names:
                continue
            tags = self.tags_of(arn)
            if tags.get("Name") == self.name:
                yield certificate, tags

    def _records(self, certificate: dict[str, Any]) -> list[dict[str, str]]:
        """One record for each domain; of a certificate that is only planned, stand-ins."""
        options = certificate.get("DomainValidationOptions", [])
        records = {option["DomainName"].removeprefix("*."): option["ResourceRecord"] for option in options if "ResourceRecord" in option}
        if planning.active and not records:
            stand_in = planning.placeholder(self.name, "validation")
            records = {
                domain: {"Name": f"_{stand_in}.{domain}.", "Type": "CNAME", "Value": f"_{stand_in}.acm-validations.aws."}
                for domain in {name.removeprefix("*.") for name in self.names}
            }
        return [
            {"domain": domain, "name": record["Name"], "type": record["Type"], "value": record["Value"]}
            for domain, record in sorted(records.items())
        ]

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        for certificate, _tags in list(self._candidates()):  # AWS has given up on whatever is found here
            self.client.delete_certificate(CertificateArn=certificate["CertificateArn"])
        others = sorted(self.names - {self.params["domain_name"]})
        self.client.request_certificate(
            DomainName=self.params["domain_name"],
            ValidationMethod="DNS",
            KeyAlgorithm=self.params["key_algorithm"],
            **({"SubjectAlternativeNames": others} if others else {}),
            Tags=self.tag_list(tags),
        )

    def settle(self, current: Properties) -> Properties:
        def look() -> Properties:
            current.update(self.find() or {})
            return current

        if not current["validation_records"]:
            wait_until(lambda: bool(look()["validation_records"]), f"AWS to name the validation records of {self}", READ_BACK_SECONDS)
        if self.params["wait"] and current["status"] != "ISSUED":
            timeout = self.params["wait_timeout_seconds"]
            try:
                wait_until(lambda: bool(look()["status"] == "ISSUED"), f"{self} to be issued", timeout, POLL_SECONDS)
            except ResourceError as error:
                raise ResourceError(f"{error} {self._advice(current)}") from error
        return current

    @staticmethod
    def _advice(current: Properties) -> str:
        records = "; ".join(f"{record['name']} {record['type']} {record['value']}" for record in current["validation_records"])
        return (
            f"AWS has to find these records on the internet: {records}. Are they in the zone, and does the domain above it, or the "
            "registrar, delegate to the zone's name servers (aws route53 get-hosted-zone)? Run it again when they do."
        )


def main() -> None:
    run(Certificate)


if __name__ == "__main__":
    main()
