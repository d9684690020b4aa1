# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of what may be spent, kept and changed that no type shows.

The variables that are given have the types that their roles declare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.schedules import (
    HOUR,
    ScheduleError,
    Span,
    daily,
    meeting,
    spans,
    starts,
    told,
    weekly,
)
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


# ---- Backups and patches -----------------------------------------------------------------------------------------------------------

PLANS, LOCK, WINDOWS = "aws_backup_plans", "aws_backup_lock", "aws_patching_windows"
MINIMUM, PRODUCTION_DAYS = "aws_backup_minimum_retention_days", 365
LEAST_START_MINUTES, COLD_DAYS, LEAST_GRACE_DAYS = 60, 90, 3  # by AWS
SESSION_MINUTES = {"aws_patching_session_idle_minutes": 60, "aws_patching_session_minutes": 1440}
RDS_MARGIN_MINUTES = 60  # AWS Backup starts nothing so shortly before a window of RDS


def backup_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the backups of a stack."""
    plans, lock = values.get(PLANS) or [], values.get(LOCK) or {}
    minimum = int(values.get(MINIMUM) or 0)
    if values.get("environment_name") == "production" and minimum < PRODUCTION_DAYS:
        yield Problem(MINIMUM, f"is {minimum} days in production.", f"Production keeps its backups {PRODUCTION_DAYS} days at least.")
    for plan in plans:
        for rule in plan["rules"]:
            for text, fix in _rule_faults(rule, minimum, lock, values):
                yield Problem(PLANS, f"has the rule {plan['name']}/{rule['name']}, which {text}.", fix)
    yield from _lock_problems(lock, values)
    schedule = (values.get("aws_backup_restore_test") or {}).get("schedule")
    if schedule:
        yield from _cron_problems("aws_backup_restore_test", schedule)


def _rule_faults(rule: Mapping[str, Any], minimum: int, lock: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days, start = int(rule["delete_after_days"]), int(rule.get("start_window_minutes") or LEAST_START_MINUTES)
    if days < minimum:
        yield f"keeps backups {days} days", f"{MINIMUM} says {minimum} at least."
    low, high = lock.get("min_retention_days"), lock.get("max_retention_days")
    if (low and days < int(low)) or (high and days > int(high)):
        yield f"keeps backups {days} days, which the vault's lock refuses", f"It takes {low or 1} to {high or 'any number of'} days."
    if start < LEAST_START_MINUTES:
        yield f"has to start within {start} minutes", f"AWS takes {LEAST_START_MINUTES} at least."
    if rule.get("completion_window_minutes") and int(rule["completion_window_minutes"]) < start + LEAST_START_MINUTES:
        yield "has to be complete before it may have begun", "Let completion_window_minutes be an hour more than start_window_minutes."
    if rule.get("cold_after_days") and days < int(rule["cold_after_days"]) + COLD_DAYS:
        yield "deletes what has just become cold", f"AWS keeps cold backups {COLD_DAYS} days at least."
    if rule.get("copy_days") and not values.get("aws_backup_copy_region"):
        yield "is copied nowhere", "Set aws_backup_copy_region, or leave copy_days out."
    try:
        taken = spans(rule["schedule"], start)
    except ScheduleError as error:
        yield (
            f"has a schedule that AWS does not understand: {error}",
            "Write cron(<minute> <hour> <day> <month> <weekday> <year>), one of the days a ?.",
        )
        return
    for name, window in _database_windows(values):
        for one, other in meeting(((begin - RDS_MARGIN_MINUTES, end) for begin, end in window), taken):
            yield (
                f"begins at {told(other)}, too near to {name} ({told((one[0] + RDS_MARGIN_MINUTES, one[1]))})",
                "Move it: AWS Backup would fail.",
            )
            break


def _database_windows(values: Mapping[str, Any]) -> Iterator[tuple[str, list[Span]]]:
    """What RDS does by itself; a window that RDS itself would not understand is not for here."""
    for name, read in (("aws_database_backup_window", daily), ("aws_database_maintenance_window", weekly)):
        with suppress(ValueError):
            if values.get(name):
                yield name, read(values[name])


def _lock_problems(lock: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Problem]:
    low, high = int(lock.get("min_retention_days") or 1), lock.get("max_retention_days")
    if high and low > int(high):
        yield Problem(LOCK, f"wants at least {low} and at most {high} days.", "Turn them around.")
    grace = lock.get("changeable_for_days")
    if grace is None:
        return
    if int(grace) < LEAST_GRACE_DAYS:
        yield Problem(LOCK, f"becomes final after {grace} days.", f"AWS takes {LEAST_GRACE_DAYS} days at least.")
    environment = values.get("environment_name")
    if values.get("aws_backup_final_lock_of") != environment:
        text = f"becomes final after {grace} days: then nobody, not even AWS, can delete a backup before its time or lift the lock."
        yield Problem(LOCK, text, f"Leave changeable_for_days out, or confirm it with aws_backup_final_lock_of: {environment}.")


def patching_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the times at which instances are patched."""
    windows = values.get(WINDOWS) or []
    for name, count in Counter(window["name"] for window in windows).items():
        if count > 1:
            yield Problem(WINDOWS, f"has {count} windows called {name}.", "Give each a name of its own.")
    busy = busy_windows(values)
    seen: list[tuple[str, list[Span]]] = []
    for window in windows:
        if int(window.get("cutoff_hours") or 0) >= int(window["duration_hours"]):
            yield Problem(
                WINDOWS, f"lets {window['name']} start nothing: it ends as it begins.", "Let cutoff_hours be less than duration_hours."
            )
        try:
            open_at = spans(window["schedule"], int(window["duration_hours"]) * HOUR)
        except ScheduleError as error:
            fix = "Write cron(<minute> <hour> <day> <month> <weekday> <year>), one of the days a ?."
            yield Problem(WINDOWS, f"has the window {window['name']} with a schedule that AWS does not understand: {error}.", fix)
            continue
        for name, taken in [*busy, *seen]:
            for one, other in meeting(open_at, taken):
                text = f"opens {window['name']} {told(one)}, which meets {name} ({told(other)})."
                yield Problem(WINDOWS, text, "Move one of them.")
                break
        if "#" not in window["schedule"]:  # those of certain weeks of a month have weeks of their own
            seen.append((f"the window {window['name']}", open_at))
    for name, most in SESSION_MINUTES.items():
        if values.get(name) is not None and not 1 <= int(values[name]) <= most:
            yield Problem(name, f"is {values[name]} minutes.", f"Session Manager takes 1 to {most}.")
    for association in values.get("aws_patching_associations") or []:
        yield from _cron_problems("aws_patching_associations", association["schedule"])


def busy_windows(values: Mapping[str, Any]) -> list[tuple[str, list[Span]]]:
    """What nothing else may meet: what RDS does by itself and the backups, each with the spans of the week that it takes."""
    return [*_database_windows(values), *_backup_windows(values)]


def _backup_windows(values: Mapping[str, Any]) -> Iterator[tuple[str, list[Span]]]:
    for plan in values.get(PLANS) or []:
        for rule in plan["rules"]:
            with suppress(ScheduleError):  # told where the backups are looked at
                yield f"the backup {plan['name']}/{rule['name']}", spans(rule["schedule"], int(rule.get("start_window_minutes") or 60))


def _cron_problems(variable: str, schedule: str) -> Iterator[Problem]:
    try:
        starts(schedule)
    except ScheduleError as error:
        yield Problem(variable, f"has a schedule that AWS does not understand: {error}.", "Write it as rate(1 day) or cron(0 7 ? * MON *).")
