# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets, backups and patches that cannot work, or get in each other's way."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_upkeep import backup_problems, cost_problems, patching_problems

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


# --- backups ---

RULE: dict[str, Any] = {"name": "daily", "schedule": "cron(0 8 * * ? *)", "delete_after_days": 365, "copy_days": 365}
BACKUPS: dict[str, Any] = {
    "environment_name": "production",
    "aws_backup_plans": [{"name": "data", "tags": {"Tier": "data"}, "rules": [RULE]}],
    "aws_backup_minimum_retention_days": 365,
    "aws_backup_copy_region": "us-west-2",
    "aws_backup_lock": {"min_retention_days": 365},
    "aws_backup_restore_test": {"schedule": "cron(0 14 ? * MON#1 *)"},
    "aws_database_backup_window": "03:00-05:00",
    "aws_database_maintenance_window": "sun:05:00-sun:06:00",
}


def rule(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "data", "tags": {}, "rules": [{**RULE, **changes}]}]


def test_sound_backups_have_no_problem() -> None:
    assert told(backup_problems(copy.deepcopy(BACKUPS))) == []
    assert told(backup_problems({})) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_backup_minimum_retention_days", 30, "is 30 days in production"),
        ("aws_backup_plans", rule(delete_after_days=90), "keeps backups 90 days"),
        ("aws_backup_plans", rule(start_window_minutes=30), "has to start within 30 minutes"),
        ("aws_backup_plans", rule(start_window_minutes=120, completion_window_minutes=120), "complete before it may have begun"),
        ("aws_backup_plans", rule(cold_after_days=300), "deletes what has just become cold"),
        ("aws_backup_plans", rule(schedule="cron(0 8 * * *)"), "schedule that AWS does not understand"),
        ("aws_backup_plans", rule(schedule="cron(0 25 * * ? *)"), "25 is no hour"),
        ("aws_backup_plans", rule(schedule="cron(30 2 * * ? *)"), "too near to aws_database_backup_window"),
        ("aws_backup_plans", rule(schedule="cron(0 4 ? * TUE *)"), "too near to aws_database_backup_window"),
        ("aws_backup_plans", rule(schedule="cron(30 5 ? * SUN *)"), "too near to aws_database_maintenance_window"),
        ("aws_backup_plans", rule(schedule="cron(15 1 ? * MON *)"), "too near to aws_database_backup_window"),
        ("aws_backup_copy_region", "", "is copied nowhere"),
        ("aws_backup_lock", {"min_retention_days": 365, "max_retention_days": 300}, "wants at least 365 and at most 300 days"),
        ("aws_backup_lock", {"changeable_for_days": 2}, "becomes final after 2 days"),
        ("aws_backup_lock", {"changeable_for_days": 7}, "nobody, not even AWS, can delete a backup"),
        ("aws_backup_restore_test", {"schedule": "first Monday"}, "schedule that AWS does not understand"),
    ],
)
def test_a_backup_that_cannot_work_is_named(variable: str, value: Any, words: str) -> None:
    problems = told(backup_problems({**copy.deepcopy(BACKUPS), variable: value}))

    assert any(words in text for _variable, text in problems), problems
    assert {name for name, _text in problems} <= {variable, "aws_backup_plans", "aws_backup_lock"}


def test_a_final_lock_is_confirmed_by_the_name_of_its_environment() -> None:
    final = {**BACKUPS, "aws_backup_lock": {"min_retention_days": 365, "changeable_for_days": 7}}

    assert told(backup_problems({**final, "aws_backup_final_lock_of": "production"})) == []
    assert "Leave changeable_for_days out" in next(iter(backup_problems({**final, "aws_backup_final_lock_of": "staging"}))).fix


# --- patches ---

WINDOW: dict[str, Any] = {"name": "patching", "schedule": "cron(0 2 ? * TUE *)", "duration_hours": 1}
PATCHES: dict[str, Any] = {
    **{key: BACKUPS[key] for key in ("aws_backup_plans", "aws_database_backup_window", "aws_database_maintenance_window")},
    "aws_patching_windows": [WINDOW],
    "aws_patching_associations": [{"name": "inventory", "schedule": "rate(12 hours)"}],
    "aws_patching_session_idle_minutes": 15,
}


def test_sound_patching_has_no_problem() -> None:
    third = {**WINDOW, "name": "third", "schedule": "cron(0 2 ? * SUN#3 *)"}
    assert told(patching_problems(copy.deepcopy(PATCHES))) == []
    assert (
        told(
            patching_problems(
                {**PATCHES, "aws_patching_windows": [WINDOW, {**third, "name": "first", "schedule": "cron(0 2 ? * SUN#1 *)"}, third]}
            )
        )
        == []
    )
    assert told(patching_problems({})) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_patching_windows", [WINDOW, {**WINDOW, "schedule": "cron(0 20 ? * TUE *)"}], "2 windows called patching"),
        ("aws_patching_windows", [{**WINDOW, "cutoff_hours": 1}], "start nothing: it ends as it begins"),
        ("aws_patching_windows", [{**WINDOW, "duration_hours": 2}], "meets aws_database_backup_window (Tue 03:00 to Tue 05:00 UTC)"),
        ("aws_patching_windows", [{**WINDOW, "schedule": "cron(30 5 ? * SUN *)"}], "meets aws_database_maintenance_window"),
        ("aws_patching_windows", [{**WINDOW, "schedule": "cron(30 7 ? * TUE *)"}], "meets the backup data/daily"),
        (
            "aws_patching_windows",
            [WINDOW, {**WINDOW, "name": "other"}],
            "opens other Tue 02:00 to Tue 03:00 UTC, which meets the window patching",
        ),
        ("aws_patching_windows", [{**WINDOW, "schedule": "cron(0 2 * * TUE *)"}], "one of them must be ?"),
        ("aws_patching_windows", [{**WINDOW, "schedule": "every Tuesday"}], "is neither rate"),
        ("aws_patching_associations", [{"name": "inventory", "schedule": "rate(12 hrs)"}], "schedule that AWS does not understand"),
        ("aws_patching_session_idle_minutes", 90, "is 90 minutes"),
        ("aws_database_backup_window", "02:30-04:00", "meets aws_database_backup_window"),
    ],
)
def test_a_window_that_gets_in_the_way_is_named(variable: str, value: Any, words: str) -> None:
    problems = told(patching_problems({**copy.deepcopy(PATCHES), variable: value}))

    assert any(words in text for _variable, text in problems), problems
