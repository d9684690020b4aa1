# SPDX-License-Identifier: GPL-3.0-or-later
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from sandbox import pki


def handshake(directory: Path, stem: str, name: str, ca_file: Path) -> str:
    """Connect to a server with the certificate `stem`, expecting `name`; the protocol version."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(directory / f"{stem}.pem", directory / f"{stem}.key")
    client_context = ssl.create_default_context(cafile=str(ca_file))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    server_context.wrap_socket(connection, server_side=True).close()
                except (ssl.SSLError, OSError):
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname()) as raw, client_context.wrap_socket(raw, server_hostname=name) as tls:
                return str(tls.version())
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("public", "localhost"),
        ("public", "127.0.0.1"),
        ("public", "www.sandbox.indivillage.internal"),
        ("internal", "internal.sandbox.indivillage.internal"),
    ],
)
def test_strict_clients_accept_the_certificates(tmp_path: Path, stem: str, name: str) -> None:
    pki.prepare(tmp_path)
    assert handshake(tmp_path, stem, name, tmp_path / "ca.pem") == "TLSv1.3"


def test_another_name_is_refused(tmp_path: Path) -> None:
    pki.prepare(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "internal", "localhost", tmp_path / "ca.pem")


def test_another_authority_is_refused(tmp_path: Path) -> None:
    pki.prepare(tmp_path / "one")
    pki.prepare(tmp_path / "two")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path / "one", "public", "localhost", tmp_path / "two" / "ca.pem")


def test_the_same_names_get_the_same_certificate_until_they_change(tmp_path: Path) -> None:
    first = pki.issue(["db.example", "10.0.0.1"], tmp_path)
    assert pki.issue(["db.example", "10.0.0.1"], tmp_path) == first
    assert pki.issue(["db.example", "10.0.0.2"], tmp_path) != first


def test_a_new_authority_issues_anew(tmp_path: Path) -> None:
    first = pki.issue(["db.example"], tmp_path)
    (tmp_path / "ca.pem").unlink()
    assert pki.issue(["db.example"], tmp_path) != first


def test_a_certificate_about_to_run_out_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "LEAF_DAYS", pki.RENEW_DAYS - 1)
    first = pki.issue(["db.example"], tmp_path)
    assert pki.issue(["db.example"], tmp_path) != first


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    pki.prepare(tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")}
    assert modes == {0o600}


def test_long_names_fit(tmp_path: Path) -> None:
    certificate, _ = pki.issue([f"{'a' * 60}.us-east-1.rds.amazonaws.com"], tmp_path)
    assert certificate.startswith("-----BEGIN CERTIFICATE-----")
