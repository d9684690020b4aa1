# SPDX-License-Identifier: GPL-3.0-or-later
"""When something goes on that AWS is told by an expression."""

from __future__ import annotations

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.schedules import (
    DAY,
    HOUR,
    ScheduleError,
    daily,
    meeting,
    spans,
    starts,
    told,
    weekly,
)


@pytest.mark.parametrize(
    ("expression", "at"),
    [
        ("cron(0 8 * * ? *)", [day * DAY + 8 * HOUR for day in range(7)]),
        ("cron(30 2 ? * TUE *)", [2 * DAY + 2 * HOUR + 30]),
        ("cron(0 2 ? * SUN#3 *)", [2 * HOUR]),
        ("cron(0 2 ? * 7L *)", [6 * DAY + 2 * HOUR]),
        ("cron(0 2 ? * MON-WED *)", [day * DAY + 2 * HOUR for day in (1, 2, 3)]),
        ("cron(0 0/12 ? * SUN,SAT *)", [0, 12 * HOUR, 6 * DAY, 6 * DAY + 12 * HOUR]),
        ("cron(0 3 1 * ? *)", [day * DAY + 3 * HOUR for day in range(7)]),
        ("rate(14 days)", []),
    ],
)
def test_when_a_schedule_goes_off(expression: str, at: list[int]) -> None:
    assert starts(expression) == at


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("cron(0 8 * * *)", "is neither rate"),
        ("0 8 * * ? *", "is neither rate"),
        ("rate(0 days)", "is neither rate"),
        ("rate(1 fortnight)", "is neither rate"),
        ("cron(60 8 * * ? *)", "60 is no minute"),
        ("cron(0 24 * * ? *)", "24 is no hour"),
        ("cron(0 8 ? * SUNDAY *)", "SUNDAY is no day of the week"),
        ("cron(0 8 ? * 8 *)", "8 is no day of the week"),
        ("cron(0 8 32 * ? *)", "32 is no day of the month"),
        ("cron(0 8 ? FEBRUARY MON *)", "FEBRUARY is no month"),
        ("cron(0 8 * * * *)", "one of them must be ?"),
        ("cron(0 0/x ? * SUN *)", "is no hour"),
    ],
)
def test_what_aws_does_not_understand_is_told(expression: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words.replace("?", r"\?")):
        starts(expression)


def test_windows_of_databases_are_read() -> None:
    assert daily("23:00-01:00")[6] == (6 * DAY + 23 * HOUR, 6 * DAY + 25 * HOUR)
    assert weekly("sun:05:00-sun:07:00") == [(5 * HOUR, 7 * HOUR)]
    assert weekly("sat:23:30-sun:00:30") == [(6 * DAY + 23 * HOUR + 30, 7 * DAY + 30)]


def test_spans_meet_across_the_end_of_the_week_and_not_when_they_touch() -> None:
    late, early = weekly("sat:23:00-sun:01:00"), weekly("sun:00:30-sun:02:00")
    assert len(list(meeting(late, early))) == len(list(meeting(early, late))) == 1
    assert list(meeting(spans("cron(0 2 ? * TUE *)", 60), daily("03:00-05:00"))) == []
    assert told(late[0]) == "Sat 23:00 to Sun 01:00 UTC"
