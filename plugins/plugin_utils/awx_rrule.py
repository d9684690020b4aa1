# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWX refuses of a schedule's rule, said before it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

START = re.compile(r"DTSTART(?:;TZID=(?P<zone>[^:;]+))?:(?P<time>\d{8}T\d{6})(?P<utc>Z?)")
MOST_RUNS = 999


def rule_problems(text: str) -> Iterator[str]:
    """Why a server would refuse the text; nothing when it would take it."""
    starts = list(START.finditer(text))
    if len(starts) != 1:
        yield "has no DTSTART, or more than one. It begins like DTSTART;TZID=Asia/Kolkata:20260101T053000"
        return
    (start,) = starts
    if bool(start["zone"]) == bool(start["utc"]):
        yield "has a DTSTART without a time zone. Write DTSTART;TZID=<zone>:<time>, or <time>Z for UTC"
    if start["zone"]:
        try:
            ZoneInfo(start["zone"])
        except (ZoneInfoNotFoundError, ValueError):
            yield f"names the time zone {start['zone']!r}, which does not exist"
    rules = [part for part in text.split() if part.startswith(("RRULE:", "EXRULE:"))]
    if not any(part.startswith("RRULE:") for part in rules):
        yield "has no RRULE. It goes on like RRULE:FREQ=DAILY;INTERVAL=1"
    for part in rules:
        problems = list(_part_problems(part))
        yield from problems or _unreadable(part)
    for part in text.split():
        if not part.startswith(("DTSTART", "RRULE:", "EXRULE:")):
            yield f"has {part!r}, which belongs to no rule"


def _part_problems(part: str) -> Iterator[str]:
    fields = dict(field.partition("=")[::2] for field in part.partition(":")[2].split(";"))
    if "INTERVAL" not in fields:
        yield f"lacks INTERVAL in {part}. Write INTERVAL=1"
    if fields.get("FREQ") == "SECONDLY":
        yield "would run every few seconds; FREQ is at least MINUTELY"
    if re.search(r"\d", fields.get("BYDAY", "")):
        yield f"has a number in BYDAY={fields['BYDAY']}. Write BYDAY=TU;BYSETPOS=2 for the second Tuesday"
    if "COUNT" in fields and "UNTIL" in fields:
        yield "has both COUNT and UNTIL. Choose one"
    if fields.get("COUNT", "").isdigit() and int(fields["COUNT"]) > MOST_RUNS:
        yield f"has COUNT={fields['COUNT']}, and {MOST_RUNS} is the most"


def _unreadable(part: str) -> Iterator[str]:
    from dateutil import rrule  # noqa: PLC0415  # comes with boto3; ansible-test imports this file where neither is

    try:
        rrule.rrulestr(re.sub(r"UNTIL=(\d{8}T\d{6})Z?", r"UNTIL=\1", part.replace("EXRULE:", "RRULE:")))
    except (ValueError, KeyError, AttributeError) as error:
        yield f"cannot be read in {part}: {error}"
