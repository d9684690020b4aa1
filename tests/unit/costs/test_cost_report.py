# SPDX-License-Identifier: GPL-3.0-or-later
"""What costs without being used: the judgement and its reports."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.filter.cost_report import cost_report
from ansible_collections.indivillage.infra.plugins.plugin_utils.cost_report import GIB, Judged, judge
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Thing, price

Measures = dict[str, float | None]


def resource(
    kind: str, size: str = "", count: float = 1, *, attached: bool = True, old: bool = True, **measures: float | None
) -> dict[str, Any]:
    return {"kind": kind, "name": "one", "attached": attached, "old_enough": old, "sizes": {size: count}, "measures": measures}


def judged(*resources: dict[str, Any]) -> Judged:
    return judge({"us-east-1": {"resources": list(resources), "days": 14}})


def priced(kind: str, size: str = "") -> float:
    found = price(Thing(kind, size))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("found", "why", "usd"),
    [
        (resource("volume", "", 50, attached=False), "belongs to nothing", 50 * priced("volume")),
        (resource("address", attached=False), "belongs to nothing", priced("public_ipv4")),
        (resource("nat_gateway", bytes=0), "sent nothing", priced("nat_gateway")),
        (resource("load_balancer", requests=0), "had no request", priced("application_load_balancer")),
        (resource("instance", "t3.large", 2, cpu_percent=1.2, memory_percent=None), "1.2 %", 2 * priced("instance", "t3.large")),
        (
            resource("database", "db.m5.large", cpu_percent=2, free_memory_bytes=7 * GIB, connections=0),
            "no connection",
            priced("database", "db.m5.large"),
        ),
        (
            resource("cache_node", "cache.m5.large", 1, cpu_percent=1, memory_percent=3, connections=4),
            "but those of AWS",
            priced("cache_node", "cache.m5.large"),
        ),
    ],
)
def test_what_is_idle_saves_its_whole_price(found: dict[str, Any], why: str, usd: float) -> None:
    (finding,) = judged(found).findings
    assert why in finding.why
    assert finding.usd == pytest.approx(usd)


@pytest.mark.parametrize(
    ("found", "smaller"),
    [
        (resource("instance", "t3.large", 3, cpu_percent=39.9, memory_percent=12), ("instance", "t3.medium")),
        (resource("spot_instance", "t3.large", 3, cpu_percent=20, memory_percent=39), ("spot_instance", "t3.medium")),
        (
            resource("database_multi_az", "db.m5.xlarge", cpu_percent=30, free_memory_bytes=10 * GIB, connections=9),
            ("database_multi_az", "db.m5.large"),
        ),
        (resource("cache_node", "cache.t3.medium", 2, cpu_percent=9, memory_percent=9, connections=5), ("cache_node", "cache.t3.small")),
    ],
)
def test_what_is_half_empty_saves_the_difference(found: dict[str, Any], smaller: tuple[str, str]) -> None:
    (size,), (count,) = found["sizes"], found["sizes"].values()
    (finding,) = judged(found).findings
    assert finding.advice == f"take {smaller[1]}"
    assert finding.usd == pytest.approx(count * (priced(smaller[0], size) - priced(*smaller)))


@pytest.mark.parametrize(
    "found",
    [
        resource("volume", "", 50),
        resource("address"),
        resource("nat_gateway", bytes=1),
        resource("load_balancer", requests=1),
        resource("instance", "t3.large", cpu_percent=40, memory_percent=10),
        resource("instance", "t3.large", cpu_percent=10, memory_percent=40),
        resource("instance", "t3.micro", cpu_percent=10, memory_percent=10),  # the price table has nothing smaller
        resource("instance", "m5.large", cpu_percent=10, memory_percent=10),  # there is no m5.medium
        resource("database", "db.m5.large", cpu_percent=10, free_memory_bytes=4 * GIB, connections=1),
        resource("volume", "", 50, attached=False, old=False),
    ],
)
def test_what_is_used_or_new_is_left_alone(found: dict[str, Any]) -> None:
    assert judged(found).findings == ()


def test_what_was_not_measured_is_told_and_never_taken_for_idle() -> None:
    found = judged(
        resource("nat_gateway", bytes=None),
        resource("instance", "t3.large", cpu_percent=12, memory_percent=None),
        resource("database", "db.m5.large", cpu_percent=None, free_memory_bytes=None, connections=None),
    )
    assert found.findings == ()
    assert [one.partition(": ")[2] for one in found.unmeasured] == [
        "no bytes",
        "no memory percent",
        "no cpu percent, free memory bytes, connections",
    ]


def test_new_resources_are_counted() -> None:
    found = judged(resource("address", attached=False, old=False), resource("address"))
    assert (found.young, found.seen) == (1, 2)


def test_what_saves_most_stands_first() -> None:
    found = judged(resource("address", attached=False), resource("volume", "", 900, attached=False), resource("nat_gateway", bytes=0))
    assert [finding.usd for finding in found.findings] == sorted((finding.usd for finding in found.findings), reverse=True)


def test_all_forms_say_the_same_and_keep_names_text() -> None:
    evil = resource("volume", "", 10, attached=False) | {"name": "a|b<script>"}
    report = cost_report({"us-east-1": {"resources": [evil], "days": 14}}, "staging")
    assert report["usd"] == pytest.approx(round(10 * priced("volume"), 2))
    assert "1 of 1 resources could save 0.80 USD a month" in report["lines"][0]
    assert "| 0.80 | us-east-1 | a\\|b<script> (10 gp3 volume) | belongs to nothing |" in report["markdown"]
    assert "a|b&lt;script&gt;" in report["html"]
    assert "<script" not in report["html"]


def test_nothing_found_is_said() -> None:
    report = cost_report({"us-east-1": {"resources": [resource("address")], "days": 7}}, "staging")
    assert report["lines"][0] == "staging: none of 1 resources was idle or half empty in the last 7 days."
    assert "| ---" not in report["markdown"]
    assert "<table" not in report["html"]
