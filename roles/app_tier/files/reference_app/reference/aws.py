# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS clients with the credentials of the instance's role, secrets, and the identity of the instance."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

METADATA_ENDPOINT = "http://169.254.169.254"
METADATA_TIMEOUT_SECONDS = 1.0
CLIENT_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})


class Clients:
    """One client per service and process, made on first use. The clients themselves may be shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return the client of a service such as "s3"."""
        with self._lock:  # boto3's default session may not be used by two threads at once
            if service not in self._clients:
                self._clients[service] = boto3.client(service, config=CLIENT_CONFIG)
            return self._clients[service]


class Secrets:
    """JSON secrets from Secrets Manager, kept in memory until somebody finds that one no longer opens the door."""

    def __init__(self, clients: Callable[[str], Any]) -> None:
        self._clients = clients
        self._values: dict[str, Mapping[str, Any]] = {}

    def get(self, secret_id: str) -> Mapping[str, Any]:
        """Return a secret's object, from memory if it was read before."""
        if secret_id not in self._values:
            text = self._clients("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
            self._values[secret_id] = json.loads(text)
        return self._values[secret_id]

    def forget(self, secret_id: str) -> None:
        """Read the secret anew next time: it was rotated."""
        self._values.pop(secret_id, None)


@dataclass(frozen=True)
class Instance:
    """Who serves: host name, instance id and availability zone; the latter two are "unknown" without a metadata service."""

    host: str
    instance_id: str
    zone: str


class Identity:
    """Asks the metadata service, version 2, who this instance is, until it has answered once.

    It heeds the same variables as boto3: AWS_EC2_METADATA_DISABLED and AWS_EC2_METADATA_SERVICE_ENDPOINT.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._is_disabled = environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
        self._endpoint = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA_ENDPOINT).rstrip("/")
        self._known: Instance | None = None

    def __call__(self) -> Instance:
        """Return who this instance is; a service that does not answer costs about a second."""
        if self._known is None and not self._is_disabled:
            with contextlib.suppress(OSError):
                self._known = self._ask()
        return self._known or Instance(socket.gethostname(), "unknown", "unknown")

    def _ask(self) -> Instance:
        token = self._fetch("PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        proof = {"X-aws-ec2-metadata-token": token}
        instance_id = self._fetch("GET", "meta-data/instance-id", proof)
        return Instance(socket.gethostname(), instance_id, self._fetch("GET", "meta-data/placement/availability-zone", proof))

    def _fetch(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        request = urllib.request.Request(f"{self._endpoint}/latest/{path}", method=method, headers=dict(headers))  # noqa: S310 always http
        with urllib.request.urlopen(request, timeout=METADATA_TIMEOUT_SECONDS) as response:  # noqa: S310 always http
            return str(response.read().decode())
