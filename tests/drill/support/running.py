# SPDX-License-Identifier: GPL-3.0-or-later
"""The site that a drill works on, which `make site` has left running."""

from __future__ import annotations

import pytest

from tests.e2e.driver import Site

PREFIX = "indivillage-sandbox"


def running_site() -> Site:
    """This checkout's site; the drill fails when no sandbox runs."""
    site = Site()
    if site.run("podman", "ps", "--quiet", "--filter", "label=indivillage.sandbox").stdout.strip() == "":
        pytest.fail("no sandbox runs: `make site` first")
    return site


def serves_whole(site: Site, tier: str) -> bool:
    """Whether every instance of the tier is behind the load balancer, and Auto Scaling works."""
    (group,) = site.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-{tier}"])["AutoScalingGroups"]
    return len(site.healthy(tier)) == len(site.instances(tier)) and not group.get("SuspendedProcesses")
