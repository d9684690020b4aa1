# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of what may be spent, kept and changed that no type shows.

The variables that are given have the types that their roles declare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

BUDGETS, NOTIFICATIONS = "aws_cost_budgets", "aws_cost_notifications"
MOST_NOTIFICATIONS = 10  # of a budget, by AWS


def cost_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the budgets of an account."""
    budgets, notifications = values.get(BUDGETS) or [], values.get(NOTIFICATIONS) or []
    for name, count in Counter(budget["name"] for budget in budgets).items():
        if count > 1:
            yield Problem(BUDGETS, f"has {count} budgets called {name}.", "Give each a name of its own; AWS would keep the last one.")
    for budget in budgets:
        if float(budget["amount"]) <= 0:
            yield Problem(BUDGETS, f"lets {budget['name']} cost {budget['amount']}.", "Give it what a month may cost.")
    whole = [float(budget["amount"]) for budget in budgets if not budget.get("services")]
    parts = [float(budget["amount"]) for budget in budgets if budget.get("services")]
    if whole and sum(parts) > max(whole):
        text = f"lets services cost {sum(parts):g} together, and everything {max(whole):g}."
        yield Problem(BUDGETS, text, "Raise the budget of everything, or lower those of services: one of them can never be told in time.")
    if len(notifications) > MOST_NOTIFICATIONS:
        yield Problem(NOTIFICATIONS, f"has {len(notifications)} entries, and AWS takes {MOST_NOTIFICATIONS}.", "Leave some out.")
    for one, count in Counter((each["of"], float(each["above_percentage"])) for each in notifications).items():
        if count > 1:
            yield Problem(NOTIFICATIONS, f"tells {one[0]} above {one[1]:g} % {count} times.", "Keep one of them.")
        if not 0 < one[1] <= 1000:
            yield Problem(NOTIFICATIONS, f"tells {one[0]} above {one[1]:g} %.", "Write a share of the budget in per cent.")
