# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters by which EC2 finds VPC endpoints and network ACLs by their id, and images by their snapshots.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcEndpoints.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkAcls.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
moto 5.2.5 answers these three with an internal error.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from moto.ec2.models.amis import Ami
from moto.ec2.models.network_acls import NetworkAcl
from moto.ec2.models.vpcs import VPCEndPoint

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    _add_filter(NetworkAcl, "network-acl-id", lambda network_acl: network_acl.id)
    _add_filter(VPCEndPoint, "vpc-endpoint-id", lambda endpoint: endpoint.id)
    _add_filter(Ami, "block-device-mapping.snapshot-id", lambda image: image.ebs_snapshot.id)


def _add_filter(owner: type, name: str, value: Callable[[Any], str]) -> None:
    @wrap(owner, "get_filter_value")
    def get_filter_value(original: Any, self: Any, filter_name: str, method_name: str | None = None) -> Any:
        return value(self) if filter_name == name else original(self, filter_name, method_name)
