# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of the month's bill, made by the real modules: on an empty account it is the declared estimate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import cost
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Plan

from scripts.pages import costs
from scripts.pages.inventory import stacks
from tests.drill.plan.environments import declarations
from tests.drill.support.emulator import running

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """Of staging, whose declaration has all that differs in price: spot capacity, a standby, replicas, gateways in every zone."""
    (staging,) = (one for one in declarations() if one.name == "staging")
    with running() as emulator:
        project = staging.prepare(emulator, tmp_path_factory.mktemp("staging"))
        # Without a release no container runs; the estimate is of a month in which they do.
        run = replace(project, variables={**project.variables, "aws_containers_release": "1.0.0"}).plan()
        assert run.plan, run.output
        yield run.plan


def test_an_empty_account_is_to_cost_what_is_declared(plan: Plan) -> None:
    assert plan.failed == []
    assert plan.cost.unpriced == ()
    planned = {(bill.host, bill.role): bill.usd for bill in plan.bills}
    declared = {(stack.name, role): round(cost(found).usd, 2) for stack in stacks("staging") for role, found in costs.items(stack).items()}
    assert planned == declared
    assert plan.cost.usd == pytest.approx(costs.estimate("staging").usd, abs=0.05)
