# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource type names in DescribeTags.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagDescription.html
moto 5.2.5 calls Elastic IPs `vpc-elastic-ip` and NAT gateways `nat-gateway`; clients that filter by AWS's names find no tags.
"""

from __future__ import annotations

import functools

from moto.ec2 import utils


@functools.cache
def install() -> None:
    utils.EC2_PREFIX_TO_RESOURCE.update({"eipalloc": "elastic-ip", "nat": "natgateway"})
