# SPDX-License-Identifier: GPL-3.0-or-later
"""How many instances a machine carries, and at what cost. Run on a site that serves: make site && make drill.

A measurement, so nothing is asserted but that every instance came to serve; what it costs is printed.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator

import pytest

from tests.drill.support.running import running_site
from tests.e2e.driver import Site, wait

GROUP = "indivillage-sandbox-app"


@pytest.fixture
def site() -> Iterator[Site]:
    """The site that runs; its app tier is brought back to two instances afterwards."""
    site = running_site()
    scaling = site.client("autoscaling")
    scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, MaxSize=60)
    yield site
    scaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=2)
    scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, MaxSize=6)


def memory_mib(site: Site) -> float:
    """Memory of all the sandbox's containers in MiB."""
    stats = json.loads(site.must("podman", "stats", "--no-stream", "--no-reset", "--format", "json"))
    units = {"B": 1 / 2**20, "kB": 1e3 / 2**20, "MB": 1e6 / 2**20, "GB": 1e9 / 2**20}
    total = 0.0
    for entry in stats:
        if entry["name"].startswith("indivillage-"):
            found = re.match(r"([\d.]+)([kMG]?B)", entry["mem_usage"])
            assert found, entry["mem_usage"]
            total += float(found.group(1)) * units[found.group(2)]
    return total


def busy_seconds() -> float:
    """Processor seconds this machine has spent since its start, idle time left out."""
    with open("/proc/stat") as lines:  # noqa: PTH123 - one line of a kernel file
        fields = [int(field) for field in lines.readline().split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("count", [2, 10, 25, 50])
def test_capacity(site: Site, count: int) -> None:
    busy, started = busy_seconds(), time.monotonic()
    site.client("autoscaling").set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=count)
    taken = wait(f"{count} app instances that serve", lambda: len(site.healthy("app")) == count, seconds=900, every=2)
    cost = busy_seconds() - busy
    settled = time.monotonic() - started
    idle_from, idle_start = busy_seconds(), time.monotonic()
    time.sleep(20)
    idle = (busy_seconds() - idle_from) / (time.monotonic() - idle_start)
    print(
        f"\n{count} app instances: serving after {taken:.0f} s, {cost:.0f} CPU s of {settled * (os.cpu_count() or 1):.0f}; "
        f"all containers {memory_mib(site):.0f} MiB; {idle:.2f} cores busy when settled"
    )
