# SPDX-License-Identifier: GPL-3.0-or-later
"""A protection through its whole life, and that nobody subscribes by mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from ansible_collections.indivillage.infra.plugins.modules import shield_protection

Run = Callable[..., dict[str, Any]]
SITE = {"name": "site", "resource_arn": "arn:aws:cloudfront::123456789012:distribution/E1A2B3C4D5E6F7"}


def subscribed() -> bool:
    client = boto3.client("shield")
    try:
        client.describe_subscription()
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    key = {**SITE, "accept_price": True}
    life_cycle(shield_protection, key, {"tags": {"Project": "site", "Old": "1"}}, {"tags": {"Project": "site"}})


def test_nobody_subscribes_without_accepting_the_price(run: Run) -> None:
    for check in (True, False):
        result = run(shield_protection, **SITE, check=check)
        assert result["failed"]
        assert "3000 USD a month" in result["msg"]
        assert "aws_edge_shield_advanced_price_accepted" in result["msg"]
    assert not subscribed()


def test_a_subscribed_account_needs_no_consent(run: Run) -> None:
    boto3.client("shield").create_subscription()
    assert run(shield_protection, **SITE)["changed"]
    assert not run(shield_protection, **SITE)["changed"]


def test_a_plan_subscribes_nobody(run: Run) -> None:
    assert run(shield_protection, **SITE, accept_price=True, check=True)["changed"]
    assert not subscribed()
