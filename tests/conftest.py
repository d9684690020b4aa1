# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every test: AWS clients can reach nothing but this machine."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Before any test module imports boto3: no profile, no key, no metadata service, and an endpoint that answers nobody.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_EC2_METADATA_DISABLED="true",
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_ENDPOINT_URL="http://127.0.0.1:9",
)

# Started in the background, as by a shell's `&`, a process and its children ignore Ctrl-C, which tests send to runs of their own.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines are shared: how long an example takes says nothing of the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# Loopback, and the networks of the sandbox's own containers (sandbox/settings.py and inventories/sandbox).
_OWN_NETWORKS = [ipaddress.ip_network(cidr) for cidr in ("127.0.0.0/8", "::1/128", "10.10.0.0/16", "10.11.0.0/16", "198.18.0.0/24")]


class ForeignAddressError(Exception):
    """A test tried to reach an address that is not this machine's."""


def is_own(address: Any) -> bool:
    """Tell whether a socket address is a path, loopback or one of the sandbox's networks."""
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    if host == "localhost":
        return True
    try:
        return any(ipaddress.ip_address(host.partition("%")[0]) in network for network in _OWN_NETWORKS)
    except ValueError:
        return False  # a name: tests have no business with names that need resolving


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a connection to anywhere else fail the test that tried it, instead of leaving the machine."""

    def guard(name: str) -> None:
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if not is_own(address):
                raise ForeignAddressError(f"a test tried to reach {address}; only loopback and the sandbox's own networks are allowed")
            return original(self, address)

        monkeypatch.setattr(socket.socket, name, connect)

    guard("connect")
    guard("connect_ex")
