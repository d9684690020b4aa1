#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world around a monitoring host: EC2 with one instance, a page, and receivers that speak as PagerDuty, Slack and a mail server do.

What receivers are told is a line of JSON each in /run/told. The page is bad while /run/page-is-broken exists. `world receivers` is without
the page, and nobody asks it for instances.
"""

from __future__ import annotations

import json
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOLD = Path("/run/told")
BROKEN = Path("/run/page-is-broken")
ZONES = """<DescribeAvailabilityZonesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><availabilityZoneInfo><item>
<zoneName>us-east-1a</zoneName><zoneId>use1-az1</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>"""
INSTANCES = """<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><ownerId>1</ownerId>
<instancesSet><item><instanceId>i-0123456789abcdef0</instanceId><privateIpAddress>127.0.0.1</privateIpAddress><instanceType>t3.medium</instanceType>
<imageId>ami-1</imageId><architecture>x86_64</architecture><privateDnsName>web</privateDnsName><instanceState><code>16</code><name>running</name></instanceState><placement><availabilityZone>us-east-1a</availabilityZone></placement>
<tagSet><item><key>Role</key><value>web</value></item></tagSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>"""
LOCK = threading.Lock()


def tell(receiver: str, said: Any) -> None:
    with LOCK, TOLD.open("a") as file:
        file.write(json.dumps({"at": time.time(), "receiver": receiver, "said": said}) + "\n")


class Services(BaseHTTPRequestHandler):
    """PagerDuty by /v2/enqueue, Slack by /services/..., anything else is EC2."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, answer = 200, ZONES if "Action=DescribeAvailabilityZones" in body else INSTANCES
        if self.path.startswith("/v2/enqueue"):
            tell("pagerduty", json.loads(body))
            status, answer = 202, '{"status": "success", "message": "Event processed", "dedup_key": "x"}'
        elif self.path.startswith("/services/"):
            tell("slack", json.loads(body))
            answer = "ok"
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())


class Page(BaseHTTPRequestHandler):
    """A page that works, or not."""

    def do_GET(self) -> None:
        self.send_response(503 if BROKEN.exists() else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Mail(socketserver.StreamRequestHandler):
    """A mail server that takes everything."""

    def handle(self) -> None:
        self.answer("220 mail.example.test")
        for raw in self.rfile:
            word = raw.decode().strip().upper()
            if word.startswith("DATA"):
                self.answer("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                tell("mail", b"".join(lines).decode())
            self.answer("221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def answer(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """Reached again at once after a restart."""

    allow_reuse_address = True


def main() -> None:
    TOLD.touch()
    threading.Thread(target=ThreadingHTTPServer(("127.0.0.1", 8081), Services).serve_forever, daemon=True).start()
    mail = MailServer(("127.0.0.1", 2525), Mail)
    if sys.argv[1:] == ["receivers"]:
        mail.serve_forever()
    threading.Thread(target=mail.serve_forever, daemon=True).start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/usr/local/share/ca-certificates/page.crt", "/etc/ssl/private/page.key")
    page = ThreadingHTTPServer(("127.0.0.1", 8443), Page)
    page.socket = context.wrap_socket(page.socket, server_side=True)
    page.serve_forever()


if __name__ == "__main__":
    main()
