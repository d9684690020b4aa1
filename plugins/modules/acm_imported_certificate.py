#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: acm_imported_certificate
version_added: 0.2.0
short_description: Import a certificate that somebody else has issued, and its successors, into ACM
description:
  - Finds the imported certificate with this name tag, or imports it. Where ACM has another certificate or chain under the name, the
    declared one takes its place under the same ARN, so that load balancers go on with it.
  - O(name) is the tag C(Name). Without it in O(tags) it is added.
  - Use it instead of M(community.aws.acm_certificate), which asks for all particulars of each certificate in the region, and does not see
    those with keys of elliptic curves, so that it imports them again in each run.
options:
  name:
    description: The tag C(Name), by which the certificate is known.
    type: str
    required: true
  certificate:
    description: The certificate, as PEM. Needed unless it is to go.
    type: str
  private_key:
    description: Its private key, as PEM and without a passphrase. AWS never tells it, so another one alone is not noticed.
    type: str
  certificate_chain:
    description: The certificates of the authorities between it and the root, as PEM. Without it those that ACM has are left alone.
    type: str
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
- name: Import the certificate of the internal load balancer
  indivillage.infra.acm_imported_certificate:
    name: indivillage-staging-internal
    certificate: "{{ lookup('ansible.builtin.file', 'internal.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'internal.key') }}"
    certificate_chain: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
  no_log: true
  register: certificate
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
    certificate:
      description: The certificate, as PEM.
      type: str
      returned: when the certificate exists
      sample: "-----BEGIN CERTIFICATE-----..."
  sample: {name: indivillage-staging-internal}
"""

import re
import textwrap
from collections.abc import Iterator
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.certificates import NamedCertificate

# Without these AWS lists certificates with RSA keys of 1024 and 2048 bits alone.
KEY_TYPES = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def certificates(text: str) -> str:
    """The certificates in a text, in one form whatever stands between them and wherever their lines end."""
    bodies = ("\n".join(textwrap.wrap("".join(body.split()), 64)) for body in PEM.findall(text))
    return "".join(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n" for body in bodies)


class ImportedCertificate(NamedCertificate):
    service = "acm"
    kind = "imported certificate"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "certificate": {},
        "private_key": {"no_log": True},
        "certificate_chain": {},
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("certificate", "private_key"))]}
    properties = ("certificate", "certificate_chain")

    def declared(self) -> Properties:
        given = {key: self.params[key] for key in self.properties if self.params[key]}
        texts = {key: certificates(text) for key, text in given.items()}
        empty = [key for key, text in texts.items() if not text]
        if empty:
            raise ResourceError(f"There is no certificate in {empty[0]}: it needs PEM, a text with -----BEGIN CERTIFICATE-----.")
        return texts

    def find(self) -> Properties | None:
        found = list(self._candidates())
        if len(found) > 1:
            raise ResourceError(
                f"There are {len(found)} of this name: {', '.join(arn for arn, _tags in found)}. Delete all but one of them."
            )
        for arn, tags in found:
            texts = self.client.get_certificate(CertificateArn=arn)
            return {
                "name": self.name,
                "arn": arn,
                "certificate": certificates(texts["Certificate"]),
                "certificate_chain": certificates(texts.get("CertificateChain", "")),
                "tags": tags,
            }
        return None

    def _candidates(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The ARN of each certificate that was imported under this name, and its tags."""
        pages = self.client.get_paginator("list_certificates").paginate(Includes={"keyTypes": KEY_TYPES})
        for summary in (item for page in pages for item in page["CertificateSummaryList"]):
            if summary["Type"] == "IMPORTED":
                arn = summary["CertificateArn"]
                tags = self.tags_of(arn)
                if tags.get("Name") == self.name:
                    yield arn, tags

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._import(wanted, Tags=self.tag_list(tags))

    def update(self, current: Properties, changes: Properties) -> None:
        wanted = {key: current[key] for key in self.properties if current[key]} | self.declared()
        self._import(wanted, CertificateArn=current["arn"])

    def _import(self, texts: Properties, **about: Any) -> None:
        chain = {"CertificateChain": texts["certificate_chain"].encode()} if "certificate_chain" in texts else {}
        key = self.params["private_key"].encode()
        self.client.import_certificate(Certificate=texts["certificate"].encode(), PrivateKey=key, **chain, **about)


def main() -> None:
    run(ImportedCertificate)


if __name__ == "__main__":
    main()
