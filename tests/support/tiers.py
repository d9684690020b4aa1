# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sandbox's account says of the app tier."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

PREFIX = "indivillage-sandbox"
PARAMETER = "/indivillage/sandbox/app/release"

Client = Callable[[str], Any]
"""Service -> its boto3 client."""


def named_release(client: Client) -> str:
    """The release that the parameter names; empty when there is none."""
    ssm = client("ssm")
    try:
        return str(json.loads(ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"])["release"])
    except ssm.exceptions.ParameterNotFound:
        return ""


def request_shares(client: Client) -> dict[str, int]:
    """What the internal load balancer shares out: short name of a target group -> percent. Empty while its own action stands."""
    elbv2 = client("elbv2")
    (balancer,) = elbv2.describe_load_balancers(Names=[f"{PREFIX}-internal"])["LoadBalancers"]
    (listener,) = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    rules = [rule for rule in elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"] if not rule["IsDefault"]]
    groups = [group for rule in rules for group in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]]
    return {group["TargetGroupArn"].split("/")[1].removeprefix(f"{PREFIX}-"): group["Weight"] for group in groups}
