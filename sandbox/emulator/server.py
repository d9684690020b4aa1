# SPDX-License-Identifier: GPL-3.0-or-later
"""The WSGI side: one application on loopback for the control node, and on every VPC's gateway address for the hosts inside."""

from __future__ import annotations

import io
import ipaddress
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.emulator import api_call, authorization
from sandbox.emulator.authorization import Refusal
from sandbox.emulator.control import control_application
from sandbox.emulator.runtime import CONTROL_PLANE, runtime
from sandbox.settings import ACCOUNT_ID, OBSERVER, REGIONS

LOG = logging.getLogger("emulator")
WSGIApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_READS = re.compile(r"^(Describe|Get|List|Head|Lookup|Search|Simulate|BatchGet|Query|Scan|Select)|^(GET|HEAD|OPTIONS)$")
# Signed for a region, but served from all of them: what is left when a region is out.
_GLOBAL = frozenset({"budgets", "ce", "cloudfront", "iam", "organizations", "route53", "shield", "sts"})
_OUT = b"<ErrorResponse><Error><Code>ServiceUnavailable</Code><Message>The region is out.</Message></Error></ErrorResponse>"
# moto's own administration and metadata pages are not AWS's; the sandbox's metadata service answers hosts itself.
_PRIVATE_PATHS = ("/sandbox/", "/moto-api", "/latest/")
_IP_FREEBIND = getattr(socket, "IP_FREEBIND", 15)


def describe_request(environ: dict[str, Any]) -> tuple[str, str, str]:
    """(service, region, operation) of a signed AWS request; the operation of a REST service is its HTTP method."""
    match = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, service = match.groups() if match else ("", "")
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, region, target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if action := parse_qs(body.decode("utf-8", "replace")).get("Action"):
            return service, region, action[0]
    return service, region, environ["REQUEST_METHOD"]


class Emulator:
    """moto's dispatcher with serialised control-plane calls, a change counter and one log line per change or failure."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.after_network_change: Callable[[], None] = lambda: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/sandbox/"):
            return control_application(environ, start_response)
        return self._call_aws(environ, start_response)

    def from_gateway(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The same API for hosts inside a VPC, without what only the control node may use."""
        if environ.get("PATH_INFO", "").startswith(_PRIVATE_PATHS):
            start_response("404 Not Found", [("Content-Type", "application/json")])
            return [json.dumps({"error": "this path is answered on the sandbox's loopback address only"}).encode()]
        return self._call_aws(environ, start_response)

    def _call_aws(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if runtime.enforce_iam and (refusal := self._authorize(environ)):
            start_response(f"{refusal.status.value} {refusal.status.phrase}", [("Content-Type", refusal.content_type)])
            return [refusal.body]
        service, region, operation = describe_request(environ)
        if region in runtime.unavailable and service not in _GLOBAL and OBSERVER not in environ.get("HTTP_USER_AGENT", ""):
            start_response("503 Service Unavailable", [("Content-Type", "text/xml")])
            return [_OUT]
        writes = not _READS.match(operation)
        began = time.monotonic()
        status = ""

        def remember(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = line
            return start_response(line, headers, exc_info)

        if service in CONTROL_PLANE:
            with runtime.lock:
                answer = self._moto(environ, remember)
                if writes and status.startswith("2"):
                    runtime.changed()
            if operation in ("CreateVpc", "DeleteVpc"):
                self.after_network_change()
        else:
            answer = self._moto(environ, remember)
        failed = not status.startswith(("2", "3"))
        if writes or failed:
            milliseconds = (time.monotonic() - began) * 1000
            level = logging.ERROR if status.startswith("5") else logging.INFO
            LOG.log(level, "%s %s %s %s %.0f ms", service or "-", region or "-", operation, status[:3], milliseconds)
        return answer

    def _authorize(self, environ: dict[str, Any]) -> Refusal | None:
        call = api_call.read(environ)
        if call is None:
            return None  # not signed by an AWS client: nobody's permission to ask for
        with runtime.lock:
            refusal = authorization.refuse(call, environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
        if refusal:
            LOG.info("%s refused: %s", call.name, refusal.message)
        return refusal


class _Quiet(MotoRequestHandler):
    """Requests are logged by Emulator with their AWS names; the HTTP line would say them again."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: see the class."""


class Listeners:
    """The sockets: loopback for ever, one gateway address per VPC as VPCs come and go. Never a wildcard address."""

    def __init__(self, emulator: Emulator, loopback: str, port: int) -> None:
        self._emulator = emulator
        self._port = port
        self._gateways: dict[str, BaseWSGIServer] = {}
        self._lock = threading.Lock()
        self.main = make_server(loopback, port, emulator, threaded=True, request_handler=_Quiet)

    def follow_networks(self) -> None:
        """Open and close gateway listeners so that they match the VPCs that exist."""
        with self._lock:
            wanted = {str(next(network.hosts())): network for network in _networks()}
            for address in self._gateways.keys() - wanted.keys():
                self._gateways.pop(address).shutdown()
                LOG.info("no longer listening on gateway %s", address)
            for address in wanted.keys() - self._gateways.keys():
                self._gateways[address] = server = self._listen(address, wanted[address])
                threading.Thread(target=server.serve_forever, name=f"gateway-{address}", daemon=True).start()
                LOG.info("listening on gateway %s:%d for hosts in %s", address, self._port, wanted[address])

    def _listen(self, address: str, network: ipaddress.IPv4Network) -> BaseWSGIServer:
        """A server on an address that the VPC's bridge gets only later (IP_FREEBIND); clients outside the VPC are refused,
        so that an address which this machine happens to own elsewhere exposes nothing."""

        def inside_only(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if ipaddress.ip_address(environ["REMOTE_ADDR"]) not in network:
                start_response("403 Forbidden", [("Content-Type", "text/plain")])
                return [b"this address answers hosts of its own VPC only\n"]
            return self._emulator.from_gateway(environ, start_response)

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.bind((address, self._port))
            sock.listen(128)
            return make_server(address, self._port, inside_only, threaded=True, request_handler=_Quiet, fd=sock.fileno())


def _networks() -> list[ipaddress.IPv4Network]:
    """Address ranges of all VPCs but the default ones, which carry no hosts in the sandbox."""
    vpcs = [vpc for region in REGIONS for vpc in ec2_backends[ACCOUNT_ID][region].vpcs.values()]
    return [ipaddress.IPv4Network(vpc.cidr_block) for vpc in vpcs if not vpc.is_default]
