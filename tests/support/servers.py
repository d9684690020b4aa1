# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on loopback for tests: plain ones, ones with TLS for localhost, moto, and an address that never answers."""

from __future__ import annotations

import http.server
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import pki

# Skips nothing in `make test`, since `make setup` installs podman or ends: it is for who runs single tests on a machine without.
needs_podman = pytest.mark.skipif(not shutil.which("podman"), reason="podman is not installed: make setup")


class Page(http.server.BaseHTTPRequestHandler):
    """A site that answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(
    handler: type[http.server.BaseHTTPRequestHandler],
    authority: Path | None = None,
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> Iterator[int]:
    """Port of a server that answers by `handler`; over TLS, as localhost, when it is given a directory.

    The directory gets the certificate authority that clients have to trust, as `ca.pem`, unless it is there already.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if authority:
        pki.issue(["localhost"], authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest_tls
        context.load_cert_chain(authority / "localhost.pem", authority / "localhost.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silence() -> Iterator[tuple[str, int]]:
    """An address that takes no connection and refuses none: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()
        finally:
            for filler in fillers:
                filler.close()


_taken: list[socket.socket] = []


def free_port() -> int:
    """A port of the loopback address that nobody uses now, and that neither the kernel nor this function gives to anybody else meanwhile.

    One of the ports that connections get would be taken by one of them now and then: an emulator needs seconds before it listens. What
    keeps tests that run side by side from each other's ports is a name that a process has until it ends.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = lowest - 1 - secrets.randbelow(lowest // 2)
        name = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                name.bind(f"\0port-{port}-of-a-test")
                probe.bind(("127.0.0.1", port))
            except OSError:
                name.close()
                continue
        _taken.append(name)
        return port


@contextmanager
def moto() -> Iterator[str]:
    """Endpoint of an emulated account as moto itself gives it.

    It has a process of its own and none of moto's settings: other tests import the sandbox's emulator, which changes both in this one.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTO_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=environment | {"AWS_EC2_METADATA_DISABLED": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, "moto has ended"
            assert time.monotonic() < deadline, "moto does not answer"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
