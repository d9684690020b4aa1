# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the emulator listens, what it counts, and what it answers to whom."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from sandbox.emulator.server import Emulator
from tests.integration.emulator.support import REPOSITORY, RunningEmulator, wait_until

pytestmark = pytest.mark.emulator


def listening(port: int) -> set[str]:
    """Local addresses on which TCP port `port` is listened to."""
    addresses = set()
    with open("/proc/net/tcp") as table:  # noqa: PTH123 -- procfs
        for line in list(table)[1:]:
            local, state = line.split()[1], line.split()[3]
            address, number = local.split(":")
            if state == "0A" and int(number, 16) == port:
                addresses.add(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
    return addresses


def test_it_listens_on_loopback_and_on_the_gateways_of_its_vpcs(emulator: RunningEmulator) -> None:
    port, ec2 = int(emulator.endpoint.rsplit(":", 1)[1]), emulator.client("ec2", "us-west-2")
    vpc_id = ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"]
    assert "0.0.0.0" not in listening(port)
    assert {"127.0.0.1", "10.60.0.1"} <= listening(port)
    ec2.delete_vpc(VpcId=vpc_id)
    wait_until(lambda: "10.60.0.1" not in listening(port))


def test_without_a_reconciler_it_listens_on_loopback_only(standalone: RunningEmulator) -> None:
    port = int(standalone.endpoint.rsplit(":", 1)[1])
    standalone.client("ec2").create_vpc(CidrBlock="10.61.0.0/16")
    assert listening(port) == {"127.0.0.1"}


def test_another_address_than_loopback_is_refused() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "sandbox.emulator", "--loopback", "0.0.0.0"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert "--loopback must be a loopback address" in answer.stderr


def test_only_successful_changes_of_the_control_plane_are_counted(standalone: RunningEmulator) -> None:
    before = standalone.version
    standalone.client("ec2").describe_vpcs()
    standalone.client("s3").create_bucket(Bucket="uncounted-bucket")
    with pytest.raises(Exception, match="NotFound"):
        standalone.client("ec2").delete_vpc(VpcId="vpc-0123456789abcdef0")
    assert standalone.version == before
    standalone.client("ec2").create_vpc(CidrBlock="10.62.0.0/16")
    assert standalone.version == before + 1


@pytest.mark.parametrize("path", ["sandbox/version", "moto-api/data.json", "latest/meta-data/"])
def test_hosts_see_the_aws_api_only(path: str) -> None:
    answers: list[str] = []
    environ = {"PATH_INFO": f"/{path}", "REQUEST_METHOD": "GET"}

    def start_response(status: str, _headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        answers.append(status)

    body = b"".join(Emulator().from_gateway(environ, start_response))
    assert (answers, "loopback" in json.loads(body)["error"]) == (["404 Not Found"], True)


def test_the_control_api_says_what_is_wrong(emulator: RunningEmulator) -> None:
    assert emulator.control("GET", "databases/us-east-1/absent") == (404, {"error": "no DB instance absent in us-east-1"})
    assert emulator.control("GET", "databases/eu-west-1/absent")[0] == 404
    assert emulator.control("GET", "nothing") == (404, {"error": "no call GET /sandbox/nothing"})
    assert emulator.control("PUT", "images/us-east-1/ami-1", {"state": "available"})[0] == 404
    request = urllib.request.Request(f"{emulator.endpoint}/sandbox/target-health", method="PUT", data=b"[")
    with pytest.raises(urllib.error.HTTPError, match="400") as error, urllib.request.urlopen(request, timeout=5):
        pass
    error.value.close()
