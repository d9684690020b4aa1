# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's own certificate authority: one CA per sandbox, and a leaf per name set, kept in its state directory."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox import settings

CA_DAYS = 825
LEAF_DAYS = 397  # what browsers accept at most
RENEW_DAYS = 30
PUBLIC_NAMES = ("localhost", "127.0.0.1", settings.DOMAIN, f"*.{settings.DOMAIN}")
INTERNAL_NAMES = (f"internal.{settings.DOMAIN}",)


def prepare(pki_dir: Path) -> None:
    """Make the CA and the certificates of the two load balancers, where they are missing or run out."""
    issue(PUBLIC_NAMES, pki_dir, stem="public")
    issue(INTERNAL_NAMES, pki_dir, stem="internal")


def issue(names: Sequence[str], pki_dir: Path | None = None, *, stem: str = "") -> tuple[str, str]:
    """Certificate and private key in PEM for DNS names and addresses; the same pair again while it is good for another 30 days.

    They are kept as <stem>.pem and <stem>.key in `pki_dir` (of the running sandbox, if not given); the stem is the first name by default.
    """
    directory = pki_dir or settings.load().pki_dir
    certificate_file, key_file = (directory / f"{stem or names[0]}.{suffix}" for suffix in ("pem", "key"))
    ca, ca_key = _authority(directory)
    if certificate_file.exists() and key_file.exists():
        present = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        if _good(present) and present.issuer == ca.subject and _names(present) == set(names):
            return certificate_file.read_text(), key_file.read_text()
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(names[0], key.public_key(), ca.subject, LEAF_DAYS)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    return _store(certificate_file, key_file, builder.sign(ca_key, hashes.SHA256()), key)


def _authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = directory / "ca.pem", directory / "ca.key"
    if certificate_file.exists() and key_file.exists():
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if _good(certificate) and isinstance(key, ec.EllipticCurvePrivateKey):
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own per CA: a browser that met an earlier sandbox must not take the new leaf for one of the old CA.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"IndiVillage sandbox CA {os.urandom(4).hex()}")])
    builder = _builder("", key.public_key(), name, CA_DAYS).subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    builder = builder.add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    _store(certificate_file, key_file, certificate, key)
    return certificate, key


def _builder(common_name: str, key: ec.EllipticCurvePublicKey, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=days))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    if common_name:
        # A common name holds 64 characters; clients read the alternative names.
        builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
    return builder


def _good(certificate: x509.Certificate) -> bool:
    margin = datetime.timedelta(days=RENEW_DAYS)
    return certificate.not_valid_after_utc - margin > datetime.datetime.now(datetime.UTC)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in extension}


def _store(certificate_file: Path, key_file: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    certificate_file.parent.mkdir(parents=True, exist_ok=True)
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.touch(mode=0o600)
    key_file.write_bytes(key_pem)
    certificate_file.write_bytes(certificate_pem)
    return certificate_pem.decode(), key_pem.decode()
