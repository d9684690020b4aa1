#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTPS server that answers with the request's own headers, and a name server that knows its name and asks the real one for others."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = b"\x08internal\x07example\x04test\x00"
RESOLV_CONF = Path("/etc/resolv.conf")
ADDRESS = Path("/run/upstream-address")  # tests write another address here, as a load balancer's name changes its addresses


class Echo(BaseHTTPRequestHandler):
    """Answers every GET with what it received."""

    def do_GET(self) -> None:
        name = getattr(self.connection, "server_name", "")
        body = json.dumps(
            {"path": self.path, "headers": dict(self.headers), "server_name": name, "local": self.connection.getsockname()[0]}
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Frame-Options", "ALLOWALL")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def remember_server_name(connection: ssl.SSLObject, name: str, _context: ssl.SSLContext) -> None:
    connection.server_name = name  # type: ignore[attr-defined]


def forward(question: bytes, resolver: str) -> bytes:
    """Ask the container's own resolver."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(question, (resolver, 53))
        return client.recv(4096)


def answer(question: bytes) -> bytes:
    """Answer with the one address, valid for a second; there is no IPv6 address."""
    end = question.index(b"\x00", 12) + 5
    is_ipv4 = question[end - 4 : end - 2] == b"\x00\x01"
    address = socket.inet_aton(ADDRESS.read_text() if ADDRESS.exists() else "127.0.0.1")
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04" + address if is_ipv4 else b""
    return question[:2] + b"\x81\x80\x00\x01\x00" + bytes([is_ipv4]) + b"\x00\x00\x00\x00" + question[12:end] + record


def serve_names(server: socket.socket, resolver: str) -> None:
    while True:
        question, client = server.recvfrom(512)
        try:
            server.sendto(answer(question) if NAME in question else forward(question, resolver), client)
        except TimeoutError:
            continue  # the client asks again


def main() -> None:
    resolver = next(line.split()[1] for line in RESOLV_CONF.read_text().splitlines() if line.startswith("nameserver"))
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.53", 53))
    threading.Thread(target=serve_names, args=(names, resolver), daemon=True).start()
    RESOLV_CONF.write_text("nameserver 127.0.0.53\n")  # the container asks here from now on
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/usr/local/share/ca-certificates/upstream.crt", "/etc/ssl/private/upstream.key")
    context.sni_callback = remember_server_name
    server = ThreadingHTTPServer(("0.0.0.0", 8443), Echo)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
