# SPDX-License-Identifier: GPL-3.0-or-later
"""The delivery of a distribution's logs through its whole life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import log_delivery

from sandbox.emulator.additions import log_deliveries

Run = Callable[..., dict[str, Any]]
SITE = {
    "name": "site",
    "resource_arn": "arn:aws:cloudfront::123456789012:distribution/E1",
    "destination_arn": "arn:aws:s3:::site-logs/cloudfront",
    "tags": {"Project": "site"},
}


@pytest.fixture(autouse=True, scope="module")
def additions() -> None:
    log_deliveries.install()


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {key: value for key, value in SITE.items() if key != "name"}
    second = {**first, "output_format": "w3c", "suffix_path": "{DistributionId}/{yyyy}/{MM}/{dd}", "fields": ["date", "cs-uri-stem"]}
    second |= {"tags": {"Project": "other"}}
    life_cycle(log_delivery, {"name": "site"}, {**first, "tags": {"Project": "site", "Old": "1"}}, second, ("create", "replace"))


def test_another_distribution_is_delivered_anew(run: Run) -> None:
    run(log_delivery, **SITE)

    result = run(log_delivery, **{**SITE, "resource_arn": "arn:aws:cloudfront::123456789012:distribution/E2"})

    assert result["changed"]
    source = boto3.client("logs").get_delivery_source(name="site")["deliverySource"]
    assert source["resourceArns"] == ["arn:aws:cloudfront::123456789012:distribution/E2"]


@pytest.mark.parametrize("missing", ["delivery", "delivery and source", "all but the source"])
def test_what_a_run_left_half_made_or_somebody_deleted_is_completed(run: Run, missing: str) -> None:
    result = run(log_delivery, **SITE)["resource"]
    logs = boto3.client("logs")
    logs.delete_delivery(id=result["delivery_id"])
    if missing == "delivery and source":
        logs.delete_delivery_source(name="site")
    elif missing == "all but the source":
        logs.delete_delivery_destination(name="site")

    planned, done = run(log_delivery, **SITE, check=True), run(log_delivery, **SITE)

    assert planned["diff"] == done["diff"]
    assert done["resource"]["delivers"]
    assert not run(log_delivery, **SITE)["changed"]


def test_a_part_without_its_tags_is_seen(run: Run) -> None:
    arn = run(log_delivery, **SITE)["resource"]["delivery_arn"]
    boto3.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])

    assert run(log_delivery, **SITE)["changed"]
    assert boto3.client("logs").list_tags_for_resource(resourceArn=arn)["tags"] == {"Project": "site"}


def test_only_the_declared_fields_are_delivered(run: Run) -> None:
    run(log_delivery, **SITE)
    assert run(log_delivery, **SITE, fields=["date", "cs-uri-stem"])["changed"]
    assert not run(log_delivery, **SITE, fields=["date", "cs-uri-stem"])["changed"]
    assert not run(log_delivery, **SITE)["changed"], "what is not declared is left alone"
    (delivery,) = boto3.client("logs").describe_deliveries()["deliveries"]
    assert delivery["recordFields"] == ["date", "cs-uri-stem"]


def test_a_destination_is_needed(run: Run) -> None:
    result = run(log_delivery, name="site", resource_arn=SITE["resource_arn"])
    assert result["failed"]
    assert "destination_arn" in result["msg"]
