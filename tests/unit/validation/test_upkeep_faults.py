# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets, backups and patches that cannot work, or get in each other's way."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_upkeep import cost_problems

WHOLE, PART = {"name": "monthly", "amount": 400}, {"name": "compute", "amount": 150, "services": ["Amazon Elastic Compute Cloud - Compute"]}
COSTS: dict[str, Any] = {
    "aws_cost_budgets": [WHOLE, PART],
    "aws_cost_notifications": [{"of": "ACTUAL", "above_percentage": 50}, {"of": "FORECASTED", "above_percentage": 100}],
}


def told(problems: Any) -> list[tuple[str, str]]:
    found = list(problems)
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def test_sound_budgets_have_no_problem() -> None:
    assert told(cost_problems(copy.deepcopy(COSTS))) == []
    assert told(cost_problems({})) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_cost_budgets", [WHOLE, PART, PART], "2 budgets called compute"),
        ("aws_cost_budgets", [{**WHOLE, "amount": 0}], "lets monthly cost 0"),
        ("aws_cost_budgets", [WHOLE, {**PART, "amount": 401}], "services cost 401 together, and everything 400"),
        ("aws_cost_notifications", [{"of": "ACTUAL", "above_percentage": 50}] * 2, "tells ACTUAL above 50 % 2 times"),
        ("aws_cost_notifications", [{"of": "ACTUAL", "above_percentage": 0}], "above 0 %"),
        ("aws_cost_notifications", [{"of": "ACTUAL", "above_percentage": 10 * n} for n in range(1, 12)], "11 entries, and AWS takes 10"),
    ],
)
def test_a_budget_that_cannot_work_is_named(variable: str, value: Any, words: str) -> None:
    (problem,) = told(cost_problems({**COSTS, variable: value}))

    assert problem[0] == variable
    assert words in problem[1]
