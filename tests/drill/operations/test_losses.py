# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance and a zone lost under load, on real hosts, by rehearse_dr. Run on a site that serves: make site && make drill-operations.

The sandbox's database has no standby, so the zone that is lost is one without it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.drill.support.results import PER_SECOND, TIMES, VISITED, Section, under_load
from tests.drill.support.running import PREFIX, serves_whole
from tests.e2e.driver import Site, wait

TIERS = ("web", "app")


@pytest.fixture(scope="module")
def section() -> Iterator[Section]:
    words = (
        "Two instances of the web tier and two of the app tier over three zones. What is lost ends at once, with the requests that it was "
        "answering."
    )
    with under_load("Losses", words, __file__) as found:
        yield found


def rehearsed(site: Site, section: Section, what: str, **given: Any) -> Any:
    """What visitors saw of a rehearsal that ended within its objectives, and left whole tiers over all zones."""
    inputs = {"rehearse_environment": "sandbox", "reason": "a drill", "rehearse_out_of_turn": True, "aws_rehearsal_busy": {}} | given
    visits = (f"{site.url}{VISITED}", site.ca, PER_SECOND)
    command = ("playbooks/rehearse_dr.yml", "-e", json.dumps(inputs))
    result, load = section.measure(what, visits, lambda: site.play(*command))
    assert result.returncode == 0, result.stdout[-6000:]
    wait("whole tiers", lambda: all(serves_whole(site, tier) for tier in TIERS), 120)
    return load


def zones(site: Site) -> Counter[str]:
    """How many instances of the tiers run in each zone."""
    return Counter(instance["Placement"]["AvailabilityZone"] for tier in TIERS for instance in site.instances(tier))


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_an_instance_is_lost_and_replaced(site: Site, section: Section, number: int) -> None:
    before = {instance["InstanceId"] for instance in site.instances("app")}
    load = rehearsed(site, section, f"an app instance {number}", rehearse_scenario="instance")
    after = {instance["InstanceId"] for instance in site.instances("app")}
    assert (len(before - after), len(after)) == (1, len(before))
    assert sum(load.failures.values()) <= PER_SECOND, load


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_a_zone_is_lost_and_made_up_for(site: Site, section: Section, number: int) -> None:
    (database,) = site.client("rds").describe_db_instances(DBInstanceIdentifier=f"{PREFIX}-db")["DBInstances"]
    before = zones(site)
    zone, size = max(((one, count) for one, count in before.items() if one != database["AvailabilityZone"]), key=lambda each: each[1])
    load = rehearsed(
        site, section, f"a zone with {size} of {before.total()} instances {number}", rehearse_scenario="zone", rehearse_zone=zone
    )
    assert (zones(site)[zone], zones(site).total()) == (0, before.total())
    # What a load balancer asks of a host that is gone fails until two checks have missed it.
    assert sum(load.failures.values()) <= PER_SECOND * 5, load
    # With the next instance the zone is used again.
    (group,) = site.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-app"])["AutoScalingGroups"]
    assert len(group["VPCZoneIdentifier"].split(",")) == 3
