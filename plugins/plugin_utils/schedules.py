# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the week at which something goes on, read from the expressions in which AWS is told them; all in UTC.

A span is a beginning and an end in minutes since Sunday 00:00; one that goes beyond the week's end goes on at its beginning. What happens
only in some weeks or months is taken for something that happens every week: two things that could meet are said to meet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product

Span = tuple[int, int]

HOUR, DAY = 60, 24 * 60
WEEK = 7 * DAY
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# Lowest and highest value and the names of the six fields of cron.
FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 1, 7, DAYS),
    ("year", 1970, 2199, ()),
)
RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day|week)s?\)")


class ScheduleError(Exception):
    """An expression that AWS does not understand; the text says why."""


def starts(expression: str) -> list[int]:
    """The minutes of the week at which a schedule goes off; none for a rate, which begins whenever it is made."""
    if RATE.fullmatch(expression):
        return []
    inner = re.fullmatch(r"cron\((.*)\)", expression)
    parts = inner[1].split() if inner else []
    if len(parts) != len(FIELDS):
        raise ScheduleError(f"{expression} is neither rate(<number> <unit>) nor cron(<minute> <hour> <day> <month> <weekday> <year>)")
    minutes, hours, month_days, _months, week_days, _years = (_values(part, *field) for part, field in zip(parts, FIELDS, strict=True))
    if "?" not in (parts[2], parts[4]):
        raise ScheduleError(f"{expression} says both a day of the month and one of the week: one of them must be ?")
    days = range(7) if week_days is None or month_days is not None else [day - 1 for day in week_days]
    return sorted(day * DAY + hour * HOUR + minute for day, hour, minute in product(days, hours or range(24), minutes or range(60)))


def began(expression: str, minutes: int, now: datetime) -> datetime | None:
    """When that which goes on now began, by a schedule and for so many minutes each time; None when nothing goes on. All in UTC."""
    whole = now.replace(second=0, microsecond=0)
    return next((start for back in range(minutes) if goes_off(expression, start := whole - timedelta(minutes=back))), None)


def goes_off(expression: str, at: datetime) -> bool:
    """Whether a schedule goes off in this very minute, also one of certain weeks or months."""
    weekday = at.isoweekday() % 7  # 0 is Sunday
    if weekday * DAY + at.hour * HOUR + at.minute not in starts(expression):
        return False
    _minutes, _hours, month_days, months, week_days, years = expression[len("cron(") : -1].split()
    for text, value, field in ((month_days, at.day, FIELDS[2]), (months, at.month, FIELDS[3]), (years, at.year, FIELDS[5])):
        allowed = None if text.upper() == "L" else _values(text, *field)
        if allowed is not None and value not in allowed:
            return False
    is_last_week, is_last_day = (at + timedelta(weeks=1)).month != at.month, (at + timedelta(days=1)).month != at.month
    if month_days.upper() == "L" and not is_last_day:
        return False
    return any(_is_of_week(part, weekday, at.day, is_last_week) for part in week_days.split(","))


def _is_of_week(part: str, weekday: int, day: int, is_last_week: bool) -> bool:
    """Whether a part of the field of the weekday, such as SUN#1 or FRIL, takes this day."""
    # It fits: starts() has refused every other text.
    name, number, last = re.fullmatch(r"([^#]*?)(?:#(\d))?(L?)", part.upper()).groups()  # type: ignore[union-attr]
    days = _values(name, *FIELDS[4]) if name else None
    return (days is None or weekday + 1 in days) and (not number or (day - 1) // 7 + 1 == int(number)) and (not last or is_last_week)


def _values(text: str, name: str, low: int, high: int, names: Sequence[str]) -> list[int] | None:
    """The values of a field; None for any."""
    if text in ("*", "?"):
        return None
    found: list[int] = []
    for part in text.split(","):
        span, _slash, step = part.partition("/")
        first, _dash, last = span.partition("-")
        begin = low if first == "*" else _value(first, name, low, high, names)
        end = _value(last, name, low, high, names) if last else high if step or first == "*" else begin
        if step and not step.isdigit():
            raise ScheduleError(f"{part} is no {name}")
        found += range(begin, end + 1, int(step or 1))
    return sorted(set(found))


def _value(text: str, name: str, low: int, high: int, names: Sequence[str]) -> int:
    plain = re.sub(r"(#[1-5]|L)$", "", text.upper()) or str(high)  # the third Sunday, the last day
    if plain in names:
        return names.index(plain) + low
    if not plain.isdigit() or not low <= int(plain) <= high:
        raise ScheduleError(f"{text} is no {name}")
    return int(plain)


def spans(expression: str, minutes: int) -> list[Span]:
    """When something that begins by a schedule goes on, for so long."""
    return [(start, start + minutes) for start in starts(expression)]


def daily(window: str) -> list[Span]:
    """The spans of a window of RDS such as C(03:00-05:00)."""
    begin, end = (_clock(part) for part in window.split("-"))
    length = (end - begin) % DAY
    return [(day * DAY + begin, day * DAY + begin + length) for day in range(7)]


def weekly(window: str) -> list[Span]:
    """The span of a window of RDS such as C(sun:05:00-sun:07:00)."""
    begin, end = (DAYS.index(part[:3].upper()) * DAY + _clock(part[4:]) for part in window.split("-"))
    return [(begin, begin + (end - begin) % WEEK)]


def _clock(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * HOUR + int(minutes)


def meeting(left: Iterable[Span], right: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """The pairs that meet, also across the week's end."""
    for one, other in product(left, right):
        if any(one[0] + shift < other[1] and other[0] < one[1] + shift for shift in (-WEEK, 0, WEEK)):
            yield one, other


def told(span: Span) -> str:
    """A span as people read it."""
    (begin, end) = (f"{DAYS[minute // DAY % 7].title()} {minute % DAY // HOUR:02}:{minute % HOUR:02}" for minute in span)
    return f"{begin} to {end} UTC"
