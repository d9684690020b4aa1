#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connectivity
version_added: 0.1.0
short_description: Try which connections succeed from a host, and which are refused
description:
  - Tries many TCP, TLS and HTTP connections side by side from the host it runs on, and compares each with what is expected.
  - Fails with every connection that is not as expected. Changes nothing on the host; what an HTTP request does is up to its server.
  - Needs nothing but Python on the host.
options:
  checks:
    description: The connections to try.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the connection is, for messages and results.
        type: str
        required: true
      kind:
        description:
          - V(tcp) opens a connection, V(tls) also validates the certificate, V(http) also sends a request to O(checks[].url).
        type: str
        choices: [tcp, tls, http]
        default: tcp
      host:
        description: Name or address to connect to. Not for V(http), which takes it from O(checks[].url).
        type: str
      port:
        description: Port to connect to. Not for V(http).
        type: int
      expected:
        description:
          - V(open) means that the connection, with all that its kind adds, succeeds.
          - V(blocked) means that nothing answers, as behind a security group. A machine that answers by rejecting the connection was
            reached, and is neither.
        type: str
        choices: [open, blocked]
        default: open
      url:
        description: For V(http), an address that starts with C(https://) or C(http://).
        type: str
      method:
        description: For V(http), the request's method.
        type: str
        default: GET
      status:
        description: For V(http), the statuses of which the answer must have one.
        type: list
        elements: int
        default: [200]
      ca_file:
        description: For V(tls) and V(http), file of the authorities that validate the certificate. Without it those of the system.
        type: path
      minimum_tls:
        description: For V(tls) and V(http), the oldest version of TLS that is accepted.
        type: str
        choices: ["1.2", "1.3"]
        default: "1.3"
  timeout_seconds:
    description: How long one connection may take, from the look-up of the name to the last byte.
    type: int
    default: 5
attributes:
  check_mode:
    description: Tries the same; it changes nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Try what the web tier may reach
  indivillage.infra.connectivity:
    checks:
      - {name: internal load balancer, kind: tls, host: internal.example.com, port: 443}
      - {name: database, host: db.example.com, port: 5432, expected: blocked}
      - {name: page, kind: http, url: "https://www.example.com/", status: [200]}
"""

RETURN = r"""
results:
  description: One entry for each check, in their order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
    target:
      description: What was tried.
      type: str
    expected:
      description: What the check expects.
      type: str
    outcome:
      description: V(open); V(blocked), nothing answered; V(rejected), the machine was reached and refused; V(invalid), it answered wrongly.
      type: str
    detail:
      description: A sentence on what happened.
      type: str
    address:
      description: The address that was tried.
      type: str
      returned: when the name has one
    tls:
      description: Version of TLS.
      type: str
      returned: when TLS was spoken
    json:
      description: The answer's content.
      type: raw
      returned: when a server answered HTTP with JSON
    milliseconds:
      description: How long it took.
      type: int
  sample:
    - {name: database, target: "db.example.com:5432", expected: blocked, outcome: blocked, detail: no answer within 5 s, milliseconds: 5001}
"""

import errno
import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

JSON_LIMIT_BYTES = 64 * 1024
GRACE_SECONDS = 1
# The network says that there is no way to the machine, as a route or an access list may.
UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.ETIMEDOUT}
TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass
class Outcome:
    """What one connection came to."""

    outcome: str
    detail: str
    address: str = ""
    tls: str = ""
    json: Any = None


def resolve(check: dict[str, Any]) -> str:
    """The first address of a check's host; raises OSError when its name has none."""
    parts = urlsplit(check["url"]) if check["kind"] == "http" else None
    host = parts.hostname if parts else check["host"]
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])


def attempt(check: dict[str, Any], timeout_seconds: float) -> Outcome:
    """Try one connection. Every way it can go wrong is an outcome, none an exception."""
    try:
        if check["kind"] == "http":
            return request(check, timeout_seconds)
        with socket.create_connection((check["host"], check["port"]), timeout_seconds) as plain:
            if check["kind"] == "tcp":
                return Outcome("open", "connected")
            with context(check).wrap_socket(plain, server_hostname=check["host"]) as secure:
                return Outcome("open", f"certificate valid, {secure.version()}", tls=secure.version() or "")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return failure(error, timeout_seconds)


def failure(error: Exception, timeout_seconds: float) -> Outcome:
    """What an error says about the way to the other machine."""
    if isinstance(error, TimeoutError):
        outcome, detail = "blocked", f"no answer within {timeout_seconds:g} s"
    elif isinstance(error, ssl.SSLError):
        outcome, detail = "invalid", f"TLS failed: {getattr(error, 'verify_message', '') or error.reason or error}"
    elif isinstance(error, ConnectionError):
        outcome, detail = "rejected", f"reached, and rejected: {error.strerror or error}"
    elif isinstance(error, OSError) and error.errno in UNREACHABLE:
        outcome, detail = "blocked", str(error.strerror)
    else:
        outcome, detail = "invalid", f"no valid answer: {error!r}"
    return Outcome(outcome, detail)


def context(check: dict[str, Any]) -> ssl.SSLContext:
    """What a client of the check accepts from a server."""
    tls = ssl.create_default_context(cafile=check["ca_file"])
    tls.minimum_version = TLS_VERSIONS[check["minimum_tls"]]
    return tls


def request(check: dict[str, Any], timeout_seconds: float) -> Outcome:
    """Send the request of a check. Redirects are not followed and proxies not used: the check is about this one connection."""
    parts = urlsplit(check["url"])
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout_seconds, context=context(check))
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_seconds)
    try:
        connection.connect()
        tls = connection.sock.version() or "" if isinstance(connection.sock, ssl.SSLSocket) else ""
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(check["method"], path, headers={"User-Agent": "indivillage-connectivity", "Accept": "*/*"})
        answer = connection.getresponse()
        content = answer.read(JSON_LIMIT_BYTES)
        value = None
        if answer.headers.get_content_type() == "application/json":
            value = json.loads(content)
    finally:
        connection.close()
    detail = f"status {answer.status}{', certificate valid, ' + tls if tls else ''}"
    if answer.status not in check["status"]:
        return Outcome("invalid", f"{detail}, expected {' or '.join(map(str, check['status']))}", tls=tls, json=value)
    return Outcome("open", detail, tls=tls, json=value)


def target(check: dict[str, Any]) -> str:
    """What a check connects to, for people."""
    return f"{check['method']} {check['url']}" if check["kind"] == "http" else f"{check['host']}:{check['port']}"


def try_all(checks: list[dict[str, Any]], timeout_seconds: float) -> list[dict[str, Any]]:
    """Try all checks side by side; the results in the order of the checks."""
    # Where no address is known nothing was tried, so a silent name server is no proof of a block.
    unresolved = Outcome("invalid", f"no name server answered within {timeout_seconds:g} s")
    outcomes = [(unresolved, timeout_seconds)] * len(checks)

    def work(number: int, check: dict[str, Any]) -> None:
        started = time.monotonic()
        try:
            address = resolve(check)
        except OSError as error:
            outcomes[number] = (Outcome("invalid", f"the name cannot be resolved: {error.strerror}"), time.monotonic() - started)
            return
        outcomes[number] = (Outcome("blocked", f"no answer within {timeout_seconds:g} s", address), timeout_seconds)
        outcome = attempt(check, timeout_seconds)
        outcomes[number] = (replace(outcome, address=address), time.monotonic() - started)

    # Daemons: one that still waits for a name server does not hold up the end of the module.
    threads = [threading.Thread(target=work, args=(number, check), daemon=True) for number, check in enumerate(checks)]
    deadline = time.monotonic() + timeout_seconds + GRACE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    results = []
    for check, (outcome, seconds) in zip(checks, list(outcomes), strict=True):
        said = {key: value for key, value in asdict(outcome).items() if value not in ("", None)}
        result = {"name": check["name"], "target": target(check), "expected": check["expected"], "milliseconds": round(seconds * 1000)}
        results.append({**result, **said})
    return results


def main() -> None:
    text, number = {"type": "str"}, {"type": "int"}
    check = {
        "name": {"type": "str", "required": True},
        "kind": {"type": "str", "choices": ["tcp", "tls", "http"], "default": "tcp"},
        "host": text,
        "port": number,
        "expected": {"type": "str", "choices": ["open", "blocked"], "default": "open"},
        "url": text,
        "method": {"type": "str", "default": "GET"},
        "status": {"type": "list", "elements": "int", "default": [200]},
        "ca_file": {"type": "path"},
        "minimum_tls": {"type": "str", "choices": ["1.2", "1.3"], "default": "1.3"},
    }
    required = [("kind", "tcp", ("host", "port")), ("kind", "tls", ("host", "port")), ("kind", "http", ("url",))]
    module = AnsibleModule(
        argument_spec={
            "checks": {"type": "list", "elements": "dict", "required": True, "options": check, "required_if": required},
            "timeout_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    results = try_all(module.params["checks"], module.params["timeout_seconds"])
    wrong = [result for result in results if result["outcome"] != result["expected"]]
    if wrong:
        lines = [f"{r['name']} ({r['target']}) is {r['outcome']}, expected {r['expected']}: {r['detail']}" for r in wrong]
        module.fail_json(msg=f"{len(wrong)} of {len(results)} connections are not as expected. " + "; ".join(lines), results=results)
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
