# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator as a process on a free loopback port, boto3 clients for it, and the resources that most tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.support.servers import free_port

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class RunningEmulator:
    """An emulator and how to talk to it."""

    endpoint: str

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service, region_name=region, endpoint_url=self.endpoint, aws_access_key_id="sandbox", aws_secret_access_key="sandbox"
        )

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """(status, answer) of a call of the control API."""
        request = urllib.request.Request(
            f"{self.endpoint}/sandbox/{path}", method=method, data=None if body is None else json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    @property
    def version(self) -> int:
        return int(self.control("GET", "version")[1]["version"])


def start(*options: str) -> Iterator[RunningEmulator]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.emulator", "--port", str(port), *options],
        cwd=REPOSITORY,
        env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"},
        stderr=subprocess.DEVNULL,
    )
    emulator = RunningEmulator(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: answers(emulator, process), seconds=120)
        yield emulator
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(emulator: RunningEmulator, process: subprocess.Popen[bytes]) -> bool:
    """Whether an emulator answers; an AssertionError when its process has ended, or another one answers where it should."""
    assert process.poll() is None, f"the emulator of {emulator.endpoint} has ended"
    try:
        status, answer = emulator.control("GET", "version")
    except OSError:
        return False
    assert status != 200 or answer["process"] == process.pid, f"another emulator answers at {emulator.endpoint}"
    return status == 200


def wait_until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true value of `condition`, which is asked four times a second; an AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.25)
    raise AssertionError(f"{condition} stayed false for {seconds} s")


@dataclass(frozen=True)
class Network:
    """A VPC with one subnet per zone a, b, c."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    group_id: str


_networks = iter(range(64, 250))


def make_network(emulator: RunningEmulator) -> Network:
    ec2, octet = emulator.client("ec2"), next(_networks)
    vpc_id = ec2.create_vpc(CidrBlock=f"10.{octet}.0.0/16")["Vpc"]["VpcId"]
    subnet_ids = tuple(
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.{octet}.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("abc")
    )
    group_id = ec2.create_security_group(VpcId=vpc_id, GroupName="members", Description="Members")["GroupId"]
    return Network(vpc_id, subnet_ids, group_id)


def base_image(emulator: RunningEmulator, region: str = "us-east-1") -> str:
    own = [{"Name": "name", "Values": ["debian-13-amd64-sandbox"]}]
    images = emulator.client("ec2", region).describe_images(Owners=["self"], Filters=own)["Images"]
    return str(images[0]["ImageId"])
