# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard that keeps tests on this machine does keep them there."""

from __future__ import annotations

import socket

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError


def test_a_foreign_address_is_refused_before_a_packet_leaves() -> None:
    with socket.socket() as client, pytest.raises(Exception, match="only loopback") as error:
        client.connect(("192.0.2.1", 443))
    assert type(error.value).__name__ == "ForeignAddressError"


def test_an_aws_client_without_an_emulator_reaches_nobody() -> None:
    client = boto3.client("sts", region_name="us-east-1")
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    with pytest.raises(EndpointConnectionError):
        client.get_caller_identity()
