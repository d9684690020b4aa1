# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environments cost as they are declared stays within their budgets, and nothing of it is without a price."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils import costs as prices
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs_of_calls import is_unknown

from scripts.pages import costs
from scripts.pages.environments import REAL
from scripts.pages.inventory import ENVIRONMENTS, ROOT, stacks

BUDGETS = yaml.safe_load((ROOT / "scripts/pages/budgets.yml").read_text())
SIZES = {
    "instance": r"[a-z]\d[a-z]*\.[a-z0-9]+",
    "database": r"db\.[a-z]\d[a-z]*\.[a-z0-9]+",
    "cache_node": r"cache\.[a-z]\d[a-z]*\.[a-z0-9]+",
}


@pytest.mark.parametrize("environment", REAL)
def test_an_environment_costs_no_more_than_its_budget(environment: str) -> None:
    estimate, budget = costs.estimate(environment), costs.budget(environment)
    assert estimate.usd <= budget.usd, f"make {environment} cheaper, or say in scripts/pages/budgets.yml why it may cost more"


def test_an_exception_has_a_reason_and_is_needed() -> None:
    for environment in BUDGETS["exceptions"]:
        assert costs.budget(environment).exception
        kept = costs.estimate(environment).usd <= BUDGETS["budgets"][environment]["usd"]
        assert not kept, f"{environment} keeps its budget: take the exception away"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_role_is_estimated_and_every_size_priced(environment: str) -> None:
    assert costs.estimate(environment).unpriced == (), "add to ESTIMATES of scripts/pages/costs.py, or to plugins/plugin_utils/prices.yml"
    assert {stack.region for stack in stacks(environment)} <= prices.table().regions


@pytest.mark.parametrize("kind", SIZES)
def test_every_type_that_an_inventory_names_has_a_price(kind: str) -> None:
    declared = json.dumps([list(stack.options.values()) for environment in ENVIRONMENTS for stack in stacks(environment)])
    named = {text for text in re.findall(rf'"({SIZES[kind]})"', declared) if kind != "instance" or not text.startswith(("db.", "cache."))}
    assert named
    assert named <= set(prices.table().prices[kind].by_size), "add it to plugins/plugin_utils/prices.yml"


def test_every_call_that_roles_make_has_a_price_or_needs_none() -> None:
    calls = {call.partition(" ")[0] for recorded in yaml.safe_load((ROOT / "policies/calls.yml").read_text()).values() for call in recorded}
    unknown = sorted(call for call in calls if is_unknown(*call.split(":")))
    assert unknown == [], "add it to CALLS of costs_of_calls.py, or to without_price of prices.yml"


def test_an_exception_raises_the_budget_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = {**BUDGETS, "exceptions": {"staging": {"usd": 900, "reason": "It carries a load test."}}}
    monkeypatch.setattr(costs, "declared_budgets", lambda: raised)
    assert costs.budget("staging") == costs.Budget(900, {"stored objects": 75, "CDN": 50}, "It carries a load test.")
    assert "\nstaging: It carries a load test.\n" in costs.page()


def test_a_role_that_nobody_has_estimated_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(costs.ESTIMATES, "aws_cache")
    page = costs.page()
    assert page.count("| aws_cache | role aws_cache | | not priced | |") == 4
    assert " and what is not priced: role aws_cache |" in page
