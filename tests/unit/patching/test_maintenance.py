# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether maintenance may begin at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.maintenance import Request, refusal
from ansible_collections.indivillage.infra.plugins.plugin_utils.schedules import goes_off

TUESDAY = {"name": "patching", "schedule": "cron(0 2 ? * TUE *)", "duration_hours": 1}
# As production has them.
SUNDAYS = [{"name": f"patching-{week}", "schedule": f"cron(0 2 ? * SUN#{week} *)", "duration_hours": 1} for week in (1, 3)]
FREEZE = {"name": "the year's end", "from": "2026-12-20T00:00:00Z", "until": "2027-01-04T00:00:00Z"}
BUSY = {
    "aws_database_backup_window": "03:00-05:00",
    "aws_database_maintenance_window": "sun:05:00-sun:07:00",
    "aws_backup_plans": [{"name": "data", "rules": [{"name": "daily", "schedule": "cron(0 8 * * ? *)"}]}],
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


def asked(moment: str, **others: Any) -> str:
    return refusal(Request(**({"windows": [TUESDAY], "minutes": 20, "busy": BUSY} | others)), at(moment))


def test_it_may_begin_while_a_window_is_open() -> None:
    assert asked("2026-12-01T02:00") == ""  # a Tuesday
    assert asked("2026-12-01T02:39") == ""


@pytest.mark.parametrize("moment", ["2026-12-01T01:59", "2026-12-02T02:10", "2026-11-30T02:10"])
def test_it_may_not_while_none_is(moment: str) -> None:
    assert asked(moment).startswith("no window is open at ")
    assert asked(moment, out_of_turn=True) == ""


def test_it_may_not_when_too_little_of_the_window_is_left() -> None:
    assert asked("2026-12-01T02:41", busy={}) == "the window closes in 19 minutes, and it takes 20. Begin with the next one."


def test_windows_of_certain_weeks_are_open_in_those_alone() -> None:
    opened = [day for day in range(1, 32) if asked(f"2026-12-{day:02}T02:10", windows=SUNDAYS) == ""]
    assert opened == [6, 20]


def test_a_freeze_holds_but_for_what_cannot_wait() -> None:
    assert asked("2026-12-22T02:10", freezes=[FREEZE]) == (
        "until 2027-01-04T00:00:00Z nothing is changed: the year's end. What cannot wait is done out of turn."
    )
    assert asked("2026-12-22T02:10", freezes=[FREEZE], out_of_turn=True) == ""
    assert asked("2026-12-15T02:10", freezes=[FREEZE]) == ""


@pytest.mark.parametrize(
    ("moment", "what"),
    [
        ("2026-12-01T04:00", "aws_database_backup_window (Tue 03:00 to Tue 05:00 UTC)"),
        ("2026-12-01T02:50", "aws_database_backup_window (Tue 03:00 to Tue 05:00 UTC)"),
        ("2026-12-06T06:30", "aws_database_maintenance_window (Sun 05:00 to Sun 07:00 UTC)"),
        ("2026-12-01T08:30", "the backup data/daily (Tue 08:00 to Tue 09:00 UTC)"),
    ],
)
def test_backups_are_respected_also_out_of_turn(moment: str, what: str) -> None:
    for out_of_turn in (False, True):
        assert f"would meet {what}" in asked(moment, out_of_turn=out_of_turn)


def test_a_freeze_without_its_zone_is_told() -> None:
    with pytest.raises(ValueError, match="does not say that it is UTC"):
        asked("2026-12-01T02:10", freezes=[FREEZE | {"from": "2026-12-20T00:00:00"}])


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("cron(0 2 1 * ? *)", [1]),
        ("cron(0 2 L * ? *)", [31]),
        ("cron(0 2 ? * FRIL *)", [25]),
        ("cron(0 2 ? * MON-WED *)", [1, 2, 7, 8, 9, 14, 15, 16, 21, 22, 23, 28, 29, 30]),
        ("cron(0 2 ? JAN-JUN SUN *)", []),
        ("cron(0 2 ? * SUN 2027)", []),
        ("rate(1 day)", []),
    ],
)
def test_a_schedule_goes_off_on_the_days_that_it_names(expression: str, days: list[int]) -> None:
    assert [day for day in range(1, 32) if goes_off(expression, datetime(2026, 12, day, 2, 0, tzinfo=UTC))] == days
