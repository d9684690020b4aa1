# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether maintenance may begin at a moment: windows, freezes, and what else goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.schedules import DAY, HOUR, began, meeting, told
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_upkeep import busy_windows


@dataclass(frozen=True)
class Request:
    """What is asked for; the fields are the options of the module maintenance_window."""

    windows: Sequence[Mapping[str, Any]]
    minutes: int
    freezes: Sequence[Mapping[str, Any]] = ()
    busy: Mapping[str, Any] = field(default_factory=dict)
    out_of_turn: bool = False


def refusal(request: Request, now: datetime) -> str:
    """Why the work may not begin now (UTC), and what to do; empty when it may."""
    minute = now.isoweekday() % 7 * DAY + now.hour * HOUR + now.minute
    own = (minute, minute + request.minutes)
    for name, taken in busy_windows(request.busy):
        for _own, other in meeting([own], taken):
            return f"it takes {request.minutes} minutes and would meet {name} ({told(other)}). Begin after that, or early enough before it."
    if request.out_of_turn:
        return ""
    for freeze in request.freezes:
        if _moment(freeze["from"]) <= now < _moment(freeze["until"]):
            return f"until {freeze['until']} nothing is changed: {freeze['name']}. What cannot wait is done out of turn."
    open_until = [
        start + timedelta(hours=int(window["duration_hours"]))
        for window in request.windows
        if (start := began(window["schedule"], int(window["duration_hours"]) * HOUR, now))
    ]
    if not open_until:
        names = ", ".join(f"{window['name']} ({window['schedule']}, {window['duration_hours']} h)" for window in request.windows)
        return f"no window is open at {now:%a %H:%M} UTC; there are: {names or 'none'}. What cannot wait is done out of turn."
    left = int((max(open_until) - now).total_seconds() // 60)
    if left < request.minutes:
        return f"the window closes in {left} minutes, and it takes {request.minutes}. Begin with the next one."
    return ""


def _moment(text: Any) -> datetime:
    """A moment of a freeze; YAML may have read it as one already."""
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text} does not say that it is UTC: write it as '2026-12-20T00:00:00Z'")
    return moment
